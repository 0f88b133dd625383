"""The demo shop at work, watched by a real Prometheus, and a mesh that looks into it.

    python -m deploy.demo.live

Opens the shop, sends it customers, starts Prometheus and the mesh, asks whether something is
wrong while all is well, turns on the flag that makes payment block its event loop, and asks why
checkout is slow. Everything it started is stopped, on Ctrl-C too.
"""

import argparse
import asyncio
import logging
import signal
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from deploy.demo.company import customers_coming, mesh_running, weft
from deploy.demo.fleet import shop_running
from deploy.demo.outside import Load, Provider, provider_running
from deploy.demo.watched import prometheus_running

log = logging.getLogger("live")
HEALTHY = "Is anything wrong?"
SLOW = "Why is checkout slow?"
_WITHIN = aiohttp.ClientTimeout(total=5)


@dataclass(frozen=True, slots=True)
class LiveScript:
    """How long each part is, in seconds, and how the shop is used meanwhile."""

    healthy: float = 60.0
    """Before the first question."""
    faulty: float = 45.0
    """From the flag to the second question."""
    load: Load = field(default_factory=Load)
    provider: Provider = field(default_factory=Provider)
    seed: int = 7


@dataclass(frozen=True, slots=True)
class LiveAnswers:
    """What the mesh said, before and after the flag, and how its commands ended."""

    healthy: str
    faulty: str
    exits: tuple[int, int]


async def live(script: LiveScript, directory: Path) -> LiveAnswers:
    """Run the whole script once; logs and state stay below `directory`.

    Raises:
        RuntimeError: Something did not come up; the sentence says what.
    """
    async with (
        provider_running(script.provider, seed=script.seed) as scoring,
        shop_running(directory / "telemetry", scoring=scoring) as urls,
        prometheus_running(urls, directory / "prometheus") as prometheus,
        customers_coming(urls["frontend"], script.load, seed=script.seed),
    ):
        log.info("the shop is open; Prometheus watches it at %s", prometheus)
        home = directory / "mesh"
        async with mesh_running(home, "--prometheus", prometheus):
            log.info("the mesh runs; customers come for %.0f s, all is well", script.healthy)
            await asyncio.sleep(script.healthy)
            since = asyncio.get_running_loop().time()
            healthy = await _asked(home, HEALTHY)
            await _switch(urls["payment"])
            log.info("payment's flag is on; %.0f s of trouble", script.faulty)
            await asyncio.sleep(script.faulty)
            seconds = asyncio.get_running_loop().time() - since
            faulty = await _asked(home, f"{SLOW} Look at the last {seconds:.0f} seconds.")
    return LiveAnswers(healthy[0], faulty[0], (healthy[1], faulty[1]))


async def _asked(home: Path, question: str) -> tuple[str, int]:
    log.info("\n> %s", question)
    text, code = await weft(home, "ask", question)
    log.info("%s", text)
    return text, code


async def _switch(payment: str) -> None:
    async with (
        aiohttp.ClientSession(timeout=_WITHIN) as session,
        session.put(f"{payment}/admin/flags", json={"fraud_scoring": True}) as answer,
    ):
        answer.raise_for_status()


def main() -> None:
    """Diagnose the demo shop while it runs; takes about three minutes."""
    usual = LiveScript()
    parser = argparse.ArgumentParser(prog="python -m deploy.demo.live", description=main.__doc__)
    parser.add_argument("--healthy", type=float, default=usual.healthy, metavar="SECONDS")
    parser.add_argument("--faulty", type=float, default=usual.faulty, metavar="SECONDS")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    script = LiveScript(healthy=given.healthy, faulty=given.faulty)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "telemetry").mkdir()
        try:
            answers = asyncio.run(live(script, Path(scratch)))
        except RuntimeError as error:
            parser.exit(1, f"{error}\n")
        except KeyboardInterrupt:
            parser.exit(130, "stopped\n")
    parser.exit(max(answers.exits))


if __name__ == "__main__":
    main()
