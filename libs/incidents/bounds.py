"""What divides a case: the time that is asked about, its alert, or when its data changed.

Analysts are processes of their own, and all must divide a case alike; so each finds this from the
same files, those of the sources that it does not look at itself included.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

from incidents.cases import IncidentCase
from incidents.change_point import change_point
from incidents.deployments import tells_of_a_change
from incidents.discovery import NOTHING
from incidents.indicators import indicators
from incidents.inquiry import Inquiry
from incidents.logs import LogLine, read_logs
from incidents.metrics import SERVICE_LABELS, Table, comparable, read_metrics
from incidents.metrics.reading import RecordedSeries
from incidents.traces import Span, read_traces
from incidents.windows import Bounds, ChangePoint, extent
from weft.core.result import Window

__all__ = ["bounds_of"]

_BEFORE = 4.0
"""So many intervals before a change shows, what somebody changed may be behind it."""
_HEAD = 300
_WORD = re.compile(r"\w++")
_DIGIT = re.compile(r"\d")


def bounds_of(
    case: IncidentCase, inquiry: Inquiry, rows: Mapping[str, Sequence[object]] | None = None
) -> Bounds:
    """Return what divides `case`; of its `rows`, by source, those are given that were read.

    Those of metrics are series, named by the usual labels: all analysts must divide alike.
    """
    alert = case.alert_time if inquiry.alert is None else inquiry.alert
    is_divided = alert is not None or case.baseline != NOTHING
    if is_divided and not inquiry.is_timed:
        return Bounds(alert)
    read = _Rows.of(case, rows or {})
    window = _window(inquiry, read) if inquiry.is_timed else None
    if window is not None or is_divided:
        return Bounds(alert, window)
    return Bounds(change=_change(read))


def _window(inquiry: Inquiry, rows: "_Rows") -> Window | None:
    whole = _extent(rows)
    return inquiry.window(whole.start, whole.end) if whole else inquiry.named


class _Rows(NamedTuple):
    """What all recordings of the incident hold."""

    lines: Sequence[LogLine]
    spans: Sequence[Span]
    table: Table

    @classmethod
    def of(cls, case: IncidentCase, read: Mapping[str, Sequence[object]]) -> "_Rows":
        """Read what was not `read` by its source; of metrics the usual labels name the service."""
        lines, spans, series = read.get("logs"), read.get("traces"), read.get("metrics")
        if series is None:
            series = read_metrics(case.incident.metrics, SERVICE_LABELS).series
        return cls(
            read_logs(case.incident.logs).lines if lines is None else cast(list[LogLine], lines),
            read_traces(case.incident.traces).spans if spans is None else cast(list[Span], spans),
            comparable((), cast(list[RecordedSeries], series)).incident,
        )


def _change(rows: _Rows) -> ChangePoint | None:
    """Return when the data changed: if somebody tells of a change right before it, then."""
    change = change_point(indicators(rows.lines, rows.spans, rows.table))
    if change is None:
        return None
    first = change.at - _BEFORE * change.margin
    until = change.at + change.margin
    lines = [line for line in rows.lines if line.is_dated and line.time < until]
    usual = {_form(line.head) for line in lines if line.time < first}
    for line in lines:
        if line.time >= first and tells_of_a_change(line.head) and _form(line.head) not in usual:
            shown = f"{change.shown_by}; {line.service} tells of a change then"
            return replace(change, at=min(line.time, change.at), shown_by=shown)
    return change


def _extent(rows: _Rows) -> Window | None:
    """Return from when to when all recordings of the incident last."""
    moments = [time for series in rows.table.values() for time in series.times]
    extents = [
        extent(rows.lines, lambda line: line.time),
        extent(rows.spans, lambda span: span.start),
        extent(moments, float),
    ]
    windows = [window for window in extents if window is not None]
    if not windows:
        return None
    return Window(
        start=min(window.start for window in windows), end=max(window.end for window in windows)
    )


def _form(message: str) -> str:
    """Return a message without what holds digits: ids, counts and times."""
    return _WORD.sub(lambda word: "#" if _DIGIT.search(word[0]) else word[0], message[:_HEAD])
