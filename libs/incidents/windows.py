"""Which rows of a recording are normal, and which belong to the incident."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Generic, TypeVar

from incidents.problems import FileProblem
from weft.core.result import Window

__all__ = [
    "NO_BOUNDS",
    "Bounds",
    "ChangePoint",
    "Split",
    "clock",
    "extent",
    "gaps",
    "split",
    "windows_around",
]


T = TypeVar("T")
_FEW = 4
_FAR = 30 * 86400.0
_MOST_SPANS = 1000
"""So many times as long as most rows take, and at least so many seconds, is far from them."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """When recorded data changed, and what shows it."""

    at: float
    margin: float
    """So many seconds before it may be of either side."""
    shown_by: str
    """The source that shows it best, and what of it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What divides an incident from normal times, beside a recording of these."""

    alert: float | None = None
    """When somebody noticed; unix seconds."""
    window: Window | None = None
    """The time that is asked about; what lies outside is not of the incident."""
    change: ChangePoint | None = None
    """When the data changed, where nothing else says what is normal."""

    def normal_times(self, *, is_recorded: bool) -> str:
        """Say what is taken for normal; nothing where that is a recording and it alone."""
        if is_recorded and self.alert is None:
            return ""
        if self.window is not None and self.alert is None:
            return f"what lies before the time asked about, {clock(self.window.start)}"
        if self.alert is not None:
            beside = "the recording of normal times, and " if is_recorded else ""
            return f"{beside}what lies well before the alert at {clock(self.alert)}"
        if self.change is not None:
            when = clock(self.change.at)
            return f"the part before the change at {when}, found in the {self.change.shown_by}"
        return ""


NO_BOUNDS = Bounds()


def clock(at: float) -> str:
    """Return a moment as people read it, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, slots=True)
class Split(Generic[T]):
    """Normal rows beside the incident's; `window` is None where the incident has no row."""

    normal: list[T]
    incident: list[T]
    window: Window | None
    onset: list[T]
    """Rows shortly before the alert: the fault may already act in them."""
    normal_seconds: float
    """How long the normal rows were observed, gaps between recordings left out."""
    normal_window: Window | None = None
    """From the first normal row to the last."""
    strays: int = 0
    """How many rows were left out since their time is far from all others."""
    asked: Window | None = None
    """The time that was asked about, where one was: the incident's rows are those in it."""
    undated: int = 0
    """How many were left out since they have no time, and one was asked about."""


def gaps(parts: Split[T], *, case: str, kind: str) -> list[FileProblem]:
    """Say what there is nothing of, since then nothing can be compared."""
    problems = []
    if parts.strays:
        words = f"{parts.strays} rows of {kind} are dated far from all others: they were left out"
        problems.append(FileProblem(case, words))
    if parts.undated:
        words = f"{parts.undated} rows of {kind} have no time: whether they are of it is not known"
        problems.append(FileProblem(case, words))
    if not parts.normal:
        problems.append(FileProblem(case, f"has no {kind} of normal times to compare with"))
    if not parts.incident:
        problems.append(FileProblem(case, f"has no {kind} of the incident"))
    return problems


def split(
    baseline: Sequence[T], rows: Sequence[T], at: Callable[[T], float], bounds: Bounds
) -> Split[T]:
    """Split `rows` by `bounds`; what lies well before an alert counts as normal, like `baseline`.

    The time that is asked about is the incident, whatever recording it lies in; without a baseline
    what lies before it is normal. A change divides `rows` where there is nothing else to.

    An alert lags its fault, so of the time before it only the earlier half is taken for normal
    and the later half for neither. Without any bound, or without a row after an alert, all `rows`
    belong to the incident. Rows dated far from all others are left out: one damaged time would
    move the middle by years.

    Rows without a time (NaN) are compared by what they say, if there is a baseline: no part of
    `rows` is known to be normal then. They are of no time that is asked about.
    """
    normal = _undated(baseline, at)
    incident = _undated(rows, at) if baseline and bounds.window is None else []
    undated = len(_undated(rows, at)) if bounds.window is not None else 0
    baseline, rows = _dated(baseline, at), _dated(rows, at)
    given = len(baseline) + len(rows)
    baseline, rows = _near(baseline, at), _near(rows, at)
    parts = _parted(baseline, rows, at, bounds)
    return replace(
        parts,
        strays=given - len(baseline) - len(rows),
        asked=bounds.window,
        undated=undated,
        normal=parts.normal + normal,
        incident=parts.incident + incident,
    )


def extent(rows: Sequence[T], at: Callable[[T], float]) -> Window | None:
    """Return from when to when rows last, those left out that are dated far from all others."""
    return _window(_near(_dated(rows, at), at), at)


def windows_around(bounds: Bounds, rows: Sequence[T], at: Callable[[T], float]) -> list[Window]:
    """Return the windows that `split` makes of `rows`, where it makes two of them."""
    change = None if bounds.change is None else bounds.change.at
    divided = (bounds.alert or change) if bounds.window is None else bounds.window.start
    window = _window(_dated(rows, at), at)
    if divided is None or window is None or not window.start < divided <= window.end:
        return []
    return [
        Window(start=-math.inf, end=math.nextafter(divided, -math.inf)),
        Window(start=divided, end=math.inf if bounds.window is None else bounds.window.end),
    ]


def _undated(rows: Sequence[T], at: Callable[[T], float]) -> list[T]:
    return [row for row in rows if math.isnan(at(row))]


def _dated(rows: Sequence[T], at: Callable[[T], float]) -> list[T]:
    return [row for row in rows if not math.isnan(at(row))]


def _near(rows: Sequence[T], at: Callable[[T], float]) -> Sequence[T]:
    """Return the rows that are not dated far from the bulk of them."""
    if len(rows) < _FEW:
        return rows
    times = sorted(at(row) for row in rows)
    edge = max(1, len(times) // 10)
    low, high = times[edge], times[-1 - edge]
    reach = max(_FAR, _MOST_SPANS * (high - low))
    if low - reach <= times[0] and times[-1] <= high + reach:
        return rows
    return [row for row in rows if low - reach <= at(row) <= high + reach]


def _parted(
    baseline: Sequence[T], rows: Sequence[T], at: Callable[[T], float], bounds: Bounds
) -> Split[T]:
    if bounds.window is not None:
        return _asked_about(baseline, rows, at, bounds.window, bounds.alert)
    if bounds.alert is None and bounds.change is not None and not baseline:
        change = bounds.change
        first, last = change.at - change.margin, change.at
        lead = [row for row in rows if at(row) < first]
        onset = [row for row in rows if first <= at(row) < last]
        return _split((), lead, onset, [row for row in rows if at(row) >= last], at)
    return _at_the_alert(baseline, rows, at, bounds.alert)


def _asked_about(
    baseline: Sequence[T],
    rows: Sequence[T],
    at: Callable[[T], float],
    window: Window,
    alert: float | None,
) -> Split[T]:
    """Take the time asked about for the incident, and of the rest what is normal or before it."""
    usual = [row for row in baseline if not _holds(window, at(row))]
    inside = [row for row in (*baseline, *rows) if _holds(window, at(row))]
    lead: Sequence[T] = ()
    if alert is not None:
        lead = [row for row in _at_the_alert((), rows, at, alert).normal if at(row) < window.start]
    elif not baseline:
        lead = [row for row in rows if at(row) < window.start]
    return _split(usual, lead, (), inside, at)


def _holds(window: Window, time: float) -> bool:
    return window.start <= time <= window.end


def _at_the_alert(
    baseline: Sequence[T], rows: Sequence[T], at: Callable[[T], float], alert: float | None
) -> Split[T]:
    times = [at(row) for row in rows]
    if alert is None or not times or max(times) < alert:
        return _split(baseline, [], [], rows, at)
    begin = min(times)
    middle = (min(begin, alert) + alert) / 2
    lead = [row for row, time in zip(rows, times, strict=True) if time < middle]
    onset = [row for row, time in zip(rows, times, strict=True) if middle <= time < alert]
    after = [row for row, time in zip(rows, times, strict=True) if time >= alert]
    return _split(baseline, lead, onset, after, at)


def _split(
    baseline: Sequence[T],
    lead: Sequence[T],
    onset: Sequence[T],
    incident: Sequence[T],
    at: Callable[[T], float],
) -> Split[T]:
    seconds = sum(_length(window) for window in (_window(baseline, at), _window(lead, at)))
    normal = [*baseline, *lead]
    return Split(
        normal, list(incident), _window(incident, at), list(onset), seconds, _window(normal, at)
    )


def _window(rows: Sequence[T], at: Callable[[T], float]) -> Window | None:
    times = [at(row) for row in rows]
    return Window(start=min(times), end=max(times)) if times else None


def _length(window: Window | None) -> float:
    return window.end - window.start if window else 0.0
