"""From spans to ranked findings: added time, changed shapes, failures, the critical path."""

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from incidents import (
    EVERYTHING,
    Anomaly,
    Comparison,
    DataRoots,
    Inquiry,
    Span,
    Split,
    compared,
    leaning,
    likelihood,
    read_traces,
)
from services.trace_analyst.facts import trace_facts
from services.trace_analyst.failures import Failing, failures
from services.trace_analyst.latency import Samples, Slowdown, blamed, measured, slowdowns
from services.trace_analyst.shapes import Change, changes
from services.trace_analyst.trees import Node, critical_path, roots, self_time, trees
from weft.core import JsonObject, JsonValue, rfc3339

_EXAMPLES = 5
_LONG_PATH = 25
_SLOWEST = 12
_TIME_MATTERS = 0.1
_TRACES_MATTER = 0.05
"""So large a share of all time, or of all requests, matters half."""


def analyze(roots: DataRoots, data: str, inquiry: Inquiry = EVERYTHING) -> JsonObject:
    """Compare the traces of an incident with its baseline."""
    traces = Comparison(
        "traces",
        read_traces,
        lambda files, windows, _spans: read_traces(files, windows=windows),
        lambda span: span.start,
        findings,
        trace_facts,
        end=lambda span: span.end,
    )
    return compared(roots, data, traces, inquiry)


def findings(spans: Split[Span]) -> list[Anomaly]:
    """Compare the incident's traces with the normal ones."""
    normal, incident = trees(spans.normal), trees(spans.incident)
    before, samples = measured(normal), measured(incident)
    slower, found = slowdowns(before, samples), changes(normal, incident)
    slow = [one for one in slower if one.is_notable]
    anomalies = _slowed(slow, samples, _Odds(_matter(slow, incident), len(samples)))
    requests = len({node.span.trace_id for node in incident})
    for change in found.changes:
        anomalies += _changed(change, _Odds(requests, found.compared))
    anomalies += [_failing(one) for one in failures(normal, incident)]
    anomalies += _leaning(slower, {one.service for one in anomalies})
    return anomalies + _slowest(incident)


class _Odds(NamedTuple):
    """What a departure is held against."""

    whole: float
    """How much the time that was added matters; of changed calls, how many requests there were."""
    compared: int

    def sure(self, gain: float) -> float:
        return likelihood(gain, self.compared)


def _matter(slow: Sequence[Slowdown], incident: Sequence[Node]) -> float:
    """Tell how much the added time is, beside all the time that requests take as usual."""
    added = sum(one.added for one in slow)
    whole = max(sum(root.span.duration for root in roots(incident)), added)
    return added / (added + _TIME_MATTERS * whole) if added else 0.0


def _slowed(slow: Sequence[Slowdown], samples: Samples, odds: _Odds) -> list[Anomaly]:
    anomalies = []
    for service, share in blamed(slow, samples).items():
        touching = [one for one in slow if service in (one.key.service, one.key.other)]
        own = [one for one in touching if _belongs(one, service)]
        if own:
            enough = 0.1 * max(one.added for one in own)
            notable = [one for one in own if one.added >= enough]
            lead = max(notable, key=lambda one: (_clarity(one), one.added, one.key.other))
            strength = share * odds.whole * _clarity(lead) * odds.sure(lead.gain)
            anomalies.append(_slowdown(service, lead, strength, share))
    rest = sorted(slow, key=lambda one: (-one.added, one.key.service, one.key.other))
    return anomalies + [_symptom(one) for one in rest[:_SLOWEST]]


def _belongs(one: Slowdown, service: str) -> bool:
    return one.key.kind == "edge" or one.key.service == service


def _clarity(one: Slowdown) -> float:
    """Grow with how many samples are slower, and by what factor."""
    delay = max(one.median - one.normal_median, 0.5 * one.slower * (one.p95 - one.normal_p95), 0)
    return math.sqrt(one.slower) * (1 - math.exp(-delay / (one.limit + 1e-3)))


def _slowdown(service: str, one: Slowdown, strength: float, share: float) -> Anomaly:
    text = f"{_told(one)}; {share:.0%} of all added time belongs to {service}"
    return Anomaly("added_time", service, text, strength, _numbers(one))


def _symptom(one: Slowdown) -> Anomaly:
    return Anomaly(
        "slower", one.key.service, _told(one), 0.1 * _clarity(one), _numbers(one), symptom=True
    )


def _leaning(slower: Sequence[Slowdown], heard: AbstractSet[str]) -> list[Anomaly]:
    """Return of each service not heard of what slowed most, within what is usual."""
    best: dict[str, Slowdown] = {}
    for one in slower:
        service = one.key.service if one.key.kind == "self" else one.key.other
        if service not in heard:
            best[service] = max(best.get(service, one), one, key=lambda slowdown: slowdown.gain)
    return [
        Anomaly("usual", service, _told(one), leaning(one.gain), _numbers(one), symptom=True)
        for service, one in best.items()
    ]


def _told(one: Slowdown) -> str:
    what = (
        f"{one.key.service} {one.key.other}"
        if one.key.kind == "self"
        else (f"the way from {one.key.service} to {one.key.other}")
    )
    return f"{what} takes {_ms(one.median)}, usually {_ms(one.normal_median)}"


def _numbers(one: Slowdown) -> JsonObject:
    return {
        "measured": "self time" if one.key.kind == "self" else "time between caller and called",
        "baseline": {
            "median_ms": _round(one.normal_median),
            "p95_ms": _round(one.normal_p95),
            "samples": one.normal_count,
        },
        "incident": {
            "median_ms": _round(one.median),
            "p95_ms": _round(one.p95),
            "samples": one.count,
            "slower_share": round(one.slower, 3),
            "added_ms": _round(one.added),
        },
        "spans": _spans(one.examples),
    }


def _changed(one: Change, odds: _Odds) -> list[Anomaly]:
    anomalies = []
    parent, child = " ".join(one.parent), " ".join(one.child)
    what = f"{parent} no longer calls {child}" if one.missing else f"{parent} now calls {child}"
    for service, traces in sorted(one.blamed.items()):
        matter = traces / (traces + _TRACES_MATTER * odds.whole)
        worth = (0.8 if one.missing else 0.5) * (1 - one.asked)
        sure = odds.sure(one.gain) * (1 - math.exp(-traces / 2))
        strength = worth * sure * matter * min(1.0, traces / one.traces) * (0.5 + 0.5 * one.change)
        evidence: JsonObject = {
            "baseline": {"with": one.normal[0], "of": one.normal[1]},
            "incident": {"with": one.incident[0], "of": one.incident[1]},
            "begins_here": {"traces": round(traces, 1), "of": one.traces},
            "spans": _spans([node.span for node in one.places[:_EXAMPLES]]),
        }
        text = (
            f"{what} ({one.incident[0]} of {one.incident[1]} now, "
            f"{one.normal[0]} of {one.normal[1]} before)"
        )
        kind = "missing_operation" if one.missing else "new_operation"
        anomalies.append(Anomaly(kind, service, text, strength, evidence, "tool_match"))
    return anomalies


def _failing(one: Failing) -> Anomaly:
    before, now = one.normal[0] / max(one.normal[1], 1), one.incident[0] / max(one.incident[1], 1)
    strength = 0.9 * (1 - math.exp(-one.incident[0] / 4)) * min(1.0, 0.3 + 2 * (now - before))
    evidence: JsonObject = {
        "baseline": {"failed": one.normal[0], "of": one.normal[1]},
        "incident": {"failed": one.incident[0], "of": one.incident[1]},
        "spans": _spans(one.examples),
    }
    text = f"errors begin here: {one.incident[0]} of {one.incident[1]} spans, {before:.1%} before"
    return Anomaly("failing", one.service, text, strength, evidence, "tool_match")


def _slowest(incident: Sequence[Node]) -> list[Anomaly]:
    """Show what the slowest request waited for; some request is always the slowest."""
    root = max(
        roots(incident), key=lambda node: (node.span.duration, node.span.trace_id), default=None
    )
    if root is None:
        return []
    path = critical_path(root)
    steps: list[JsonValue] = [
        {
            "service": node.span.service,
            "operation": node.span.operation,
            "duration_ms": _round(node.span.duration),
            "self_ms": _round(self_time(node)),
        }
        for node in path[:_LONG_PATH]
    ]
    text = f"the slowest request took {_ms(root.span.duration)}: {root.span.operation}"
    evidence: JsonObject = {
        "trace_id": root.span.trace_id,
        "critical_path": steps,
        "spans": _spans([root.span]),
    }
    service = root.span.service
    return [Anomaly("critical_path", service, text, 0.0, evidence, symptom=True)]


def _spans(spans: Sequence[Span]) -> JsonValue:
    return [
        {
            "file": span.file,
            "line": span.line,
            "time": rfc3339(span.start),
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "duration_ms": _round(span.duration),
        }
        for span in spans
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _round(seconds: float) -> float:
    return round(seconds * 1000, 2)
