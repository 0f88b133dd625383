"""The log analyst's one tool."""

from incidents import Analysis

ANALYZE_LOGS = Analysis(
    "analyze_logs",
    source="logs",
    description=(
        "Compare an incident's logs with its baseline: new, vanished and shifted templates, "
        "error bursts, and steps that no longer follow each other."
    ),
    module="services.log_analyst.analysis",
    live=("loki",),
)
