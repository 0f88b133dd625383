"""Histograms: how long, or how large, half, 95 and 99 of 100 values were at most."""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from incidents.metrics.counters import Samples
from incidents.metrics.points import Distribution

QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
_GAP = 10.0


def joined(buckets: Mapping[float, Samples]) -> list[tuple[float, Distribution]]:
    """Make distributions of a histogram whose buckets are series of their own, by their bounds."""
    bounds = tuple(sorted(buckets))
    if not bounds or not math.isinf(bounds[-1]):
        return []
    columns = [dict(zip(*buckets[bound], strict=True)) for bound in bounds]
    rows = []
    for time in buckets[bounds[-1]][0]:
        counts = tuple(column.get(time, math.nan) for column in columns)
        if not any(map(math.isnan, counts)):
            rows.append((time, Distribution(bounds, counts)))
    return rows


def between(
    rows: Sequence[tuple[float, Distribution]],
) -> Iterator[tuple[float, float, Distribution]]:
    """Yield of each step its end, its length, and the distribution of what came in it alone."""
    longest = _GAP * _usual(rows)
    for (begin, earlier), (end, later) in pairwise(rows):
        seconds = end - begin
        if not 0 < seconds <= longest:
            continue
        if later.is_delta or later.counts[-1] < earlier.counts[-1]:
            yield end, seconds, later
        else:
            yield end, seconds, _less(later, earlier)


def quantile(distribution: Distribution, share: float) -> float | None:
    """Return what `share` of the values do not exceed; None if there is no value.

    Within a bucket values count as spread evenly; beyond the last bound, that bound is returned.
    """
    bounds, counts = distribution.bounds, distribution.counts
    wanted = share * counts[-1]
    if counts[-1] <= 0:
        return None
    at = next(index for index, count in enumerate(counts) if count >= wanted)
    if math.isinf(bounds[at]):
        return bounds[at - 1] if at else None
    below, before = (bounds[at - 1], counts[at - 1]) if at else (min(0.0, bounds[0]), 0.0)
    inside = counts[at] - before
    return below + (bounds[at] - below) * ((wanted - before) / inside if inside > 0 else 1.0)


def _less(later: Distribution, earlier: Distribution) -> Distribution:
    """Return what `later` has beyond `earlier`, whose bounds may be finer."""
    counts = []
    most = 0.0
    for bound, count in zip(later.bounds, later.counts, strict=True):
        # Buckets are not written at one moment: none may hold less than the one below it.
        most = max(most, count - _at_most(earlier, bound))
        counts.append(most)
    total = None
    if later.total is not None and earlier.total is not None:
        total = later.total - earlier.total
    return Distribution(later.bounds, tuple(counts), total)


def _at_most(distribution: Distribution, bound: float) -> float:
    at = bisect_right(distribution.bounds, bound)
    return distribution.counts[at - 1] if at else 0.0


def _usual(rows: Sequence[tuple[float, Distribution]]) -> float:
    steps = sorted(later - earlier for (earlier, _), (later, _) in pairwise(rows))
    return steps[len(steps) // 2] if steps else 0.0
