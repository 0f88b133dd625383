"""Reads the services' metric pages and turns neighbouring readings into rows."""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import aiohttp

_SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
_BOUND = re.compile(r'le="([^"]+)"')
_QUANTILES = {"p50": 0.5, "p95": 0.95}
_WITHIN = aiohttp.ClientTimeout(total=5)


@dataclass(frozen=True, slots=True)
class Row:
    """One value of one metric."""

    timestamp: float
    service: str
    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class Reading:
    """One page, read: series of one metric that differ only in labels are added up."""

    timestamp: float
    service: str
    up: bool = True
    gauges: Mapping[str, float] = field(default_factory=dict)
    counters: Mapping[str, float] = field(default_factory=dict)
    histograms: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    """Cumulative counts by upper bound."""


class Scraper:
    """Reads all services at once, as often as it is told to."""

    def __init__(self, session: aiohttp.ClientSession, services: Mapping[str, str]) -> None:
        self._session = session
        self._services = services

    async def read(self) -> list[Reading]:
        reads = (self._read(service, url) for service, url in self._services.items())
        return list(await asyncio.gather(*reads))

    async def _read(self, service: str, url: str) -> Reading:
        asked = time.time()
        try:
            async with self._session.get(f"{url}/metrics", timeout=_WITHIN) as page:
                return parsed(await page.text(), service=service, timestamp=asked)
        except (TimeoutError, aiohttp.ClientError):
            return Reading(asked, service, up=False)


def parsed(page: str, *, service: str, timestamp: float) -> Reading:
    """Read a page in the Prometheus text format."""
    kinds: dict[str, str] = {}
    plain: dict[str, float] = defaultdict(float)
    histograms: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:4]
            kinds[name] = kind
        elif found := _SAMPLE.match(line):
            name, value = found["name"], float(found["value"])
            if name.endswith("_bucket") and (bound := _BOUND.search(found["labels"] or "")):
                histograms[name.removesuffix("_bucket")][float(bound[1])] += value
            else:
                plain[name] += value
    by_kind = {
        kind: {name: value for name, value in plain.items() if kinds.get(name) == kind}
        for kind in ("gauge", "counter")
    }
    return Reading(
        timestamp,
        service,
        gauges=by_kind["gauge"],
        counters=by_kind["counter"],
        histograms=histograms,
    )


def rows(readings: Iterable[Reading]) -> list[Row]:
    """Gauges as they are, counters per second, histograms as quantiles since the reading before.

    A service's first reading only opens the first interval and gives no rows.
    """
    by_service: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        by_service[reading.service].append(reading)
    found = [
        Row(round(now.timestamp, 3), service, metric, round(value, 6))
        for service, series in by_service.items()
        for before, now in pairwise(series)
        for metric, value in _values(before, now)
    ]
    return sorted(found, key=lambda row: (row.timestamp, row.service, row.metric))


def _values(before: Reading, now: Reading) -> Iterable[tuple[str, float]]:
    yield "up", float(now.up)
    if not (before.up and now.up):
        return
    yield from now.gauges.items()
    seconds = now.timestamp - before.timestamp
    for name, value in now.counters.items():
        rate = (value - before.counters.get(name, 0.0)) / seconds
        yield f"{name.removesuffix('_total')}_per_second", rate
    for name, buckets in now.histograms.items():
        earlier = before.histograms.get(name, {})
        counts = {bound: count - earlier.get(bound, 0.0) for bound, count in buckets.items()}
        for suffix, share in _QUANTILES.items():
            if (value_at := quantile(share, counts)) is not None:
                yield f"{name}_{suffix}", value_at


def quantile(share: float, cumulative: Mapping[float, float]) -> float | None:
    """Interpolate in the bucket that holds the quantile; None if nothing was counted."""
    bounds = sorted(cumulative)
    total = cumulative[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    wanted = share * total
    below_bound, below = 0.0, 0.0
    for bound in bounds:
        count = cumulative[bound]
        if count >= wanted and bound != float("inf"):
            # The last place of a sum may lie beyond the bucket.
            inside = below_bound + (bound - below_bound) * (wanted - below) / (count - below)
            return min(inside, bound)
        if bound != float("inf"):
            below_bound, below = bound, count
    return below_bound
