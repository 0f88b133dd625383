"""Metrics of the layouts that people have, and what of them can be compared."""

from incidents.metrics.comparing import Comparable, comparable
from incidents.metrics.reading import METRIC_FORMATS, Metrics, read_metrics
from incidents.metrics.series import Series, Table
from incidents.metrics.services import SERVICE_LABELS

__all__ = [
    "METRIC_FORMATS",
    "SERVICE_LABELS",
    "Comparable",
    "Metrics",
    "Series",
    "Table",
    "comparable",
    "read_metrics",
]
