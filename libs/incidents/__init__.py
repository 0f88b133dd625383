"""What analysts of incidents share: recorded cases, readers of their files, windows, findings.

Calls of an analysis import this, each in a process of its own; what hosts an analyst stands in
`incidents.analyst` and is imported from there.
"""

from incidents.analysis import Analysis
from incidents.anomalies import Anomaly, certainty, leaning, likelihood
from incidents.bounds import bounds_of
from incidents.cases import DataRoots, case_facts
from incidents.comparison import (
    Comparison,
    SourceRead,
    compared,
    comparison_report,
    folded,
)
from incidents.deployments import tells_of_a_change
from incidents.facts import Seen, facts_json, seen, window_fact
from incidents.files import Content, DataFile, read_bytes
from incidents.inquiry import EVERYTHING, Inquiry
from incidents.logs import LogLine, read_logs
from incidents.metrics import SERVICE_LABELS, Series, Table, comparable, read_metrics
from incidents.metrics.windowed import by_window
from incidents.places import Place, directory_above
from incidents.problems import FileProblem, guarded
from incidents.report import Conclusion, report
from incidents.text import cut, shown_path
from incidents.traces import Span, read_traces
from incidents.windows import NO_BOUNDS, Bounds, Split, split

__all__ = [
    "EVERYTHING",
    "NO_BOUNDS",
    "SERVICE_LABELS",
    "Analysis",
    "Anomaly",
    "Bounds",
    "Comparison",
    "Conclusion",
    "Content",
    "DataFile",
    "DataRoots",
    "FileProblem",
    "Inquiry",
    "LogLine",
    "Place",
    "Seen",
    "Series",
    "SourceRead",
    "Span",
    "Split",
    "Table",
    "bounds_of",
    "by_window",
    "case_facts",
    "certainty",
    "comparable",
    "compared",
    "comparison_report",
    "cut",
    "directory_above",
    "facts_json",
    "folded",
    "guarded",
    "leaning",
    "likelihood",
    "read_bytes",
    "read_logs",
    "read_metrics",
    "read_traces",
    "report",
    "seen",
    "shown_path",
    "split",
    "tells_of_a_change",
    "window_fact",
]
