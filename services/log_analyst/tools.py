"""The log analyst's tools."""

from functools import partial

from incidents.cases import DataRoots
from incidents.logs import read_logs
from incidents.report import report
from incidents.windows import gaps, split
from weft.core import JsonObject
from weft.tools import Processes, Tool, tool

_WITHIN = 60.0
_LOADED_THERE = (
    "services.log_analyst.analysis",
    "encodings.utf_8_sig",
)
"""Only calls need these; some are otherwise loaded anew by each, in the midst of its work."""


def log_tools(roots: DataRoots, processes: Processes | None = None) -> list[Tool]:
    """Return the tools of a log analyst that may read below `roots`, each call in a process."""
    processes = processes or Processes()
    processes.preload(*_LOADED_THERE)
    return [
        tool(
            name="analyze_logs",
            description=(
                "Compare an incident's logs with its baseline: new, vanished and shifted templates, "
                "error bursts, and steps that no longer follow each other."
            ),
            labels={"read"},
            timeout=_WITHIN,
            isolation=processes,
        )(partial(analyze_logs, roots))
    ]


def analyze_logs(roots: DataRoots, data: str) -> JsonObject:
    """Compare an incident's logs with its baseline.

    Args:
        roots: Below which directories data may be read.
        data: Directory of the incident, below a data root.
    """
    from services.log_analyst.analysis import findings  # noqa: PLC0415 - see above

    case = roots.open_case(data)
    baseline = read_logs(case.baseline.logs)
    incident = read_logs(case.incident.logs)
    lines = split(baseline.lines, incident.lines, lambda line: line.time, case.alert_time)
    problems = [*case.problems, *incident.problems, *baseline.problems]
    problems += gaps(lines, case=case.name, kind="logs")
    return report(findings(lines), source="logs", window=lines.window, problems=problems)
