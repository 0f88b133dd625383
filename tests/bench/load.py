"""A closed-loop load generator: so many clients, each with one request open at a time."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp


@dataclass(frozen=True, slots=True)
class Figures:
    """What one level of load came to; latencies in milliseconds."""

    clients: int
    seconds: float
    done: int
    failed: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Completed requests per second."""
        return self.done / self.seconds


async def drive(
    url: str,
    bodies: Iterator[dict[str, object]],
    *,
    clients: int,
    seconds: float,
    key: str | None = None,
) -> Figures:
    """Post each of `bodies` to `url` from `clients` clients for `seconds`, all to be successes."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    latencies: list[float] = []
    failed = 0
    async with aiohttp.ClientSession(
        headers=headers, connector=aiohttp.TCPConnector(limit=0)
    ) as session:
        until = time.perf_counter() + seconds

        async def client() -> None:
            nonlocal failed
            while (began := time.perf_counter()) < until:
                async with session.post(url, json=next(bodies)) as reply:
                    answer = await reply.json()
                if reply.status != 200 or answer.get("success") is False:
                    failed += 1
                else:
                    latencies.append((time.perf_counter() - began) * 1000)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(clients):
                tasks.create_task(client())
        took = time.perf_counter() - began
    if not latencies:
        return Figures(clients, took, 0, failed, float("nan"), float("nan"))
    cuts = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else [latencies[0]] * 99
    return Figures(clients, took, len(latencies), failed, cuts[49], cuts[98])
