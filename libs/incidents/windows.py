"""Which rows of a recording are normal, and which belong to the incident."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from incidents.problems import FileProblem
from weft.core.result import Window

__all__ = ["Split", "gaps", "split"]


T = TypeVar("T")
_FEW = 4
_FAR = 30 * 86400.0
_MOST_SPANS = 1000
"""So many times as long as most rows take, and at least so many seconds, is far from them."""


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


def gaps(parts: Split[T], *, case: str, kind: str) -> list[FileProblem]:
    """Say what there is nothing of, since then nothing can be compared."""
    problems = []
    if parts.strays:
        words = f"{parts.strays} rows of {kind} are dated far from all others: they were left out"
        problems.append(FileProblem(case, words))
    if not parts.normal:
        problems.append(FileProblem(case, f"has no {kind} of normal times to compare with"))
    if not parts.incident:
        problems.append(FileProblem(case, f"has no {kind} of the incident"))
    return problems


def split(
    baseline: Sequence[T], rows: Sequence[T], at: Callable[[T], float], alert: float | None
) -> Split[T]:
    """Split `rows` at the alert; what lies well before it counts as normal, like `baseline`.

    An alert lags its fault, so of the time before it only the earlier half is taken for normal
    and the later half for neither. Without an alert, or without a row after it, all `rows`
    belong to the incident. Rows dated far from all others are left out: one damaged time would
    move the middle by years.

    Rows without a time (NaN) are compared by what they say, if there is a baseline: no part of
    `rows` is known to be normal then.
    """
    normal = _undated(baseline, at)
    incident = _undated(rows, at) if baseline else []
    baseline, rows = _dated(baseline, at), _dated(rows, at)
    given = len(baseline) + len(rows)
    baseline, rows = _near(baseline, at), _near(rows, at)
    parts = replace(_parted(baseline, rows, at, alert), strays=given - len(baseline) - len(rows))
    return replace(parts, normal=parts.normal + normal, incident=parts.incident + incident)


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
