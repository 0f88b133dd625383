"""The log analyst's tools."""

from anyio import to_thread

from services.log_analyst.analysis import findings
from weft.core import JsonObject
from weft.tools import Tool, tool
from weft.tools.dataset_logs import read_logs
from weft.tools.dataset_report import report
from weft.tools.dataset_windows import gaps, split
from weft.tools.datasets import DataRoots

_WITHIN = 60.0


def log_tools(roots: DataRoots) -> list[Tool]:
    """Return the tools of a log analyst that may read below `roots`."""

    @tool(
        name="analyze_logs",
        description=(
            "Compare an incident's logs with its baseline: new, vanished and shifted templates, "
            "error bursts, and steps that no longer follow each other."
        ),
        labels={"read"},
        # Reading twice changes nothing: recovery may do it again.
        idempotent=True,
        passes_key=True,
        timeout=_WITHIN,
    )
    async def analyze_logs(data: str) -> JsonObject:
        """Compare an incident's logs with its baseline.

        Args:
            data: Directory of the incident, below a data root.
        """
        return await to_thread.run_sync(_analyzed, roots, data, abandon_on_cancel=True)

    return [analyze_logs]


def _analyzed(roots: DataRoots, data: str) -> JsonObject:
    case = roots.open_case(data)
    baseline = read_logs(case.baseline.logs)
    incident = read_logs(case.incident.logs)
    lines = split(baseline.lines, incident.lines, lambda line: line.time, case.alert_time)
    problems = [*case.problems, *incident.problems, *baseline.problems]
    problems += gaps(lines, case=case.name, kind="logs")
    return report(findings(lines), source="logs", window=lines.window, problems=problems)
