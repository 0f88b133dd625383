"""From metric changes to ranked findings."""

import math

from incidents import Anomaly, DataRoots, SourceRead, comparison_report, read_metrics
from services.metrics_analyst.changes import Change, Table, changes
from services.metrics_analyst.meanings import is_full, meaning
from services.metrics_analyst.windows import cut
from weft.core import JsonObject

_SYMPTOMS = ("latency", "traffic", "other")
_CLEAR = 25.0


def analyze(roots: DataRoots, data: str) -> JsonObject:
    """Compare the metrics of an incident with its baseline."""
    case = roots.open_case(data)
    baseline = read_metrics(case.baseline.metrics)
    incident = read_metrics(case.incident.metrics)
    parts = cut(baseline.series, incident.series, case.alert_time)
    read = SourceRead(
        "metrics",
        case,
        incident=incident.files,
        baseline=baseline.files,
        problems=[*incident.problems, *baseline.problems],
        rows=sum(len(series.times) for series in parts.incident.values()),
    )
    return comparison_report(read, parts.times, findings(parts.normal, parts.incident))


def findings(normal: Table, incident: Table) -> list[Anomaly]:
    """Compare the incident's metrics with their own past."""
    return [_finding(one) for one in changes(normal, incident)]


def _finding(one: Change) -> Anomaly:
    meant = meaning(one.metric)
    bad = one.rose != meant.bad_when_low
    sure = (1 - math.exp(-abs(one.score) / _CLEAR)) * (0.3 + 0.7 * one.outside)
    worth = meant.worth if bad else 0.2 * meant.worth
    if meant.role == "resource" and is_full(one.metric, one.typical):
        worth = 1.0
    evidence: JsonObject = {
        "metric": one.metric,
        "role": meant.role,
        "files": list(one.files),
        "window": {"start": one.window.start, "end": one.window.end},
        "baseline": {
            "median": _short(one.normal_median),
            "p01": _short(one.normal_low),
            "p99": _short(one.normal_high),
            "samples": one.normal_count,
        },
        "incident": {
            "median": _short(one.typical),
            "extreme": _short(one.extreme),
            "samples": one.count,
            "outside_share": round(one.outside, 3),
        },
        "score": round(max(-1e6, min(one.score, 1e6)), 1),
    }
    moved = "rose" if one.rose else "fell"
    text = f"{one.metric} {moved} to {one.typical:.4g}, usually {one.normal_median:.4g}"
    symptom = meant.role in _SYMPTOMS or not bad
    return Anomaly(meant.role, one.service, text, worth * sure, evidence, symptom=symptom)


def _short(value: float) -> float:
    return float(f"{value:.6g}")
