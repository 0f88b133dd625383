"""Cutting metric series at the alert."""

from array import array
from typing import NamedTuple

from incidents import Series, Split, split
from services.metrics_analyst.changes import Table


class Cut(NamedTuple):
    """What counts as normal and what as incident; `times` are the moments both were taken at."""

    normal: Table
    incident: Table
    times: Split[float]


def cut(baseline: Table, case: Table, alert: float | None) -> Cut:
    """Divide all series at the same moments, by the rules of `split`."""
    times = split(_times(baseline), _times(case), float, alert)
    lead = frozenset(times.normal)
    after = frozenset(times.incident)
    normal = dict(baseline)
    for key, series in case.items():
        early = _at(series, lead)
        normal[key] = _joined(normal[key], early) if key in normal else early
    return Cut(normal, {key: _at(series, after) for key, series in case.items()}, times)


def _times(table: Table) -> list[float]:
    return sorted({time for series in table.values() for time in series.times})


def _at(series: Series, moments: frozenset[float]) -> Series:
    pairs = zip(series.times, series.values, strict=True)
    kept = [(time, value) for time, value in pairs if time in moments]
    times = array("d", (time for time, _ in kept))
    values = array("d", (value for _, value in kept))
    return Series(series.service, series.metric, series.files, times, values)


def _joined(first: Series, second: Series) -> Series:
    files = list(dict.fromkeys([*first.files, *second.files]))
    times, values = first.times + second.times, first.values + second.values
    return Series(first.service, first.metric, files, times, values)
