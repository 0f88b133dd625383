"""What it costs to read much: seconds, memory, how soon a cancelled analysis ends, how free the loop is.

    python -m tests.bench.bench_reading [--sizes 10 100 1000] [--rows 1] [--floor]

Each recording is analyzed as a specialist does it: in a process of its own, beside a loop that goes
on. `--rows` are the millions of spans, and half the millions of samples. With `--floor` it exits 1
if an analysis failed, took more than 1 GiB, ended later than one second after it was cancelled, or
the loop once waited for more than 100 ms in the middle of all waits.
"""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from incidents import DataRoots
from incidents.analysis import Analysis
from services.log_analyst.tools import ANALYZE_LOGS
from services.metrics_analyst.tools import ANALYZE_METRICS
from services.trace_analyst.tools import ANALYZE_TRACES
from tests.bench import recordings
from weft import Agent, AgentRun
from weft.core import JsonValue
from weft.testing import ScriptedModel, call
from weft.tools import Processes

MOST_MEMORY = 1 << 30
MOST_CANCEL, MOST_LAG = 1.0, 0.1
EVERY = 0.01
_BUSY = 0.2


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording, and which analysis reads it."""

    name: str
    analysis: Analysis
    file: str
    rows: Iterator[str]
    size: int = 0


@dataclass(slots=True)
class Watched:
    """What was seen of this process and those below it while the block ran."""

    resident: int = 0
    cpu: float = 0.0
    lags: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one analysis took."""

    name: str
    megabytes: float
    seconds: float
    cpu: float
    resident: int
    cancel: float
    lag: float
    verdict: str

    def __str__(self) -> str:
        return (
            f"{self.name:<22}{self.megabytes:>7.0f} MB {self.seconds:>7.1f} s {self.cpu:>6.1f} s CPU"
            f" {self.resident >> 20:>6} MiB  cancel {self.cancel * 1000:>5.0f} ms"
            f"  loop {self.lag * 1000:>5.1f} ms  {self.verdict}"
        )

    @property
    def is_within(self) -> bool:
        is_read = self.verdict in ("found", "nothing_unusual")
        is_small = self.resident < MOST_MEMORY
        return is_read and is_small and self.cancel < MOST_CANCEL and self.lag < MOST_LAG


def recorded(sizes: list[int], millions: float) -> Iterator[Recording]:
    for size in sizes:
        rows = recordings.json_lines(0)
        yield Recording(f"JSON log {size}", ANALYZE_LOGS, "shop.jsonl", rows, size * 10**6)
    for size in sizes:
        rows = recordings.text_lines(0)
        yield Recording(f"text log {size}", ANALYZE_LOGS, "shop.log", rows, size * 10**6)
    spans, samples = int(millions * 10**6), int(2 * millions * 10**6)
    yield Recording("OTLP spans", ANALYZE_TRACES, "otlp.json", recordings.otlp(spans))
    yield Recording("Jaeger spans", ANALYZE_TRACES, "jaeger.json", recordings.jaeger(spans))
    csv = recordings.prometheus_csv(samples)
    yield Recording("Prometheus CSV", ANALYZE_METRICS, "metrics.csv", csv)
    text = recordings.openmetrics(samples)
    yield Recording("OpenMetrics text", ANALYZE_METRICS, "metrics.prom", text)


async def cost(recording: Recording, root: Path) -> Cost:
    """Write a recording, and its beginning as normal times; analyze it, and once more in part."""
    path = root / "case" / recording.file
    await asyncio.to_thread(recordings.write, path, recording.rows, size=recording.size)
    await asyncio.to_thread(begun, path, root / "case" / "baseline" / recording.file)
    async with Processes(memory=MOST_MEMORY, cpu_seconds=600.0) as processes:
        tool = await asyncio.to_thread(recording.analysis.tool, DataRoots([root]), processes)
        model = ScriptedModel([call(tool.name, data="case"), "done"] * 2)
        agent = Agent(model, [tool])
        began = time.monotonic()
        async with watched() as seen:
            result = await agent.arun("Diagnose")
        seconds = time.monotonic() - began
        (execution,) = result.tool_executions
        cancel = await cancelled(agent)
    return Cost(
        recording.name,
        path.stat().st_size / 1e6,
        seconds,
        seen.cpu,
        seen.resident,
        cancel,
        median(seen.lags),
        verdict(execution.structured) or execution.error or "?",
    )


def verdict(value: JsonValue) -> str:
    coverage = value.get("coverage") if isinstance(value, dict) else None
    return str(coverage.get("verdict")) if isinstance(coverage, dict) else ""


def begun(path: Path, normal: Path) -> None:
    """Write down the beginning of a recording; of a document, as a file that is cut."""
    normal.parent.mkdir()
    with path.open("rb") as file:
        start = file.read(max(1 << 20, path.stat().st_size // 10))
    normal.write_bytes(start[: start.rindex(b"\n") + 1] if start.count(b"\n") > 1 else start)


@asynccontextmanager
async def watched() -> AsyncIterator[Watched]:
    """Watch the memory of what runs below this process, and how late its loop comes back."""
    seen = Watched()

    async def watch() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(EVERY)
            seen.lags.append(time.monotonic() - began - EVERY)
            if len(seen.lags) % 20 == 0:
                for process in workers():
                    took, holds = spent(process)
                    seen.cpu = max(seen.cpu, took)
                    seen.resident = max(seen.resident, holds)

    watching = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        watching.cancel()


def workers() -> list[psutil.Process]:
    """Return the processes that analyses run in: those below the fork server."""
    return [one for server in psutil.Process().children() for one in children(server)]


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []


def spent(process: psutil.Process) -> tuple[float, int]:
    """Return the CPU seconds that a process has used, and the bytes that it holds."""
    try:
        with process.oneshot():
            return sum(process.cpu_times()[:2]), process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0.0, 0


async def cancelled(agent: Agent) -> float:
    """Return how long an analysis goes on behind a cancel in its midst."""
    run = agent.run("Diagnose")
    ending = asyncio.create_task(heard(run))
    busy = await working()
    began = time.monotonic()
    run.cancel()
    for process in busy:
        await asyncio.to_thread(process.wait, 60)
    seconds = time.monotonic() - began
    await ending
    return seconds


async def heard(events: AgentRun) -> None:
    async for _ in events:
        pass


async def working() -> list[psutil.Process]:
    """Wait until an analysis is in the midst of its work."""
    while True:
        if busy := [one for one in workers() if spent(one)[0] > _BUSY]:
            return busy
        await asyncio.sleep(EVERY)


async def measure(sizes: list[int], millions: float) -> list[Cost]:
    costs = []
    for recording in recorded(sizes, millions):
        with tempfile.TemporaryDirectory(prefix="weft-reading-") as root:
            costs.append(await cost(recording, Path(root)))
            print(costs[-1], flush=True)
    return costs


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 100, 1000], help="MB of logs")
    parser.add_argument("--rows", type=float, default=1.0, help="millions of spans")
    parser.add_argument("--floor", action="store_true", help="fail below what is promised")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    costs = asyncio.run(measure(options.sizes, options.rows))
    return int(options.floor and not all(one.is_within for one in costs))


if __name__ == "__main__":
    sys.exit(main())
