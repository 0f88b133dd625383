"""Spans of the layouts that tracers write, read into one form."""

from incidents.traces.reading import TRACE_FORMATS, Traces, read_traces
from incidents.traces.spans import Span

__all__ = ["TRACE_FORMATS", "Span", "Traces", "read_traces"]
