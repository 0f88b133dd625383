"""Cutting metric series at the alert."""

from array import array
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from incidents import Bounds, Series, Split, Table, split


class Cut(NamedTuple):
    """What counts as normal and what as incident; `times` are the seconds both were taken at."""

    normal: Table
    lead: Table
    """The incident's own rows well before its alert; all that is normal where there is no baseline."""
    incident: Table
    times: Split[int]

    def without(self, services: AbstractSet[str]) -> "Cut":
        """Return what is told of all other services."""
        normal, lead, incident = (
            {key: series for key, series in table.items() if series.service not in services}
            for table in (self.normal, self.lead, self.incident)
        )
        return Cut(normal, lead, incident, self.times)


def cut(baseline: Table, case: Table, bounds: Bounds) -> Cut:
    """Divide all series at the same seconds, by the rules of `split`."""
    times = split(_seconds(baseline), _seconds(case), float, bounds)
    before = frozenset(times.normal)
    after = frozenset(times.incident)
    onset = frozenset(times.onset)
    lead = {key: _at(series, before) for key, series in case.items()}
    incident = {key: _with_onset(series, onset, _at(series, after)) for key, series in case.items()}
    if bounds.window is not None:
        # What is asked about may lie in the recording of normal times, and is not normal then.
        incident |= {
            key: _joined(_at(series, after), incident.get(key)) for key, series in baseline.items()
        }
        baseline = {key: _at(series, before) for key, series in baseline.items()}
    return Cut({**lead, **baseline}, lead, incident, times)


def _joined(first: Series, then: Series | None) -> Series:
    if then is None or not then.times:
        return first
    times, values = first.times + then.times, first.values + then.values
    return Series(then.service, then.metric, then.files, times, values)


def _with_onset(series: Series, onset: frozenset[int], after: Series) -> Series:
    """Add the last rows before the alert: it lags its fault, and a fault may be short.

    They are fewer than those after it, so that they alone make no change.
    """
    early = _at(series, onset)
    begin = max(0, len(early.times) - (len(after.times) + 1) // 2)
    times = early.times[begin:] + after.times
    return Series(
        series.service, series.metric, series.files, times, early.values[begin:] + after.values
    )


def _seconds(table: Table) -> list[int]:
    return sorted({int(time) for series in table.values() for time in series.times})


def _at(series: Series, seconds: frozenset[int]) -> Series:
    kept = [at for at, time in enumerate(series.times) if int(time) in seconds]
    times = array("d", (series.times[at] for at in kept))
    values = array("d", (series.values[at] for at in kept))
    return Series(series.service, series.metric, series.files, times, values)
