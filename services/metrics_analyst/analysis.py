"""From metric changes to ranked findings."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from incidents import (
    EVERYTHING,
    NO_BOUNDS,
    SERVICE_LABELS,
    Anomaly,
    DataRoots,
    Inquiry,
    SourceRead,
    bounds_of,
    by_window,
    comparable,
    comparison_report,
    facts_json,
    leaning,
    likelihood,
    read_metrics,
)
from services.metrics_analyst.changes import NOTABLE, Change, changes
from services.metrics_analyst.facts import metric_facts
from services.metrics_analyst.harm import Calls, failed, slowed
from services.metrics_analyst.meanings import is_full, meaning
from services.metrics_analyst.standing import standing
from services.metrics_analyst.windows import Cut, cut
from weft.core import JsonObject

_WEAK = 0.02
_USUAL = "usual"
"""The kind of what departs no further than usual."""
_UNKNOWN_CALLS = 0.35
"""How far slowness or failures speak for a service of which nobody knows whom it calls."""


def analyze(
    roots: DataRoots,
    data: str,
    inquiry: Inquiry = EVERYTHING,
    service_labels: Sequence[str] = SERVICE_LABELS,
) -> JsonObject:
    """Compare the metrics of an incident with its baseline.

    The first of `service_labels` that a series has names its service.
    """
    case = roots.open_case(data)
    baseline = read_metrics(case.baseline.metrics, service_labels)
    incident = read_metrics(case.incident.metrics, service_labels)
    # Named by labels of one's own they are other series than the other analysts see.
    usual = tuple(service_labels) == tuple(SERVICE_LABELS)
    seen = {"metrics": incident.series} if usual else {}
    bounds = bounds_of(case, inquiry, seen) if incident.series else NO_BOUNDS
    incident = by_window(case, incident, bounds, service_labels)
    series = comparable(baseline.series, incident.series)
    parts = cut(series.normal, series.incident, bounds)
    whole = parts.without(baseline.torn | incident.torn)
    calls = {**baseline.calls, **incident.calls}
    read = SourceRead(
        "metrics",
        case,
        incident=incident.files,
        baseline=baseline.files,
        problems=[*incident.problems, *baseline.problems, *series.problems],
        inside=roots.inside(data),
        bounds=bounds,
        rows=sum(len(series.times) for series in whole.incident.values()),
    )
    anomalies = findings(whole, calls)
    result = comparison_report(read, parts.times, anomalies)
    return result | {"facts": facts_json(metric_facts(parts, anomalies, inquiry), inquiry)}


def findings(parts: Cut, calls: Calls | None = None) -> list[Anomaly]:
    """Compare the incident's metrics with their own past; `calls` says who calls whom."""
    every, calls = _one_spelling(changes(parts), calls or {})
    known = calls or any(meaning(change.metric).caller for change in every)
    anomalies = _used_up(every)
    for kind, suspects in (
        ("slower", slowed(every, calls)),
        ("failing", failed(every, calls)),
    ):
        for one in suspects:
            own = 1.0 if known else _UNKNOWN_CALLS
            anomalies.append(
                _anomaly(
                    kind, one.change, own * one.share * likelihood(one.change.surprise, len(every))
                )
            )
    suspected = {one.service for one in anomalies}
    for change in every:
        if abs(change.score) >= NOTABLE:
            symptom = change.service in suspected
            weak = _WEAK * likelihood(change.surprise, len(every))
            role = meaning(change.metric).role
            anomalies.append(_anomaly(role, change, weak, symptom=symptom))
    anomalies = standing(anomalies, every)
    return anomalies + _leaning(every, {one.service for one in anomalies})


def _one_spelling(every: Sequence[Change], calls: Calls) -> tuple[list[Change], Calls]:
    """Call services whose names differ by case alone as most of their metrics do: they are one."""
    counts = Counter(change.service for change in every)
    names: dict[str, str] = {}
    for name in sorted(counts, key=lambda name: (counts[name], name)):
        names[name.casefold()] = name
    joined: dict[str, set[str]] = defaultdict(set)
    for caller, called in calls.items():
        below = {names.get(name.casefold(), name) for name in called}
        joined[names.get(caller.casefold(), caller)] |= below
    changed = [
        replace(change, series=replace(change.series, service=names[change.service.casefold()]))
        for change in every
    ]
    return changed, {caller: called - {caller} for caller, called in joined.items()}


def _leaning(every: Sequence[Change], heard: AbstractSet[str]) -> list[Anomaly]:
    """Return of each service not heard of what departs most, within what is usual."""
    best: dict[str, Change] = {}
    for change in every:
        if change.service not in heard and change.surprise > 0:
            least = best.setdefault(change.service, change)
            best[change.service] = max(least, change, key=lambda one: one.surprise)
    return [
        _anomaly(_USUAL, change, leaning(change.surprise), symptom=True) for change in best.values()
    ]


def _used_up(every: Sequence[Change]) -> list[Anomaly]:
    """Divide the blame for what is used up among those that use more of it than usual."""
    best: dict[str, tuple[float, Change]] = {}
    for change in every:
        weight = _growth(change) * likelihood(change.surprise, len(every))
        if weight and (change.service not in best or weight > best[change.service][0]):
            best[change.service] = weight, change
    total = sum(weight for weight, _ in best.values())
    return [
        _anomaly("resource", change, weight * weight / total) for weight, change in best.values()
    ]


def _growth(change: Change) -> float:
    """Tell by how much more of something a service uses than usual, 1 for much or for all there is."""
    meant = meaning(change.metric)
    if meant.role not in ("resource", "saturation") or change.score < NOTABLE:
        return 0.0
    if is_full(change.metric, change.level):
        return 1.0
    before = max(change.level - change.moved, 1e-12)
    return 1 - before / max(change.level, before)


def _anomaly(kind: str, one: Change, strength: float, *, symptom: bool = False) -> Anomaly:
    evidence: JsonObject = {
        "metric": one.metric,
        "role": meaning(one.metric).role,
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
    return Anomaly(kind, one.service, text, strength, evidence, symptom=symptom)


def _short(value: float) -> float:
    return float(f"{value:.6g}")
