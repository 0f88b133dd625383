"""Cutting metric series at the alert."""

from array import array
from collections.abc import Mapping
from typing import NamedTuple

from incidents import Series, Split, split

Table = Mapping[tuple[str, str], Series]


class Cut(NamedTuple):
    """What counts as normal and what as incident; `times` are the moments both were taken at."""

    normal: Table
    lead: Table
    """The incident's own rows well before its alert; all that is normal where there is no baseline."""
    incident: Table
    times: Split[float]


def cut(baseline: Table, case: Table, alert: float | None) -> Cut:
    """Divide all series at the same moments, by the rules of `split`."""
    times = split(_times(baseline), _times(case), float, alert)
    before = frozenset(times.normal)
    after = frozenset(times.incident)
    onset = frozenset(times.onset)
    lead = {key: _at(series, before) for key, series in case.items()}
    incident = {key: _with_onset(series, onset, _at(series, after)) for key, series in case.items()}
    return Cut({**lead, **baseline}, lead, incident, times)


def _with_onset(series: Series, onset: frozenset[float], after: Series) -> Series:
    """Add the last rows before the alert: it lags its fault, and a fault may be short.

    They are fewer than those after it, so that they alone make no change.
    """
    early = _at(series, onset)
    begin = max(0, len(early.times) - (len(after.times) + 1) // 2)
    times = early.times[begin:] + after.times
    return Series(
        series.service, series.metric, series.files, times, early.values[begin:] + after.values
    )


def _times(table: Table) -> list[float]:
    return sorted({time for series in table.values() for time in series.times})


def _at(series: Series, moments: frozenset[float]) -> Series:
    pairs = zip(series.times, series.values, strict=True)
    kept = [(time, value) for time, value in pairs if time in moments]
    times = array("d", (time for time, _ in kept))
    values = array("d", (value for _, value in kept))
    return Series(series.service, series.metric, series.files, times, values)
