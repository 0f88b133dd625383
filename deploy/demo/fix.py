"""The demo shop gets slow, and the mesh that finds out why fixes it, once a person says yes.

    python -m deploy.demo.fix

Opens the shop, sends it customers, turns on the flag that makes payment block its event loop, and
asks the mesh to diagnose the slowdown and fix it. While it waits for the approval, gateway, router
and operator are killed. Then it is approved, and the checkout is timed again, from outside.
Everything it started is stopped, on Ctrl-C too. It needs nothing but the `demo` dependencies.
"""

import argparse
import asyncio
import logging
import os
import re
import signal
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import aiohttp

from deploy.demo.company import mesh_running, weft
from deploy.demo.control import OperatedShop, operated_shop
from deploy.demo.outside import provider_running
from deploy.demo.record import Script, watched
from deploy.demo.recording import write_case

log = logging.getLogger("fix")
GOAL = "Diagnose the checkout slowdown and fix it"
FLAG = "fraud_scoring"
KILLED = ("services.operator.main", "router_service.main", "gateway.main")
_RUN = re.compile(r"weft .{0,200}?approve ([0-9a-f]{32})")
_CUSTOMERS = 12
_GIVE_UP = aiohttp.ClientTimeout(total=10)
_BACK_WITHIN = 60.0
_WAITS = 3
"""How `weft` ends where a run waits for a person."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What came of it."""

    before: float
    """Seconds that a checkout took, in the median, with the flag on."""
    after: float
    operations: int
    answer: str


async def fix(script: Script, directory: Path) -> Fixed:
    """Run the whole story once; logs and state stay below `directory`.

    Raises:
        RuntimeError: Something did not come up, or nothing was proposed; the sentence says what.
    """
    telemetry, home = directory / "telemetry", directory / "mesh"
    await asyncio.to_thread(telemetry.mkdir)
    async with (
        provider_running(script.provider, seed=script.seed) as scoring,
        operated_shop(telemetry, scoring=scoring) as shop,
        aiohttp.ClientSession(timeout=_GIVE_UP) as session,
    ):
        log.info("the shop is open; customers come for %.0f s, all is well", script.baseline)

        async def switch() -> None:
            await shop.switch(FLAG, on=True)

        run = await watched(script, telemetry, shop.urls, session, switch=switch)
        case = await asyncio.to_thread(write_case, run, directory / "incident")
        before = await _checkout_seconds(session, shop)
        log.info("payment's flag is on: a checkout takes %.2f s", before)
        options = ("--operate", shop.url, "--operate-token", str(shop.token_file))
        async with mesh_running(home, *options, "--data", str(case)) as mesh:
            answer = await _approved(home, mesh.pid)
        after = await _checkout_seconds(session, shop)
        log.info("a checkout takes %.2f s; it took %.2f s", after, before)
    return Fixed(before, after, len(shop.operations), answer)


async def _approved(home: Path, mesh: int) -> str:
    log.info("\n> %s", GOAL)
    asked, code = await weft(home, "ask", GOAL)
    log.info("%s", asked)
    waits = _RUN.search(asked)
    if code != _WAITS or waits is None:
        raise RuntimeError("the mesh proposed nothing; what it said says why")
    for module in KILLED:
        await asyncio.to_thread(_kill, mesh, module)
    log.info("killed while it waits: %s", ", ".join(KILLED))
    await _back(home, waits[1])
    log.info("\n> weft approve %s", waits[1])
    answer, _ = await weft(home, "approve", waits[1])
    log.info("%s", answer)
    return answer


async def _back(home: Path, run: str) -> None:
    """Return once the mesh shows the run again."""
    async with asyncio.timeout(_BACK_WITHIN):
        while True:
            _, code = await weft(home, "runs", "show", run)
            if code in {0, _WAITS}:
                return
            await asyncio.sleep(0.2)


def _kill(mesh: int, module: str) -> None:
    """Kill the child of the mesh that runs `module`, without a word."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
        if parent == mesh and module.encode() in words:
            os.kill(int(entry.name), signal.SIGKILL)


async def _checkout_seconds(session: aiohttp.ClientSession, shop: OperatedShop) -> float:
    """Return how long customers wait that come at once, in the median; who gives up waited as long."""

    async def waited() -> float:
        began = time.monotonic()
        basket = {"sku": "lamp", "quantity": 1}
        try:
            async with session.post(f"{shop.urls['frontend']}/checkout", json=basket) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            pass
        return time.monotonic() - began

    return median(await asyncio.gather(*(waited() for _ in range(_CUSTOMERS))))


def main() -> None:
    """Let the mesh fix the demo shop while it runs; takes about two minutes."""
    usual = Script(baseline=24.0, incident=24.0)
    parser = argparse.ArgumentParser(prog="python -m deploy.demo.fix", description=main.__doc__)
    parser.add_argument("--baseline", type=float, default=usual.baseline, metavar="SECONDS")
    parser.add_argument("--incident", type=float, default=usual.incident, metavar="SECONDS")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    script = replace(usual, baseline=given.baseline, incident=given.incident)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            fixed = asyncio.run(fix(script, Path(scratch)))
        except RuntimeError as error:
            parser.exit(1, f"{error}\n")
        except KeyboardInterrupt:
            parser.exit(130, "stopped\n")
    parser.exit(0 if fixed.after < fixed.before / 2 and fixed.operations == 1 else 1)


if __name__ == "__main__":
    main()
