"""The trace analyst's tools."""

from functools import partial

from incidents.cases import DataRoots
from incidents.report import report
from incidents.traces import read_traces
from incidents.windows import gaps, split
from weft.core import JsonObject
from weft.tools import Processes, Tool, tool

_WITHIN = 60.0
_LOADED_THERE = (
    "services.trace_analyst.analysis",
    "encodings.utf_8_sig",
    "numpy.ma",
)
"""Only calls need these; some are otherwise loaded anew by each, in the midst of its work."""


def trace_tools(roots: DataRoots, processes: Processes | None = None) -> list[Tool]:
    """Return the tools of a trace analyst that may read below `roots`, each call in a process."""
    processes = processes or Processes()
    processes.preload(*_LOADED_THERE)
    return [
        tool(
            name="analyze_traces",
            description=(
                "Compare an incident's traces with its baseline: added self time and call delays, "
                "missing and new operations, failing services, the critical path."
            ),
            labels={"read"},
            timeout=_WITHIN,
            isolation=processes,
        )(partial(analyze_traces, roots))
    ]


def analyze_traces(roots: DataRoots, data: str) -> JsonObject:
    """Compare an incident's traces with its baseline.

    Args:
        roots: Below which directories data may be read.
        data: Directory of the incident, below a data root.
    """
    from services.trace_analyst.analysis import findings  # noqa: PLC0415 - see above

    case = roots.open_case(data)
    baseline = read_traces(case.baseline.traces)
    incident = read_traces(case.incident.traces)
    spans = split(baseline.spans, incident.spans, lambda span: span.start, case.alert_time)
    problems = [*case.problems, *incident.problems, *baseline.problems]
    problems += gaps(spans, case=case.name, kind="traces")
    return report(findings(spans), source="traces", window=spans.window, problems=problems)
