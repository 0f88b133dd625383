"""What divides a case: the time that is asked about, its alert, or when its data changed.

Analysts are processes of their own, and all must divide a case alike; so each finds this from the
same files, those of the sources that it does not look at itself included.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from incidents.cases import IncidentCase
from incidents.inquiry import Inquiry
from incidents.logs import LogLine, read_logs
from incidents.metrics import SERVICE_LABELS, comparable, read_metrics
from incidents.traces import Span, read_traces
from incidents.windows import Bounds, extent
from weft.core.result import Window

__all__ = ["bounds_of"]


def bounds_of(
    case: IncidentCase, inquiry: Inquiry, rows: Mapping[str, Sequence[object]] | None = None
) -> Bounds:
    """Return what divides `case`; of its `rows`, by source, those are given that were read."""
    alert = case.alert_time if inquiry.alert is None else inquiry.alert
    if not inquiry.is_timed:
        return Bounds(alert)
    whole = _extent(case, rows or {})
    return Bounds(alert, inquiry.window(whole.start, whole.end) if whole else inquiry.named)


def _extent(case: IncidentCase, rows: Mapping[str, Sequence[object]]) -> Window | None:
    """Return from when to when all recordings of the incident last."""
    table = comparable((), read_metrics(case.incident.metrics, SERVICE_LABELS).series).incident
    moments = [time for series in table.values() for time in series.times]
    extents = [
        extent(_logs(case, rows), lambda line: line.time),
        extent(_spans(case, rows), lambda span: span.start),
        extent(moments, float),
    ]
    windows = [window for window in extents if window is not None]
    if not windows:
        return None
    return Window(
        start=min(window.start for window in windows), end=max(window.end for window in windows)
    )


def _logs(case: IncidentCase, rows: Mapping[str, Sequence[object]]) -> Sequence[LogLine]:
    read = rows.get("logs")
    return read_logs(case.incident.logs).lines if read is None else cast(Sequence[LogLine], read)


def _spans(case: IncidentCase, rows: Mapping[str, Sequence[object]]) -> Sequence[Span]:
    read = rows.get("traces")
    return read_traces(case.incident.traces).spans if read is None else cast(Sequence[Span], read)
