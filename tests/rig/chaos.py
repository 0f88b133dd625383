"""Kills and freezes the processes of a working mesh, and reads afterwards what became of its runs.

    python -m tests.rig.chaos [--seconds 600] [--every 1.4] [--clients 8] [--seed N]

Gateway, router, NATS and four specialists, each its own process; clients that stream, drop,
resume, repeat and answer. Ends in one line and exits 0 if it is GREEN, 1 if it is RED, 2 if nothing
was exercised.
"""

import argparse
import asyncio
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp

from tests.rig.chaos_checks import ENDED, Verdict, checked
from tests.rig.chaos_client import Client, Told
from tests.rig.house import RigMesh, rig_mesh

SPECIALISTS = ("payer", "biller", "looker_a", "looker_b")
REST_SECONDS = 90.0
"""How long open runs may take to end once nothing is hurt any more."""
MUST_BE_ZERO: Final = ("lost", "doubled", "gaps", "wrong_end", "untrue", "cross_reads")
NO_PEER_SHARE = 0.01
KILLED = 0.7
"""The share of faults that are kills; the others freeze a process for a while."""


class Chaos:
    """One trial."""

    def __init__(self, mesh: RigMesh, seed: int) -> None:
        self.mesh = mesh
        self.chance = random.Random(seed)  # noqa: S311 - no secret
        self.runs: list[Told] = []
        self.faults: Counter[str] = Counter()
        self.kills: list[float] = []
        self.tally: Counter[str] = Counter()
        self._frozen: set[int] = set()

    async def hurt(self, until: float, every: float) -> None:
        """Do something to a process each `every` seconds on average."""
        async with asyncio.TaskGroup() as tasks:
            while time.monotonic() < until:
                await asyncio.sleep(self.chance.uniform(0.5, 1.5) * every)
                name = self.chance.choice(self.mesh.names)
                pid = self.mesh.pid(name)
                if pid is None:
                    continue
                if self.chance.random() < KILLED:
                    self._signal(pid, signal.SIGKILL)
                    self.kills.append(time.monotonic())
                    self.faults[f"kill {name}"] += 1
                elif pid not in self._frozen:
                    self.faults[f"stop {name}"] += 1
                    tasks.create_task(self._freeze(pid, self.chance.uniform(0.5, 6.0)))

    async def _freeze(self, pid: int, seconds: float) -> None:
        self._frozen.add(pid)
        self._signal(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._signal(pid, signal.SIGCONT)
            self._frozen.discard(pid)

    def _signal(self, pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    async def pry(self, key: str, until: float) -> None:
        """Try to read, cancel and answer the runs of somebody else."""
        async with self.mesh.session(key, seconds=10.0) as session:
            while time.monotonic() < until:
                await asyncio.sleep(0.5)
                if not self.runs:
                    continue
                run = f"/v1/runs/{self.chance.choice(self.runs).run_id}"
                answer = {"responses": [{"interrupt_id": "a" * 32, "payload": None}]}
                for method, url, body in (
                    ("GET", run, None),
                    ("GET", f"{run}/events", None),
                    ("GET", f"{run}/stream", None),
                    ("POST", f"{run}/cancel", {}),
                    ("POST", f"{run}/resume", answer),
                ):
                    with suppress(aiohttp.ClientError, TimeoutError):
                        async with session.request(method, url, json=body) as reply:
                            self.tally[f"pry {reply.status}"] += 1
                            self.tally["cross_reads"] += reply.status < 400

    async def settle(self) -> None:
        """Return once no run is open any more, or nobody can say that it will be."""
        until = time.monotonic() + REST_SECONDS
        left = [run.run_id for run in self.runs]
        async with self.mesh.session(seconds=10.0) as session:
            while left and time.monotonic() < until:
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"/v1/runs/{left[-1]}") as reply:
                        if (await reply.json())["status"] in ENDED:
                            left.pop()
                            continue
                await asyncio.sleep(0.2)

    def recoveries(self) -> list[float]:
        """Return, for each kill, the seconds until a run that began after it had ended.

        A kill after which no client began anything tells nothing.
        """
        ends = [(run.began, run.ended or float("inf")) for run in self.runs]
        last = max((began for began, _ in ends), default=0.0)
        return sorted(
            min(ended - kill for began, ended in ends if began > kill)
            for kill in self.kills
            if kill < last
        )


async def trial(arguments: argparse.Namespace, place: Path) -> int:
    """Run one trial and print what it came to."""
    async with rig_mesh(place, SPECIALISTS) as mesh:
        chaos = Chaos(mesh, arguments.seed)
        stranger = await mesh.new_key("stranger")
        until = time.monotonic() + arguments.seconds
        async with asyncio.TaskGroup() as tasks:
            for number in range(arguments.clients):
                chance = random.Random(arguments.seed * 1000 + number)  # noqa: S311 - no secret
                client = Client(mesh, chance, number, chaos.runs, chaos.tally)
                tasks.create_task(client.work(until))
            tasks.create_task(chaos.pry(stranger, until))
            tasks.create_task(chaos.hurt(until, arguments.every))
        await chaos.settle()
        verdict = await checked(mesh, chaos.runs)
    return report(arguments, chaos, verdict)


def report(arguments: argparse.Namespace, chaos: Chaos, verdict: Verdict) -> int:
    """Print the figures and the line that sums them up; return the exit code."""
    counts = verdict.counts + Counter({"cross_reads": chaos.tally["cross_reads"]})
    share = counts["no_peer"] / max(len(chaos.runs), 1)
    recoveries = chaos.recoveries()
    for title, figures in (
        ("faults", chaos.faults),
        ("answers", chaos.tally),
        ("statuses", verdict.statuses),
        ("failed with", verdict.codes),
    ):
        print(f"{title}: {', '.join(f'{key} {count}' for key, count in sorted(figures.items()))}")
    for example in verdict.examples:
        print(f"  {example}")
    red = [name for name in MUST_BE_ZERO if counts[name]] + ["no_peer"] * (share >= NO_PEER_SHARE)
    nothing = not chaos.runs or not chaos.faults
    word = "NOTHING" if nothing else "RED" if red else "GREEN"
    print(
        f"chaos   {word} seed={arguments.seed} seconds={arguments.seconds:g}"
        f" faults={chaos.faults.total()} accepted={len(chaos.runs)}"
        + "".join(f" {name}={counts[name]}" for name in MUST_BE_ZERO)
        + f" no_peer={counts['no_peer']} ({share:.2%})"
        f" recovery_p50={percentile(recoveries, 50):.1f} recovery_p99={percentile(recoveries, 99):.1f}"
    )
    return 2 if nothing else 1 if red else 0


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value below which so many percent of the sorted values lie."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def main() -> int:
    """Run one trial as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--every", type=float, default=1.4)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        return asyncio.run(trial(arguments, Path(directory)))


if __name__ == "__main__":
    sys.exit(main())
