"""The demo shop at work, watched by a real Prometheus, and a mesh that looks into it.

    python -m deploy.demo.live

Opens the shop, sends it customers, starts Prometheus and the mesh, asks whether something is
wrong while all is well, turns on the flag that makes payment block its event loop, and asks why
checkout is slow. Everything it started is stopped, on Ctrl-C too.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from deploy.demo.fleet import shop_running
from deploy.demo.outside import Load, Provider, drive, provider_running
from deploy.demo.watched import prometheus_running, stopped
from weft.local.credentials import CREDENTIALS
from weft.local.ports import free_port

log = logging.getLogger("live")
HEALTHY = "Is anything wrong?"
SLOW = "Why is checkout slow?"
_WITHIN = aiohttp.ClientTimeout(total=5)
_MESH_WITHIN = 90.0
_ASK_WITHIN = 120.0


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
        _customers(urls["frontend"], script),
    ):
        log.info("the shop is open; Prometheus watches it at %s", prometheus)
        async with _mesh(prometheus, directory / "mesh") as home:
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


@asynccontextmanager
async def _customers(frontend: str, script: LiveScript) -> AsyncGenerator[None, None]:
    coming = asyncio.create_task(_coming(frontend, script))
    try:
        yield
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


async def _coming(frontend: str, script: LiveScript) -> None:
    answers: Counter[int] = Counter()
    while True:
        answers += await drive(frontend, script.load, seconds=3600.0, seed=script.seed)


@asynccontextmanager
async def _mesh(prometheus: str, home: Path) -> AsyncGenerator[Path, None]:
    process = await asyncio.create_subprocess_exec(
        *_weft(home),
        *("up", "--port", str(free_port()), "--prometheus", prometheus),
        stdin=asyncio.subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    )
    try:
        await _ready(process, home)
        yield home
    finally:
        await stopped(process)


async def _ready(process: asyncio.subprocess.Process, home: Path) -> None:
    """Wait for the credentials that `weft up` writes once it answers."""
    deadline = asyncio.get_running_loop().time() + _MESH_WITHIN
    while not await asyncio.to_thread((home / CREDENTIALS).exists):
        if process.returncode is not None or asyncio.get_running_loop().time() > deadline:
            raise RuntimeError("the mesh did not come up; what it printed says why")
        await asyncio.sleep(0.1)


async def _asked(home: Path, question: str) -> tuple[str, int]:
    log.info("\n> %s", question)
    process = await asyncio.create_subprocess_exec(
        *_weft(home), "ask", question, stdout=asyncio.subprocess.PIPE, env=_environment()
    )
    try:
        async with asyncio.timeout(_ASK_WITHIN):
            answer, _ = await process.communicate()
    finally:
        await stopped(process)
    text = answer.decode()
    log.info("%s", text)
    return text, process.returncode or 0


def _weft(home: Path) -> tuple[str, ...]:
    return (sys.executable, "-m", "weft.cli.main", "--home", str(home))


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}


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
