"""Whose own harm it is that requests take longer or fail: what is felt below explains what is felt above.

Harm is counted per second or interval: seconds, or failed requests, that each service's requests
cost more than usual. What a service calls is deducted from it; what is left is its own.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from services.metrics_analyst.changes import NOTABLE, Change
from services.metrics_analyst.meanings import Meaning, meaning

_SHARE = 1.5
"""A share of requests is at most 1; what is larger is counted in percent."""
Calls = Mapping[str, frozenset[str]]
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

    def own(self, calls: Calls, waits: Mapping[str, float]) -> dict[str, float]:
        left = {}
        for service, harm in self.harm.items():
            below = sum(self.harm.get(name, 0.0) for name in calls.get(service, ()))
            grown = _growth(self.shown[service])
            rest = min(harm - below, harm * (1 - min(1.0, waits.get(service, 0.0) / grown)))
            if rest > 0:
                left[service] = rest
        return left


def slowed(changes: Iterable[Change], calls: Calls) -> list[Suspect]:
    """Divide the time that was added among the services it was added in."""
    measured = [(change, meaning(change.metric)) for change in changes]
    rates = _rates(measured)
    waits: dict[str, float] = defaultdict(float)
    ledgers: dict[str, _Ledger] = {}
    for change, meant in measured:
        if meant.is_time and meant.waiting:
            if change.rose and _certain(change):
                waits[change.service] = max(waits[change.service], _growth(change))
        elif meant.is_time:
            unit = meant.unit * rates[change.service]
            ledger = ledgers.setdefault(meant.statistic, _Ledger({}, 0.0, {}))
            _entered(ledger, change, unit, abs(change.usual) * unit, worse=change.rose)
    return _suspects(ledgers.values(), calls, waits, _TIME_MATTERS)


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


def _growth(change: Change) -> float:
    """Return by how large a factor a time grew, as a logarithm.

    One answer may wait for many calls, so their seconds do not compare, but their factors do.
    """
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


def _suspects(
    ledgers: Iterable[_Ledger], calls: Calls, waits: Mapping[str, float], half: float
) -> list[Suspect]:
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
