"""From log lines to ranked findings: how much each departure speaks for its service."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from incidents import (
    EVERYTHING,
    Anomaly,
    Comparison,
    DataRoots,
    Inquiry,
    LogLine,
    Split,
    compared,
    cut,
    leaning,
    likelihood,
    read_logs,
)
from services.log_analyst.changes import Changed, changed
from services.log_analyst.facts import log_facts
from services.log_analyst.flows import Departure, Event, departures
from services.log_analyst.peers import Peers
from services.log_analyst.rates import Burst, Shift, bursts, shifts
from services.log_analyst.templates import mine
from weft.core import JsonObject, JsonValue, rfc3339

_EXAMPLES = 5
_MOST_TEXT = 160
_MOST_COMPARED = 60_000
_REQUESTS_MATTER = 0.05
"""A course that so large a share of the requests leave first matters half."""


def analyze(roots: DataRoots, data: str, inquiry: Inquiry = EVERYTHING) -> JsonObject:
    """Compare the logs of an incident with its baseline."""
    logs = Comparison(
        "logs",
        read_logs,
        lambda files, windows, lines: read_logs(files, windows=windows, before=lines),
        lambda line: line.time,
        findings,
        log_facts,
    )
    return compared(roots, data, logs, inquiry)


def findings(lines: Split[LogLine]) -> list[Anomaly]:
    """Compare the incident's lines with the normal ones."""
    templates = mine([*lines.normal, *lines.onset, *lines.incident])
    normal = list(zip(lines.normal, templates, strict=False))
    onset = list(zip(lines.onset, templates[len(normal) :], strict=False))
    incident = list(zip(lines.incident, templates[len(normal) + len(onset) :], strict=True))
    peers = Peers(line.service for line, _ in [*normal, *onset, *incident])
    usual = _usual(normal)
    courses, rates = departures(normal, incident), shifts(normal, incident)
    requests = len({line.trace_id for line, _ in incident if line.trace_id})
    anomalies = []
    for departure in courses.departures:
        sure = likelihood(departure.gain, courses.compared, usual[_kind(departure)])
        matter = _matter(departure.first, requests)
        anomalies.append(_departed(departure, peers, sure * matter))
    for shift in rates.shifts:
        others = rates.errors if shift.template.is_error else rates.compared
        sure = likelihood(shift.gain, others, usual[_kind(shift)])
        anomalies.append(_shifted(shift, peers, sure * _matter(shift.requests, requests)))
    anomalies += [_change(one) for one in changed(normal, [*onset, *incident])]
    spans = bursts(normal, incident, normal_seconds=lines.normal_seconds)
    anomalies += [_burst(one) for one in spans]
    return anomalies + _leaning(rates.slight, {one.service for one in anomalies})


def _usual(normal: Sequence[Event]) -> dict[str, float]:
    """Return how surprising, in nats, two halves of normal times are to each other, by kind."""
    taken = sorted(normal[-_MOST_COMPARED:], key=lambda event: event[0].time)
    first, second = taken[: len(taken) // 2], taken[len(taken) // 2 :]
    departed: list[Departure | Shift] = [*departures(first, second).departures]
    usual: dict[str, float] = defaultdict(float)
    for one in (*departed, *shifts(first, second).shifts):
        usual[_kind(one)] = max(usual[_kind(one)], one.gain)
    return usual


def _kind(one: Departure | Shift) -> str:
    if isinstance(one, Departure):
        return "missing" if one.missing else "error step" if one.then.is_error else "step"
    return "error" if one.template.is_error else "rate"


def _matter(seen: int, requests: int) -> float:
    """Tell how much it is that so many of the requests show something; 1 where none is known."""
    return seen / (seen + _REQUESTS_MATTER * requests) if seen else float(not requests)


def _departed(one: Departure, peers: Peers, sure: float) -> Anomaly:
    """A break counts by how often it happens and how often nothing departed before it."""
    if one.missing:
        worth = 0.95
        what = f"{one.then} no longer follows {one.after}"
    else:
        worth = 1.0 if one.then.is_error else 0.45 if one.then.is_warning else 0.3
        what = f"{one.then} now follows {one.after}"
    strength = worth * sure * (0.15 + 0.85 * one.lead) * one.change**0.75
    evidence: JsonObject = {
        "baseline": {"followed": one.normal[0], "of": one.normal[1]},
        "incident": {"followed": one.incident[0], "of": one.incident[1]},
        "first_in_trace": {"traces": one.first, "of": one.traces},
        **_lines(line for line, _ in one.places),
    }
    return Anomaly(
        "broken_pair" if one.missing else "new_step",
        one.then.service if one.missing else peers.blamed(one.then, one.places[0][0]),
        f"{what} ({_share(one.normal)} before, {_share(one.incident)} now)",
        strength,
        evidence,
        "tool_match",
    )


def _shifted(one: Shift, peers: Peers, sure: float) -> Anomaly:
    vanished, new = not one.incident, not one.normal
    complaint = one.template.is_error or one.template.is_warning
    if one.template.is_error and one.incident > one.expected:
        worth, kind = 0.6, "new_error" if new else "more_errors"
    elif one.template.is_warning and one.incident > one.expected:
        worth, kind = 0.2, "new_warning" if new else "more_warnings"
    elif vanished:
        worth, kind = 0.05 if complaint else 0.5, "vanished_template"
    else:
        worth, kind = 0.1, "new_template" if new else "rate_shift"
    service = one.template.service if vanished else peers.blamed(one.template, one.examples[0])
    return Anomaly(kind, service, _rate(one), worth * sure, _counts(one), "signal_match")


def _leaning(slight: Sequence[Shift], heard: AbstractSet[str]) -> list[Anomaly]:
    """Return of each service not heard of what came most unlike usual, within what is usual."""
    best: dict[str, Shift] = {}
    for shift in slight:
        service = shift.template.service
        if service not in heard:
            best[service] = max(best.get(service, shift), shift, key=lambda one: one.gain)
    return [
        Anomaly("usual", service, _rate(one), leaning(one.gain), _counts(one), symptom=True)
        for service, one in best.items()
    ]


def _rate(one: Shift) -> str:
    return f"{one.template}: {one.incident} lines, {one.expected:.1f} expected"


def _counts(one: Shift) -> JsonObject:
    return {
        "baseline": {"lines": one.normal, "expected_in_incident": round(one.expected, 1)},
        "incident": {"lines": one.incident},
        **_lines(one.examples),
    }


def _change(one: Changed) -> Anomaly:
    """Somebody changed the service, and then there was trouble: seldom a coincidence."""
    when = f" at {rfc3339(one.line.time)}" if one.line.is_dated else ""
    text = f"it was changed{when}: {cut(one.line.message, _MOST_TEXT)}"
    evidence: JsonObject = {
        "baseline": {"lines": 0},
        "incident": {"lines": one.count},
        **_lines([one.line]),
    }
    return Anomaly("changed", one.template.service, text, 0.8, evidence, "complementary_finding")


def _burst(one: Burst) -> Anomaly:
    when = f"{rfc3339(one.start)} to {rfc3339(one.end)}"
    evidence: JsonObject = {
        "window": {"start": one.start, "end": one.end},
        "baseline": {"errors": round(one.usual, 2)},
        "incident": {"errors": one.errors},
        **_lines(one.examples),
    }
    text = f"{one.errors} errors from {when}, usually {one.usual:.1f}"
    return Anomaly("error_burst", one.service, text, 0.1, evidence, "signal_match", symptom=True)


def _lines(lines: Iterable[LogLine]) -> dict[str, JsonValue]:
    shown: list[LogLine] = list(lines)[:_EXAMPLES]
    return {
        "lines": [
            {
                "file": line.file,
                "line": line.line,
                "time": rfc3339(line.time) if line.is_dated else None,
                "text": cut(line.message, _MOST_TEXT),
            }
            for line in shown
        ]
    }


def _share(counts: Sequence[int]) -> str:
    return f"{counts[0]} of {counts[1]}"
