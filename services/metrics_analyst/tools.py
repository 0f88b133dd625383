"""The metrics analyst's one tool."""

from incidents import Analysis

ANALYZE_METRICS = Analysis(
    "analyze_metrics",
    source="metrics",
    description=(
        "Compare an incident's metrics with its baseline: which metric of which service "
        "left its usual range, and whether it shows a cause or only a symptom."
    ),
    module="services.metrics_analyst.analysis",
    preload=("numpy.ma",),
    live=("prometheus",),
)
