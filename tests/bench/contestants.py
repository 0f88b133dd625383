"""Who runs in the benchmark of `POST /invoke`: a mesh of a checkout, and the bare fan-out."""

import asyncio
import json
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path

import aiohttp

from tests.bench import spending
from tests.bench.spending import Spending
from tests.conftest import ROOT
from weft.checkpoint import TERMINAL
from weft.local.ports import free_port

SERVICES = ("checkout", "payment", "cart", "search", "login")
TROUBLES = ("slowdown", "errors since noon", "latency spike of today", "timeouts", "outage")
NAMES = ("echo_a", "echo_b", "echo_c")
MAIN = """import os
os.environ.setdefault("ECHO_NAME", "{name}")
for key, value in list(os.environ.items()):
    if key.startswith("{upper}_"):
        os.environ["ECHO_" + key.removeprefix("{upper}_")] = value
from tests.bench.echo import main
main()
"""


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who answers requests, and what that takes."""

    name: str
    url: str
    spent: Callable[[], Spending]
    """By its processes so far."""
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """What a mesh left in its databases."""

    runs: int
    """Those that clients asked for, the ones before the measurement too."""
    unfinished: int
    """Runs and tasks that did not end, in any database."""
    commits: dict[str, int]
    """By service; with `synchronous=FULL` each is one fsync of a log."""
    statements: dict[str, int]
    """By service, those of what was committed."""

    @property
    def silent(self) -> bool:
        """Whether some service did not say what it did, or did nothing."""
        return set(self.commits) != {*NAMES, "router", "gateway"}


def bodies() -> Iterator[dict[str, object]]:
    """Yield requests without end, each in words of its own."""
    for number in count(1):
        for service, trouble in product(SERVICES, TROUBLES):
            yield {"prompt": f"Diagnose the {service} {trouble} of shop {number}"}


@asynccontextmanager
async def bare() -> AsyncIterator[Contestant]:
    """Yield the yardstick: a front and three leaves over plain HTTP."""
    ports = [free_port() for _ in range(4)]
    peers = ",".join(f"http://127.0.0.1:{port}/" for port in ports[1:])
    processes = []
    for app, port in zip(("front", "leaf", "leaf", "leaf"), ports, strict=True):
        environment = {**os.environ, "BARE_APP": app, "BARE_PORT": str(port), "BARE_PEERS": peers}
        processes.append(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.bench.bare", env=environment, cwd=ROOT
            )
        )
    pids = [process.pid for process in processes]
    try:
        for port in ports:
            await _answers(port)
        url = f"http://127.0.0.1:{ports[0]}/invoke"
        yield Contestant("bare", url, lambda: spending.of(pids))
    finally:
        for process in processes:
            process.terminate()
        await asyncio.gather(*(process.wait() for process in processes))


async def _answers(port: int) -> None:
    """Return once something listens on `port`."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


@asynccontextmanager
async def mesh(home: Path, name: str = "mesh", tree: Path = ROOT) -> AsyncIterator[Contestant]:
    """Yield the mesh of the checkout at `tree`, with the environment of this one."""
    project = home / "project"
    for service in NAMES:
        folder = project / "services" / service
        folder.mkdir(parents=True)
        (folder / "main.py").write_text(MAIN.format(name=service, upper=service.upper()))
    for part in ("router_service", "gateway"):
        (project / part).symlink_to(tree / part)
    port = free_port()
    paths = os.pathsep.join(str(tree / part) for part in ("", "libs", "libs/incidents", "proto"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "weft.cli.main", "--home", str(home / "weft")),
        *("up", "--port", str(port)),
        cwd=project,
        env={**os.environ, "PYTHONPATH": paths, "WEFT_MODEL": "offline:rules"},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await until_ready(process)
        stored = json.loads((home / "weft" / "credentials.json").read_text())
        await _settle(stored["url"], stored["key"])
        url, pid = stored["url"] + "/invoke", process.pid
        yield Contestant(name, url, lambda: spending.of_children(pid), key=stored["key"])
    finally:
        process.terminate()
        await process.wait()


async def until_ready(process: asyncio.subprocess.Process) -> None:
    """Return once `weft up` says that everything answers."""
    assert process.stderr is not None
    said = b""
    async with asyncio.timeout(40):
        async for line in process.stderr:
            said += line
            if b"ready in" in line:
                return
    raise RuntimeError(said.decode())


async def _settle(url: str, key: str) -> None:
    """Return once a run reaches all three specialists."""
    headers = {"authorization": f"Bearer {key}"}
    async with asyncio.timeout(20), aiohttp.ClientSession(headers=headers) as session:
        while True:
            async with session.post(url + "/invoke", json=next(bodies())) as reply:
                answer = await reply.json()
            if answer.get("success") and all(name in answer["message"] for name in NAMES):
                return
            await asyncio.sleep(0.1)


def left_in(home: Path) -> Left:
    """Return what a mesh that has ended left, and what its services logged as they closed."""
    states: dict[str, Counter[str]] = {}
    for file in (home / "weft").glob("*.db"):
        with closing(sqlite3.connect(file)) as database:
            rows = database.execute("SELECT status, count(*) FROM runs GROUP BY status")
            states[file.stem] = Counter(dict(rows.fetchall()))
    commits: Counter[str] = Counter()
    statements: Counter[str] = Counter()
    for log in (home / "weft" / "logs").glob("*.log"):
        for line in log.read_text().splitlines():
            if '"store_closed"' in line:
                store = json.loads(line)
                commits[log.stem] += int(store["commits"])
                statements[log.stem] += int(store["statements"])
    every = sum(states.values(), Counter[str]())
    return Left(
        runs=states["runs"].total(),
        unfinished=sum(count for status, count in every.items() if status not in TERMINAL),
        commits=dict(commits),
        statements=dict(statements),
    )
