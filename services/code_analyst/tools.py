"""The code analyst's one tool."""

from incidents import Analysis

ANALYZE_CODE = Analysis(
    "analyze_code",
    source="code",
    description=(
        "Read the Python source that belongs to an incident: blocking calls in async code, "
        "calls without a timeout, swallowed errors and leaked handles, with file and line."
    ),
    module="services.code_analyst.analysis",
)
