"""The trace analyst's tools."""

from anyio import to_thread

from services.trace_analyst.analysis import findings
from weft.core import JsonObject
from weft.tools import Tool, tool
from weft.tools.dataset_report import report
from weft.tools.dataset_traces import read_traces
from weft.tools.dataset_windows import gaps, split
from weft.tools.datasets import DataRoots

_WITHIN = 60.0


def trace_tools(roots: DataRoots) -> list[Tool]:
    """Return the tools of a trace analyst that may read below `roots`."""

    @tool(
        name="analyze_traces",
        description=(
            "Compare an incident's traces with its baseline: added self time and call delays, "
            "missing and new operations, failing services, the critical path."
        ),
        labels={"read"},
        # Reading twice changes nothing: recovery may do it again.
        idempotent=True,
        passes_key=True,
        timeout=_WITHIN,
    )
    async def analyze_traces(data: str) -> JsonObject:
        """Compare an incident's traces with its baseline.

        Args:
            data: Directory of the incident, below a data root.
        """
        return await to_thread.run_sync(_analyzed, roots, data, abandon_on_cancel=True)

    return [analyze_traces]


def _analyzed(roots: DataRoots, data: str) -> JsonObject:
    case = roots.open_case(data)
    baseline = read_traces(case.baseline.traces)
    incident = read_traces(case.incident.traces)
    spans = split(baseline.spans, incident.spans, lambda span: span.start, case.alert_time)
    problems = [*case.problems, *incident.problems, *baseline.problems]
    problems += gaps(spans, case=case.name, kind="traces")
    return report(findings(spans), source="traces", window=spans.window, problems=problems)
