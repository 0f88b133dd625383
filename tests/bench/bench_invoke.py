"""`POST /invoke` through the whole durable path, beside a bare HTTP fan-out of the same shape.

    python -m tests.bench.bench_invoke [--seconds 5] [--clients 1 16 64] [--rounds 1]
        [--against TREE] [--floor RATIO] [--json]

The mesh: gateway, router and three specialists that answer at once, each its own process, SQLite
with `synchronous=FULL`, signed tokens, real NATS. The yardstick: a bare FastAPI front (aiohttp)
over three bare Starlette servers. `--against` names another checkout, whose mesh is measured beside
ours. All are measured in turn, in the same run, from this process, on the same cores, in each round
in the opposite order of the one before; no two requests of a run say the same. What is said of
several rounds is their median, with the least and the most.

It exits 1 if a run failed or a database was left with work in it; with `--floor` also where our
mesh has less than that part of the bare rate, at any number of clients.
"""

import argparse
import asyncio
import json
import platform
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from tests.bench.contestants import Left, bare, bodies, left_in, mesh
from tests.bench.load import Figures, drive
from tests.bench.spending import Spending, table

MESH, BARE, OTHER = "mesh", "bare", "other"


@dataclass(slots=True)
class Series:
    """The rounds of one contestant at one number of clients."""

    figures: list[Figures] = field(default_factory=list)
    spent: list[Spending] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        return [figures.rate for figures in self.figures]

    @property
    def cpu_ms(self) -> list[float]:
        """Of all its processes, per run."""
        return [
            spent.cpu_s / max(figures.done, 1) * 1000
            for spent, figures in zip(self.spent, self.figures, strict=True)
        ]

    @property
    def failed(self) -> int:
        return sum(figures.failed for figures in self.figures)

    def last(self) -> list[str]:
        """Return the table of where it went, in the last round."""
        return table(self.spent[-1], max(self.figures[-1].done, 1))

    def written_kb(self) -> float:
        """Return what a run wrote to the disk in the last round."""
        return sum(self.spent[-1].written.values()) / max(self.figures[-1].done, 1) / 1000


Measured = dict[tuple[int, str], Series]


@dataclass(frozen=True, slots=True)
class Report:
    """What all of it came to."""

    series: Measured
    left: dict[str, Left]
    """By the name of the mesh."""

    def ratios(self, clients: int) -> list[float]:
        """Return the mesh's rate in parts of the bare one, round by round."""
        ours, plain = self.series[clients, MESH].rates, self.series[clients, BARE].rates
        return [rate / other for rate, other in zip(ours, plain, strict=True)]

    def faults(self, floor: float | None) -> list[str]:
        """Return why the benchmark has failed."""
        faults = [
            f"{series.failed} requests of {name} failed at {clients} clients"
            for (clients, name), series in self.series.items()
            if series.failed
        ]
        for name, left in self.left.items():
            if left.unfinished:
                faults.append(f"{name} left {left.unfinished} runs or tasks unfinished")
            if left.silent:
                faults.append(f"a service of {name} did not say what it wrote")
        levels = sorted({clients for clients, _ in self.series})
        slow = [n for n in levels if floor is not None and median(self.ratios(n)) < floor]
        return [*faults, *(f"below {floor} of the bare rate at {n} clients" for n in slow)]

    def to_json(self) -> dict[str, object]:
        return {
            "levels": [
                {
                    "clients": clients,
                    "contestant": name,
                    "rates": series.rates,
                    "p50_ms": [figures.p50 for figures in series.figures],
                    "p99_ms": [figures.p99 for figures in series.figures],
                    "cpu_ms": series.cpu_ms,
                    "written_kb": series.written_kb(),
                    "failed": series.failed,
                    "ratios": self.ratios(clients) if name == MESH else None,
                }
                for (clients, name), series in self.series.items()
            ],
            "per_run": {
                name: {
                    "commits": per_run(left.commits, left.runs),
                    "statements": per_run(left.statements, left.runs),
                }
                for name, left in self.left.items()
            },
        }

    def lines(self) -> list[str]:
        lines: list[str] = []
        for clients in sorted({clients for clients, _ in self.series}):
            names = [name for level, name in self.series if level == clients]
            lines += [row(name, clients, self.series[clients, name]) for name in names]
            lines.append(f"       ratio to the bare rate {said(self.ratios(clients), 3)}")
            for name in names:
                if name != BARE:
                    lines += [f"  {name}, per run, last round", *self.series[clients, name].last()]
        for name, left in self.left.items():
            for what, spent in (("commits", left.commits), ("statements", left.statements)):
                each = per_run(spent, left.runs)
                parts = ", ".join(f"{service} {n:.2f}" for service, n in sorted(each.items()))
                lines.append(f"{name}: {what} per run {sum(each.values()):.2f} ({parts})")
            lines.append(f"{name}: {left.unfinished} left unfinished of {left.runs} runs")
        return lines


def per_run(spent: dict[str, int], runs: int) -> dict[str, float]:
    return {name: count / runs for name, count in spent.items()}


def said(values: list[float], digits: int) -> str:
    """Return the median of the rounds, with the least and the most."""
    middle = f"{median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def row(name: str, clients: int, series: Series) -> str:
    p50s = [figures.p50 for figures in series.figures]
    p99s = [figures.p99 for figures in series.figures]
    return (
        f"{name:<6} {clients:>3} clients  {said(series.rates, 1)} runs/s  p50 {said(p50s, 1)} ms"
        f"  p99 {said(p99s, 1)} ms  CPU {said(series.cpu_ms, 2)} ms/run"
        f"  written {series.written_kb():.0f} kB/run  failed {series.failed}"
    )


async def measure(
    seconds: float, levels: list[int], *, rounds: int, against: Path | None
) -> Report:
    """Measure everybody, level by level and round by round."""
    prompts = bodies()
    series: Measured = {}
    with tempfile.TemporaryDirectory() as directory:
        homes = {MESH: Path(directory) / MESH}
        async with AsyncExitStack() as stack:
            plain = await stack.enter_async_context(bare())
            contestants = [plain, await stack.enter_async_context(mesh(homes[MESH]))]
            if against is not None:
                homes[OTHER] = Path(directory) / OTHER
                other = mesh(homes[OTHER], OTHER, against)
                contestants.append(await stack.enter_async_context(other))
            for clients in levels:
                for _ in range(rounds):
                    for contestant in contestants:
                        each = series.setdefault((clients, contestant.name), Series())
                        before = contestant.spent()
                        each.figures.append(
                            await drive(
                                contestant.url,
                                prompts,
                                clients=clients,
                                seconds=seconds,
                                key=contestant.key,
                            )
                        )
                        each.spent.append(contestant.spent().since(before))
                    contestants.reverse()
        left = {name: left_in(home) for name, home in homes.items()}
    return Report(series, left)


def main() -> int:
    """Run the benchmark and return 1 where it has failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--against", type=lambda tree: Path(tree).resolve(), default=None)
    parser.add_argument("--floor", type=float, default=None)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    load = ", ".join(f"{part:.2f}" for part in psutil.getloadavg())
    machine = f"{platform.python_version()}, {psutil.cpu_count()} cores, load before: {load}"
    report = asyncio.run(
        measure(options.seconds, options.clients, rounds=options.rounds, against=options.against)
    )
    faults = report.faults(options.floor)
    if options.json:
        print(json.dumps({"machine": machine, **report.to_json(), "faults": faults}, indent=1))
    else:
        print("\n".join([machine, *report.lines(), *(f"failed: {fault}" for fault in faults)]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
