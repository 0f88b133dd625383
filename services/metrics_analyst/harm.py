"""Whose own harm it is that requests take longer or fail: what is felt below explains what is felt above.

Harm is counted per second or interval: seconds, or failed requests, that each service's requests
cost more than usual. What a service calls is deducted from it; what is left is its own.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from statistics import median

from services.metrics_analyst.changes import NOTABLE, Change
from services.metrics_analyst.meanings import Meaning, meaning

_SHARE = 1.5
"""A share of requests is at most 1; what is larger is counted in percent."""
Calls = Mapping[str, AbstractSet[str]]
Waits = Mapping[str, Sequence[Change]]
_MOST_CALLS = 10
"""So many calls one after another an answer may wait for."""
_TIME_MATTERS = 0.1
_FAILURE_MATTERS = 0.01
"""So large a share of all time, or of all requests, matters half: who fails cannot wait."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """How much of the harm is a service's own, and the change that shows it best."""

    service: str
    share: float
    """Of all harm of its kind, times how much that harm matters."""
    change: Change


@dataclass(slots=True)
class _Ledger:
    """Harm of one kind, as measured by one statistic."""

    harm: dict[str, float]
    whole: float
    """Time or requests of the service that has most: the entry, most often."""
    shown: dict[str, Change]

    def own(self, calls: Calls, waits: Waits) -> dict[str, float]:
        left = {}
        for service, harm in self.harm.items():
            below = sum(self.harm.get(name, 0.0) for name in calls.get(service, ()))
            shown = self.shown[service]
            waited = max((_explained(shown, wait) for wait in waits.get(service, ())), default=0.0)
            rest = min(harm - below, harm * (1 - waited))
            if rest > 0:
                left[service] = rest
        return left


def slowed(changes: Iterable[Change], calls: Calls) -> list[Suspect]:
    """Divide the time that was added among the services it was added in."""
    measured = [(change, meaning(change.metric)) for change in changes]
    rates = _rates(measured)
    waits: dict[str, list[Change]] = defaultdict(list)
    known: dict[str, set[str]] = defaultdict(set, {name: set(calls[name]) for name in calls})
    ledgers: dict[str, _Ledger] = {}
    for change, meant in measured:
        if not meant.is_time:
            continue
        waiting = meant.caller or (change.service if meant.waiting else "")
        if waiting and change.rose and _certain(change):
            waits[waiting].append(change)
        if meant.caller:
            known[meant.caller].add(change.service)
        if meant.caller or not meant.waiting:
            unit = meant.unit * rates[change.service]
            ledger = ledgers.setdefault(meant.statistic, _Ledger({}, 0.0, {}))
            _entered(ledger, change, unit, abs(change.usual) * unit, worse=change.rose)
    return _suspects(ledgers.values(), known, waits, _TIME_MATTERS)


def failed(changes: Iterable[Change], calls: Calls) -> list[Suspect]:
    """Divide the requests that fail among the services they fail in."""
    measured = [(change, meaning(change.metric)) for change in changes]
    rates = _rates(measured)
    ledgers: dict[bool, _Ledger] = {}
    for change, meant in measured:
        if meant.role == "failure":
            low = meant.bad_when_low
            ledger = ledgers.setdefault(low, _Ledger({}, 0.0, {}))
            whole = rates[change.service]
            in_percent = low and change.normal_high > _SHARE
            unit = (whole / 100 if in_percent else whole) if low else 1.0
            _entered(ledger, change, unit, whole, worse=change.rose != low)
    return _suspects(ledgers.values(), calls, {}, _FAILURE_MATTERS)


def _entered(ledger: _Ledger, change: Change, unit: float, whole: float, *, worse: bool) -> None:
    ledger.whole = max(ledger.whole, whole)
    harm = _certain(change) * unit if worse else 0.0
    if harm > ledger.harm.get(change.service, 0.0):
        ledger.harm[change.service] = harm
        ledger.shown[change.service] = change


def _certain(change: Change) -> float:
    """Return by how much something moved, less what may be noise."""
    if abs(change.score) <= NOTABLE:
        return 0.0
    return abs(change.moved) * (1 - (NOTABLE / change.score) ** 2)


def _explained(slow: Change, wait: Change) -> float:
    """Return which part of a service's slowness its waiting for another one can explain.

    One answer may wait for many calls, so that their seconds do not compare, but the factors do by
    which they grew; and there are not ever so many of them.
    """
    seconds = wait.moved * meaning(wait.metric).unit / (slow.moved * meaning(slow.metric).unit)
    return min(1.0, _growth(wait) / _growth(slow), _MOST_CALLS * seconds)


def _growth(change: Change) -> float:
    """Return by how large a factor a time grew, as a logarithm."""
    before = max(abs(change.level - change.moved), 1e-9)
    return math.log(max(abs(change.level), before) / before) or 1e-9


def _rates(measured: Iterable[tuple[Change, Meaning]]) -> dict[str, float]:
    """Return how many requests each service has; a middling number where that is not measured."""
    rates: dict[str, float] = {}
    services: dict[str, None] = {}
    for change, meant in measured:
        services[change.service] = None
        if meant.counts_requests:
            rates[change.service] = max(rates.get(change.service, 0.0), abs(change.typical))
    usual = median(rates.values()) if rates else 1.0
    return {service: rates.get(service, usual) for service in services}


def _suspects(ledgers: Iterable[_Ledger], calls: Calls, waits: Waits, half: float) -> list[Suspect]:
    """Join what several statistics say: each counts by how much its harm matters."""
    parts: dict[str, list[tuple[float, Change]]] = defaultdict(list)
    weights, most = 0.0, 0.0
    for ledger in ledgers:
        own = ledger.own(calls, waits)
        total = sum(own.values())
        if total <= 0:
            continue
        matters = total / (total + half * ledger.whole)
        weights += matters
        most = max(most, matters)
        for service, harm in own.items():
            parts[service].append((matters * harm / total, ledger.shown[service]))
    return [
        Suspect(
            service,
            most * sum(share for share, _ in shares) / weights,
            max(shares, key=lambda entry: entry[0])[1],
        )
        for service, shares in parts.items()
    ]
