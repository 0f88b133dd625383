"""The metrics analyst's tools."""

from anyio import to_thread

from services.metrics_analyst.analysis import findings
from services.metrics_analyst.windows import cut
from weft.core import JsonObject
from weft.tools import Tool, tool
from weft.tools.dataset_metrics import read_metrics
from weft.tools.dataset_report import report
from weft.tools.dataset_windows import gaps
from weft.tools.datasets import DataRoots

_WITHIN = 60.0


def metrics_tools(roots: DataRoots) -> list[Tool]:
    """Return the tools of a metrics analyst that may read below `roots`."""

    @tool(
        name="analyze_metrics",
        description=(
            "Compare an incident's metrics with its baseline: which metric of which service "
            "left its usual range, and whether it shows a cause or only a symptom."
        ),
        labels={"read"},
        # Reading twice changes nothing: recovery may do it again.
        idempotent=True,
        passes_key=True,
        timeout=_WITHIN,
    )
    async def analyze_metrics(data: str) -> JsonObject:
        """Compare an incident's metrics with its baseline.

        Args:
            data: Directory of the incident, below a data root.
        """
        return await to_thread.run_sync(_analyzed, roots, data, abandon_on_cancel=True)

    return [analyze_metrics]


def _analyzed(roots: DataRoots, data: str) -> JsonObject:
    case = roots.open_case(data)
    baseline = read_metrics(case.baseline.metrics)
    incident = read_metrics(case.incident.metrics)
    parts = cut(baseline.series, incident.series, case.alert_time)
    problems = [*case.problems, *incident.problems, *baseline.problems]
    problems += gaps(parts.times, case=case.name, kind="metrics")
    found = findings(parts.normal, parts.incident)
    return report(found, source="metrics", window=parts.times.window, problems=problems)
