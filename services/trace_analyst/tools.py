"""The trace analyst's one tool."""

from incidents import Analysis

ANALYZE_TRACES = Analysis(
    "analyze_traces",
    source="traces",
    description=(
        "Compare an incident's traces with its baseline: added self time and call delays, "
        "missing and new operations, failing services, the critical path."
    ),
    module="services.trace_analyst.analysis",
    preload=("numpy.ma",),
    live=("jaeger", "tempo"),
)
