"""How one service stands beside all others: apart from them, or alone with one odd measure.

Where one measure departs and nothing else does, nobody is harmed: no incident is about that.
Where a service departs more surely than chance allows, others or its other measures depart too,
and no other service comes near it, metrics alone are enough to name it.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from incidents import Anomaly, certainty
from services.metrics_analyst.changes import Change
from services.metrics_analyst.meanings import meaning

_ALONE = 0.9
"""What one measure alone still counts."""
_LIKELY = 2.0
_SURE = 6.0
"""So many nats beyond the odds of many measures is a likely, and a sure departure."""
_FAR = 44.0
"""So many spreads is far: some nine times as much as usual. Without a fault, what is not alone came to
41 in 60 windows."""
_FEW = 4
"""Fewer samples may be a moment's."""
_HALF = 0.5
_APART = 4.0
"""So many times as strongly suspected as the next is apart from it."""
Place = tuple[str, str]
"""A service, and the role of what departs in it: measures of one role depart together."""


def standing(anomalies: Sequence[Anomaly], every: Sequence[Change]) -> list[Anomaly]:
    """Return the same anomalies; less sure where one departs alone, certain where one stands apart."""
    suspicion = _suspicion(anomalies)
    departures = _departures(every)
    if not suspicion or len({_place(change) for change in every}) == 1:
        return list(anomalies)
    if len(departures) <= 1:
        return [replace(one, strength=_ALONE * one.strength) for one in anomalies]
    first, second = [*sorted(suspicion, key=lambda name: -suspicion[name]), ""][:2]
    clear = any(_is_clear(change, len(every)) for change in every if change.service == first)
    apart = suspicion[first] >= max(_HALF, _APART * suspicion.get(second, 0.0))
    if not clear or not apart:
        return list(anomalies)
    lead = max(
        (one for one in anomalies if one.service == first and not one.symptom),
        key=lambda one: one.strength,
    )
    return [replace(one, strength=1.0) if one is lead else one for one in anomalies]


def _suspicion(anomalies: Iterable[Anomaly]) -> dict[str, float]:
    strengths: dict[str, list[float]] = defaultdict(list)
    for one in anomalies:
        if not one.symptom:
            strengths[one.service].append(one.strength)
    return {service: certainty(values) for service, values in strengths.items()}


def _is_clear(change: Change, compared: int) -> bool:
    sure = change.surprise - math.log(max(compared, 2)) >= _SURE
    far = change.count >= _FEW and abs(change.score) >= _FAR
    return sure and far and meaning(change.metric).role != "other"


def _place(change: Change) -> Place:
    return change.service, meaning(change.metric).role


def _departures(every: Sequence[Change]) -> dict[Place, float]:
    """Return by how many nats each role of each service departs beyond the odds, if it is likely."""
    against = math.log(max(len(every), 2))
    departures: dict[Place, float] = {}
    for change in every:
        place = _place(change)
        beyond = change.surprise - against
        if place[1] != "other" and beyond >= _LIKELY:
            departures[place] = max(departures.get(place, 0.0), beyond)
    return departures
