"""Offers a mesh more than it can do, and reads what it still does, refuses and keeps answering.

    python -m tests.rig.overload [--seconds 30] [--times 1 3 10]

First a closed loop finds the sustainable rate; then requests come at multiples of it, whether or
not earlier ones were answered. Ends in one line and exits 0 if it is GREEN, 1 if it is RED, 2 if
nothing was done.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.rig.house import RigMesh, rig_mesh

SPECIALISTS = ("looker_a", "looker_b")
CLIENTS = 16
CLIENT_SECONDS = 45.0
WAIT = {"prefer": "wait=30"}
BODY: Final = {"input": "Diagnose the slowdown of checkout"}
GOODPUT_SHARE = 0.85
"""Of the peak, at ten times the sustainable rate."""
REFUSAL_SECONDS = 0.05
NORMAL_SECONDS = 5.0


@dataclass(slots=True)
class Level:
    """What came of one rate."""

    times: float
    offered: float
    statuses: Counter[str] = field(default_factory=Counter)
    done: list[float] = field(default_factory=list)
    """Seconds from request to answer of the runs that completed within the time."""
    refused: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    cancel: list[float] = field(default_factory=list)
    polite: Counter[str] = field(default_factory=Counter)
    """Answers to a caller that asks seldom."""
    normal_after: float = float("inf")
    goodput: float = 0.0


class Trial:
    """Requests against one mesh."""

    def __init__(self, mesh: RigMesh, session: aiohttp.ClientSession) -> None:
        self.mesh = mesh
        self.session = session

    async def post(self, level: Level, until: float) -> None:
        """Ask for a run once, and note what came of it."""
        began = time.monotonic()
        try:
            async with self.session.post("/v1/runs", json=BODY, headers=WAIT) as reply:
                answer = await reply.json()
        except (aiohttp.ClientError, TimeoutError):
            level.statuses["broken"] += 1
            return
        took = time.monotonic() - began
        level.statuses[str(reply.status)] += 1
        if reply.status in {429, 503}:
            level.refused.append(took)
        elif answer.get("status") == "completed" and time.monotonic() <= until:
            level.done.append(took)

    async def closed(self, seconds: float) -> float:
        """Return how many runs a second a few patient clients get."""
        level, until = Level(0, 0), time.monotonic() + seconds

        async def client() -> None:
            while time.monotonic() < until:
                await self.post(level, until)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(CLIENTS):
                tasks.create_task(client())
        return len(level.done) / seconds

    async def open(self, times: float, rate: float, seconds: float) -> Level:
        """Send at a rate, whatever comes back; probe meanwhile; wait until all is normal again."""
        level = Level(times, times * rate)
        polite = await self.mesh.new_key(f"polite-{times:g}")
        await self._known(polite)
        began = time.monotonic()
        until = began + seconds
        async with asyncio.TaskGroup() as tasks:
            probes = [
                tasks.create_task(self._probe(level)),
                tasks.create_task(self._ask_seldom(level, polite)),
            ]
            count = 0
            while time.monotonic() < until:
                while count < (time.monotonic() - began) * level.offered:
                    tasks.create_task(self.post(level, until))
                    count += 1
                await asyncio.sleep(0.005)
            level.goodput = len(level.done) / seconds
            for probe in probes:
                probe.cancel()
            level.normal_after = await self._normal_again()
        return level

    async def _probe(self, level: Level) -> None:
        """Ask for health and cancel a run of our own, again and again."""
        while True:
            level.health.append(await self._timed("GET", "/health"))
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self.session.post("/v1/runs", json=BODY) as reply:
                    answer = await reply.json()
                if reply.status == 202:
                    url = f"/v1/runs/{answer['run_id']}/cancel"
                    level.cancel.append(await self._timed("POST", url, {"reason": "probe"}))
            await asyncio.sleep(0.25)

    async def _known(self, key: str) -> None:
        """Wait until the gateway has read the key file again."""
        async with asyncio.timeout(CLIENT_SECONDS), self.mesh.session(key) as session:
            while True:
                async with session.get("/v1/runs") as reply:
                    if reply.status != 401:
                        return
                await asyncio.sleep(0.1)

    async def _ask_seldom(self, level: Level, key: str) -> None:
        async with self.mesh.session(key, seconds=CLIENT_SECONDS) as session:
            while True:
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.post("/v1/runs", json=BODY, headers=WAIT) as reply:
                        answer: dict[str, Any] = await reply.json()
                    level.polite[str(answer.get("status", reply.status))] += 1
                await asyncio.sleep(1.0)

    async def _timed(self, method: str, url: str, body: object = None) -> float:
        began = time.monotonic()
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self.session.request(method, url, json=body) as reply:
                await reply.read()
        return time.monotonic() - began

    async def _normal_again(self) -> float:
        """Return the seconds until a new run is taken and ends within two."""
        began = time.monotonic()
        while time.monotonic() - began < 120:
            started = time.monotonic()
            level = Level(0, 0)
            await self.post(level, started + 2.0)
            if level.done:
                return started - began
            await asyncio.sleep(0.1)
        return float("inf")


async def trial(arguments: argparse.Namespace, place: Path) -> int:
    """Run every level and print what it came to."""
    async with rig_mesh(place, SPECIALISTS) as mesh, mesh.session(seconds=CLIENT_SECONDS) as own:
        await _warm(own)
        work = Trial(mesh, own)
        peak = await work.closed(arguments.seconds)
        print(f"sustainable: {peak:.1f} runs/s with {CLIENTS} patient clients")
        levels = [await work.open(times, peak, arguments.seconds) for times in arguments.times]
    for level in levels:
        print(_row(level))
    return _verdict(max([peak, *(level.goodput for level in levels)]), levels)


async def _warm(session: aiohttp.ClientSession) -> None:
    """Return once a run reaches its specialists."""
    async with asyncio.timeout(30):
        while True:
            async with session.post("/v1/runs", json=BODY, headers=WAIT) as reply:
                if (await reply.json()).get("status") == "completed":
                    return
            await asyncio.sleep(0.1)


def _row(level: Level) -> str:
    answers = " ".join(f"{name}:{count}" for name, count in sorted(level.statuses.items()))
    polite = " ".join(f"{name}:{count}" for name, count in sorted(level.polite.items()))
    return (
        f"{level.times:>4g}x offered {level.offered:.0f}/s  goodput {level.goodput:.1f}/s"
        f"  run p50 {_at(level.done, 50):.2f} p99 {_at(level.done, 99):.2f} s  answers {answers}"
        f"\n      refusal p50 {_at(level.refused, 50) * 1000:.0f} p99"
        f" {_at(level.refused, 99) * 1000:.0f} ms  health p99 {_at(level.health, 99) * 1000:.0f} ms"
        f"  cancel p99 {_at(level.cancel, 99) * 1000:.0f} ms  normal after"
        f" {level.normal_after:.1f} s  a caller that asks seldom: {polite}"
    )


def _verdict(peak: float, levels: Sequence[Level]) -> int:
    most = max(levels, key=lambda level: level.times)
    share = most.goodput / peak if peak else 0.0
    refusal = _at(most.refused, 99)
    normal = max(level.normal_after for level in levels)
    red = share < GOODPUT_SHARE or normal > NORMAL_SECONDS or not most.refused
    word = "NOTHING" if not peak else "RED" if red else "GREEN"
    print(
        f"load    {word} offered={most.offered:.0f}/s goodput={most.goodput:.1f}/s"
        f" share={share:.2f} refused_p50={_at(most.refused, 50) * 1000:.0f}ms"
        f" refused_p99={refusal * 1000:.0f}ms normal_after={normal:.1f}s"
    )
    return 2 if not peak else 1 if red else 0


def _at(values: Sequence[float], percent: int) -> float:
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def main() -> int:
    """Run one trial as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--times", type=float, nargs="+", default=[1, 3, 10])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overload-") as directory:
        return asyncio.run(trial(arguments, Path(directory)))


if __name__ == "__main__":
    sys.exit(main())
