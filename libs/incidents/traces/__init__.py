"""Spans of the layouts that tracers write, read into one form."""

from incidents.traces.reading import Traces, read_traces
from incidents.traces.spans import Span

__all__ = ["Span", "Traces", "read_traces"]
