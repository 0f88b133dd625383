"""A whole mesh of a trial's own specialists, started as a user starts one."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

from tests.bench.contestants import until_ready
from tests.conftest import ROOT
from weft.local.ports import free_port

_MAIN = """import os
os.environ.setdefault("RIG_ROLE", "{name}")
for variable, value in list(os.environ.items()):
    if variable.startswith("{upper}_"):
        os.environ["RIG_" + variable.removeprefix("{upper}_")] = value
from tests.rig.specialists import main
main()
"""
MODULES = {"gateway": "gateway.main", "router": "router_service.main", "nats": "nats-server"}
"""What a process of this name has on its command line; a specialist's is `services.<name>.main`."""


@dataclass(frozen=True, slots=True)
class RigMesh:
    """A running mesh."""

    home: Path
    url: str
    key: str
    book: Path
    supervisor: int
    names: Sequence[str]
    """Of all processes that a trial may hurt."""

    def pid(self, name: str) -> int | None:
        """Return the process that is `name` now, or None while there is none."""
        part = MODULES.get(name, f"services.{name}.main")
        for child in self.processes():
            try:
                if any(part in word for word in child.cmdline()[:4]):
                    return child.pid
            except psutil.Error:
                continue
        return None

    def processes(self) -> Iterator[psutil.Process]:
        yield from psutil.Process(self.supervisor).children(recursive=False)

    def session(self, key: str | None = None, *, seconds: float = 60.0) -> aiohttp.ClientSession:
        """Return a client; None asks with the key of whoever started the mesh."""
        return aiohttp.ClientSession(
            self.url,
            headers={"authorization": f"Bearer {key or self.key}"},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=seconds),
        )

    def written(self) -> list[str]:
        """Return what happened outside the mesh, a line each."""
        return self.book.read_text().splitlines() if self.book.exists() else []

    async def new_key(self, name: str) -> str:
        """Make a key with a subject of its own."""
        command = [sys.executable, "-m", "weft.cli.main", "--home", str(self.home)]
        process = await asyncio.create_subprocess_exec(
            *command, "keys", "create", name, stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        text, _ = await process.communicate()
        return text.decode().strip()


@asynccontextmanager
async def rig_mesh(place: Path, specialists: Sequence[str]) -> AsyncIterator[RigMesh]:
    """Yield a mesh of these specialists below `place`; stop it on the way out."""
    project, home, book = place / "project", place / "home", place / "book.txt"
    for name in specialists:
        folder = project / "services" / name
        folder.mkdir(parents=True)
        (folder / "main.py").write_text(_MAIN.format(name=name, upper=name.upper()))
    for part in ("router_service", "gateway"):
        (project / part).symlink_to(ROOT / part)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "weft.cli.main", "--home", str(home)),
        *("up", "--port", str(free_port())),
        cwd=project,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "WEFT_MODEL": "offline:rules",
            "RIG_BOOK": str(book),
        },
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await until_ready(process)
        assert process.stderr is not None
        # Somebody must read what it says, or it stops at a full pipe.
        reading = asyncio.create_task(_read_away(process.stderr))
        stored = json.loads((home / "credentials.json").read_text())
        names = ("gateway", "router", "nats", *specialists)
        yield RigMesh(home, stored["url"], stored["key"], book, process.pid, names)
        reading.cancel()
    finally:
        process.terminate()
        await process.wait()


async def _read_away(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass
