"""Metrics of which there is too much to keep: only the samples in the windows that are compared."""

from collections.abc import Sequence

from incidents.cases import IncidentCase
from incidents.metrics.reading import Metrics, read_metrics
from incidents.sampling import is_sampled
from incidents.windows import Bounds, windows_around

__all__ = ["by_window"]


def by_window(
    case: IncidentCase, read: Metrics, bounds: Bounds, service_labels: Sequence[str]
) -> Metrics:
    """Return what was `read` of the incident, or, where that is a share, what lies in its windows."""
    if not is_sampled(read.files):
        return read
    ends = [time for series in read.series for time in series.ends()]
    windows = windows_around(bounds, ends, float)
    if not windows:
        return read
    return read_metrics(case.incident.metrics, service_labels, windows=windows)
