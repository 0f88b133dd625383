"""What is measured of recorded data to see when it changed: errors, failures, times, and levels."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from statistics import fmean, median
from typing import TypeVar

from incidents.change_point import LEAST_BEFORE, LEAST_SINCE, Indicator
from incidents.logs import LogLine
from incidents.metrics import Table
from incidents.traces import Span
from incidents.windows import extent

__all__ = ["indicators"]

_INTERVALS = 60
_MOST = 100
"""Of one kind, the most frequent; of metrics three times as many."""
_FEW = 20
_SHARE_FLOOR, _TIME_FLOOR, _LEVEL_FLOOR = 0.02, 0.05, 0.03
"""Of shares; of the logarithm of times; of levels, as a part of themselves."""
_ERRORS = frozenset({"ERROR", "FATAL"})
Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")


def indicators(lines: Sequence[LogLine], spans: Sequence[Span], table: Table) -> list[Indicator]:
    """Return all that is measured; equal for equal data, in whatever order it was read."""
    return [*_of_logs(lines), *_of_traces(spans), *_of_metrics(table)]


class _Intervals:
    """Divides the time that a source was recorded."""

    def __init__(self, start: float, end: float) -> None:
        self.start = start
        self.step = (end - start) / _INTERVALS

    def place(self, time: float) -> int | None:
        """Return in which interval a time lies; None where it is far from all others."""
        place = int((time - self.start) / self.step)
        return min(place, _INTERVALS - 1) if 0 <= place <= _INTERVALS else None

    def times(self, places: Iterable[int]) -> list[float]:
        return [self.start + place * self.step for place in places]


def _intervals(rows: Sequence[Row], at: Callable[[Row], float]) -> _Intervals | None:
    whole = extent(rows, at)
    return _Intervals(whole.start, whole.end) if whole and whole.end > whole.start else None


def _of_logs(lines: Sequence[LogLine]) -> Iterator[Indicator]:
    dated = [line for line in lines if line.is_dated]
    intervals = _intervals(dated, lambda line: line.time)
    if intervals is None:
        return
    every: dict[str, Counter[int]] = defaultdict(Counter)
    errors: dict[str, Counter[int]] = defaultdict(Counter)
    warnings: dict[str, Counter[int]] = defaultdict(Counter)
    for line in dated:
        place = intervals.place(line.time)
        if place is not None:
            every[line.service][place] += 1
            errors[line.service][place] += line.level in _ERRORS
            warnings[line.service][place] += line.level == "WARN"
    for service in _most(every):
        for what, some in (("error lines", errors), ("warnings", warnings)):
            share = _shares(some[service], every[service])
            yield _share("logs", service, f"{what} of {service}", share, intervals)
        yield from _silence("logs", service, every, intervals)


def _of_traces(spans: Sequence[Span]) -> Iterator[Indicator]:
    intervals = _intervals(spans, lambda span: span.start)
    if intervals is None:
        return
    every: dict[str, Counter[int]] = defaultdict(Counter)
    failed: dict[str, Counter[int]] = defaultdict(Counter)
    lengths: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for span in spans:
        place = intervals.place(span.start)
        if place is not None:
            every[span.service][place] += 1
            failed[span.service][place] += span.error
            lengths[span.service, span.operation][place].append(span.duration)
    for service in _most(every):
        share = _shares(failed[service], every[service])
        yield _share("traces", service, f"failed calls of {service}", share, intervals)
        yield from _silence("traces", service, every, intervals)
    counts = {
        key: Counter({at: len(some) for at, some in by.items()}) for key, by in lengths.items()
    }
    for key in _most(counts):
        usual = {
            at: math.log(max(median(some), 0.0) + 1e-6) for at, some in sorted(lengths[key].items())
        }
        yield Indicator(
            source="traces",
            service=key[0],
            what=f"the time of {' '.join(key)}",
            times=intervals.times(usual),
            values=[*usual.values()],
            step=intervals.step,
            floor=_TIME_FLOOR,
            way=1,
        )


def _of_metrics(table: Table) -> Iterator[Indicator]:
    moments = [time for series in table.values() for time in series.times]
    intervals = _intervals(moments, float)
    if intervals is None:
        return
    long = [
        key for key, series in table.items() if len(series.values) >= LEAST_BEFORE + LEAST_SINCE
    ]
    for key in sorted(long, key=lambda key: (-len(table[key].values), key))[: 3 * _MOST]:
        series = table[key]
        by_place: dict[int, list[float]] = defaultdict(list)
        for time, value in zip(series.times, series.values, strict=True):
            place = intervals.place(time)
            if place is not None and math.isfinite(value):
                by_place[place].append(value)
        means = {place: fmean(some) for place, some in sorted(by_place.items())}
        if not means:
            continue
        size = median(map(abs, means.values()))
        yield Indicator(
            source="metrics",
            service=key[0],
            what=f"{key[1]} of {key[0]}",
            times=intervals.times(means),
            values=[*means.values()],
            step=max(intervals.step, (series.times[-1] - series.times[0]) / len(means)),
            floor=max(_LEVEL_FLOOR * size, 1e-9),
            is_harm=False,
        )


def _shares(some: Counter[int], every: Counter[int]) -> dict[int, float]:
    return {place: some[place] / every[place] for place in sorted(every)}


def _share(
    source: str, service: str, what: str, share: dict[int, float], intervals: _Intervals
) -> Indicator:
    return Indicator(
        source=source,
        service=service,
        what=what,
        times=intervals.times(share),
        values=[*share.values()],
        step=intervals.step,
        floor=_SHARE_FLOOR,
        way=1,
    )


def _silence(
    source: str, service: str, every: dict[str, Counter[int]], intervals: _Intervals
) -> Iterator[Indicator]:
    """Yield how much of all that is recorded one of several services records: it may fall silent."""
    if len(every) == 1:
        return
    whole: Counter[int] = Counter()
    for counts in every.values():
        whole.update(counts)
    share = {place: every[service][place] / whole[place] for place in sorted(whole)}
    yield Indicator(
        source=source,
        service=service,
        what=f"what {service} records",
        times=intervals.times(share),
        values=[*share.values()],
        step=intervals.step,
        floor=_SHARE_FLOOR,
        way=-1,
    )


def _most(every: dict[Key, Counter[int]]) -> list[Key]:
    """Return what came most often, but for what is too seldom to show anything."""
    totals = {key: counts.total() for key, counts in every.items()}
    many = [key for key, total in totals.items() if total >= _FEW]
    return sorted(many, key=lambda key: (-totals[key], key))[:_MOST]
