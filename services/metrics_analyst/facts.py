"""What the metrics show: their typical values now and in normal times, and the first that left them."""

from collections.abc import Sequence
from statistics import median

from incidents import Anomaly, Inquiry, Series, window_fact
from services.metrics_analyst.changes import NOTABLE
from services.metrics_analyst.meanings import meaning
from services.metrics_analyst.windows import Cut
from weft.core import Fact, JsonValue

_TELLING = frozenset({"saturation", "resource", "failure", "latency"})
_LASTING = 0.5
"""So large a share of the samples is beyond everything usual where a metric departs."""


def metric_facts(parts: Cut, found: Sequence[Anomaly], inquiry: Inquiry) -> list[Fact]:
    """Return what the series show of what `inquiry` asks; what `found` changes comes first."""
    names: list[JsonValue] = [*sorted({service for service, _ in {*parts.normal, *parts.incident}})]
    facts = [Fact(predicate="services", value=names)]
    changed = {(one.service, str(one.evidence.get("metric"))): one for one in reversed(found)}
    order = sorted(parts.incident, key=lambda key: (-_strength(changed.get(key)), key))
    window = window_fact(parts.times, inquiry)
    facts += [] if window is None else [window]
    for key in order:
        series = parts.incident[key]
        if series.values:
            facts.append(_measured(key, parts.normal.get(key), changed.get(key), series))
    return facts


def _measured(
    key: tuple[str, str],
    past: Series | None,
    change: Anomaly | None,
    series: Series,
) -> Fact:
    usual = past.values if past is not None and past.values else None
    departs = usual is not None and change is not None and _is_worse(key[1], change)
    return Fact(
        predicate="metric",
        subject=key[0],
        what=key[1],
        value=_short(median(series.values)),
        before=None if usual is None else _short(median(usual)),
        at=_first_outside(series, min(usual), max(usual)) if departs and usual else None,
        place=series.files[0] if series.files else "",
        departs=departs,
    )


def _is_worse(metric: str, change: Anomaly) -> bool:
    """Tell whether a metric left its past for long, in the direction that harms."""
    meant, score = meaning(metric), change.evidence.get("score")
    incident = change.evidence.get("incident")
    outside = incident.get("outside_share") if isinstance(incident, dict) else None
    if not isinstance(score, float | int) or not isinstance(outside, float | int):
        return False
    worse = score <= -NOTABLE if meant.bad_when_low else score >= NOTABLE
    return worse and outside >= _LASTING and meant.role in _TELLING


def _first_outside(series: Series, low: float, high: float) -> float | None:
    pairs = zip(series.times, series.values, strict=True)
    return next((time for time, value in pairs if not low <= value <= high), None)


def _strength(change: Anomaly | None) -> float:
    return 0.0 if change is None else change.strength


def _short(value: float) -> float:
    return float(f"{value:.6g}")
