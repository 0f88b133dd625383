"""`POST /invoke` through the whole durable path, beside a bare HTTP fan-out of the same shape.

    python -m tests.bench.bench_invoke [--seconds 5] [--clients 1 16 64] [--floor]

The mesh: gateway, router and three specialists that answer at once, each its own process, SQLite
with `synchronous=FULL`, signed tokens, real NATS. The yardstick: a bare FastAPI front (aiohttp)
over three bare Starlette servers. Both are measured in turn, in the same run, from this process,
on the same cores; no two requests of a run say the same. It exits 1 if a run failed or a database was left with work in it; `--floor`
also below 100 runs/s at 16 clients or above 15 ms p50 at 1.
"""

import argparse
import asyncio
import json
import os
import platform
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path

import aiohttp
import psutil

from tests.bench.load import Figures, drive
from tests.conftest import ROOT
from weft.checkpoint import TERMINAL
from weft.local.ports import free_port

SERVICES = ("checkout", "payment", "cart", "search", "login")
TROUBLES = ("slowdown", "errors since noon", "latency spike of today", "timeouts", "outage")
NAMES = ("echo_a", "echo_b", "echo_c")
FLOOR_RATE, FLOOR_P50 = 100.0, 15.0
MAIN = """import os
os.environ.setdefault("ECHO_NAME", "{name}")
for key, value in list(os.environ.items()):
    if key.startswith("{upper}_"):
        os.environ["ECHO_" + key.removeprefix("{upper}_")] = value
from tests.bench.echo import main
main()
"""


@dataclass(frozen=True, slots=True)
class Left:
    """What the mesh left in its databases."""

    runs: int
    """Those that clients asked for, the ones before the measurement too."""
    unfinished: int
    """Runs and tasks that did not end, in any database."""
    commits: dict[str, int]
    """By service; with `synchronous=FULL` each is one fsync of a log."""
    statements: dict[str, int]
    """By service, those of what was committed."""


def bodies() -> Iterator[dict[str, object]]:
    """Yield requests without end, each in words of its own."""
    for number in count(1):
        for service, trouble in product(SERVICES, TROUBLES):
            yield {"prompt": f"Diagnose the {service} {trouble} of shop {number}"}


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process's living children."""
    spent = 0.0
    for child in psutil.Process(pid).children(recursive=True):
        times = child.cpu_times()
        spent += times.user + times.system
    return spent


@asynccontextmanager
async def bare() -> AsyncIterator[tuple[str, list[int]]]:
    """Yield the yardstick's URL and process ids."""
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
    try:
        for port in ports:
            await answers(port)
        yield f"http://127.0.0.1:{ports[0]}/invoke", [each.pid for each in processes]
    finally:
        for process in processes:
            process.terminate()
        await asyncio.gather(*(process.wait() for process in processes))


async def answers(port: int) -> None:
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
async def mesh(home: Path) -> AsyncIterator[tuple[str, str, int]]:
    """Yield the mesh's URL, key and the process id of its supervisor."""
    project = home / "project"
    for name in NAMES:
        folder = project / "services" / name
        folder.mkdir(parents=True)
        (folder / "main.py").write_text(MAIN.format(name=name, upper=name.upper()))
    for part in ("router_service", "gateway"):
        (project / part).symlink_to(ROOT / part)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "weft.cli.main", "--home", str(home / "weft")),
        *("up", "--port", str(port)),
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), "WEFT_MODEL": "offline:rules"},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await until_ready(process)
        stored = json.loads((home / "weft" / "credentials.json").read_text())
        await settle(stored["url"], stored["key"])
        yield stored["url"] + "/invoke", stored["key"], process.pid
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


async def settle(url: str, key: str) -> None:
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


def per_run(spent: dict[str, int], runs: int) -> str:
    """Return what a run took in all, and of it each service."""
    parts = ", ".join(f"{name} {n / runs:.2f}" for name, n in sorted(spent.items()))
    return f"{sum(spent.values()) / runs:.2f} ({parts})"


def row(name: str, figures: Figures, cpu: float) -> str:
    each = cpu / figures.done * 1000 if figures.done else float("nan")
    return (
        f"{name:<6} {figures.clients:>3} clients  {figures.rate:>7.1f} runs/s  "
        f"p50 {figures.p50:>6.1f} ms  p99 {figures.p99:>6.1f} ms  "
        f"CPU {each:>5.2f} ms/run  failed {figures.failed}"
    )


async def measure(seconds: float, levels: list[int]) -> tuple[dict[int, Figures], Left]:
    """Measure both sides level by level and print what they came to."""
    said = bodies()
    found: dict[int, Figures] = {}
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        async with bare() as (bare_url, pids), mesh(home) as (url, key, supervisor):
            for clients in levels:
                before = sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)
                plain = await drive(bare_url, said, clients=clients, seconds=seconds)
                after = sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)
                print(row("bare", plain, after - before))
                before = cpu_of(supervisor)
                figures = await drive(url, said, clients=clients, seconds=seconds, key=key)
                print(row("mesh", figures, cpu_of(supervisor) - before))
                print(f"       ratio {figures.rate / plain.rate:.3f} of the bare rate")
                found[clients] = figures
        left = left_in(home)
    print(f"commits (= fsyncs of a log) per run: {per_run(left.commits, left.runs)}")
    print(f"statements per run: {per_run(left.statements, left.runs)}")
    print(f"left unfinished: {left.unfinished} of {left.runs} runs and their tasks")
    return found, left


def main() -> int:
    """Run the benchmark and return 1 below the floor, if asked to hold it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--floor", action="store_true")
    asked = parser.parse_args()
    load = ", ".join(f"{each:.2f}" for each in psutil.getloadavg())
    print(f"{platform.python_version()}, {psutil.cpu_count()} cores, load before: {load}")
    found, left = asyncio.run(measure(asked.seconds, asked.clients))
    failed = sum(each.failed for each in found.values())
    slow = (16 in found and found[16].rate < FLOOR_RATE) or (
        1 in found and found[1].p50 > FLOOR_P50
    )
    silent = set(left.commits) != {*NAMES, "router", "gateway"}
    return 1 if failed or left.unfinished or silent or (asked.floor and slow) else 0


if __name__ == "__main__":
    sys.exit(main())
