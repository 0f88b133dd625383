"""What a demonstration does beside the shop: customers who keep coming, and a mesh that is asked."""

import asyncio
import logging
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.demo.outside import Load, drive
from deploy.demo.watched import stopped
from weft.local.credentials import CREDENTIALS
from weft.local.ports import free_port

__all__ = ["customers_coming", "mesh_running", "weft"]

log = logging.getLogger("demo")
_MESH_WITHIN = 90.0
_ASK_WITHIN = 120.0


@asynccontextmanager
async def customers_coming(frontend: str, load: Load, *, seed: int) -> AsyncGenerator[None, None]:
    """Send customers for as long as the block lasts."""
    coming = asyncio.create_task(_coming(frontend, load, seed))
    try:
        yield
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


async def _coming(frontend: str, load: Load, seed: int) -> None:
    answers: Counter[int] = Counter()
    while True:
        answers += await drive(frontend, load, seconds=3600.0, seed=seed)


@asynccontextmanager
async def mesh_running(
    home: Path, *options: str
) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """Yield the process of a `weft up` with these options, once the mesh answers.

    Raises:
        RuntimeError: It did not come up.
    """
    process = await asyncio.create_subprocess_exec(
        *_command(home),
        *("up", "--port", str(free_port()), *options),
        stdin=asyncio.subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    )
    try:
        await _ready(process, home)
        yield process
    finally:
        await stopped(process)


async def _ready(process: asyncio.subprocess.Process, home: Path) -> None:
    """Wait for the credentials that `weft up` writes once it answers."""
    deadline = asyncio.get_running_loop().time() + _MESH_WITHIN
    while not await asyncio.to_thread((home / CREDENTIALS).exists):
        if process.returncode is not None or asyncio.get_running_loop().time() > deadline:
            raise RuntimeError("the mesh did not come up; what it printed says why")
        await asyncio.sleep(0.1)


async def weft(home: Path, *words: str) -> tuple[str, int]:
    """Return what a command of `weft` prints, and how it ends."""
    process = await asyncio.create_subprocess_exec(
        *_command(home), *words, stdout=asyncio.subprocess.PIPE, env=_environment()
    )
    try:
        async with asyncio.timeout(_ASK_WITHIN):
            answer, _ = await process.communicate()
    finally:
        await stopped(process)
    return answer.decode(), process.returncode or 0


def _command(home: Path) -> tuple[str, ...]:
    return (sys.executable, "-m", "weft.cli.main", "--home", str(home))


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
