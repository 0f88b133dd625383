"""The metrics analyst's tools."""

from functools import partial

from incidents.cases import DataRoots
from incidents.metrics import read_metrics
from incidents.report import report
from incidents.windows import gaps
from weft.core import JsonObject
from weft.tools import Processes, Tool, tool

_WITHIN = 60.0
_LOADED_THERE = (
    "services.metrics_analyst.analysis",
    "services.metrics_analyst.windows",
    "encodings.utf_8_sig",
    "numpy.ma",
)
"""Only calls need these; some are otherwise loaded anew by each, in the midst of its work."""


def metrics_tools(roots: DataRoots, processes: Processes | None = None) -> list[Tool]:
    """Return the tools of a metrics analyst that may read below `roots`, each call in a process."""
    processes = processes or Processes()
    processes.preload(*_LOADED_THERE)
    return [
        tool(
            name="analyze_metrics",
            description=(
                "Compare an incident's metrics with its baseline: which metric of which service "
                "left its usual range, and whether it shows a cause or only a symptom."
            ),
            labels={"read"},
            timeout=_WITHIN,
            isolation=processes,
        )(partial(analyze_metrics, roots))
    ]


def analyze_metrics(roots: DataRoots, data: str) -> JsonObject:
    """Compare an incident's metrics with its baseline.

    Args:
        roots: Below which directories data may be read.
        data: Directory of the incident, below a data root.
    """
    from services.metrics_analyst.analysis import findings  # noqa: PLC0415 - see above
    from services.metrics_analyst.windows import cut  # noqa: PLC0415 - see above

    case = roots.open_case(data)
    baseline = read_metrics(case.baseline.metrics)
    incident = read_metrics(case.incident.metrics)
    parts = cut(baseline.series, incident.series, case.alert_time)
    problems = [*case.problems, *incident.problems, *baseline.problems]
    problems += gaps(parts.times, case=case.name, kind="metrics")
    found = findings(parts.normal, parts.incident)
    return report(found, source="metrics", window=parts.times.window, problems=problems)
