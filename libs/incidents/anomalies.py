"""What is not as usual, and which service that points at."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from incidents.problems import FileProblem
from incidents.report import MOST_FINDINGS, Conclusion, report
from weft.core import LEAST_STRENGTH, Coverage
from weft.core.record import JsonObject
from weft.core.result import Claim, EvidenceType, Window

__all__ = ["Anomaly", "anomaly_report", "certainty", "leaning", "likelihood"]

_REFS = 5
_DIGITS, _FEW_DIGITS = 6, 3
_WITHIN = ", which is within what is usual"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One thing that is not as usual, with the numbers and places that show it."""

    kind: str
    service: str
    text: str
    strength: float
    """How much this alone speaks for its service being the cause, 0 to 1; below `LEAST_STRENGTH` it
    departs no further than normal times do from each other."""
    evidence: JsonObject = field(default_factory=dict)
    type: EvidenceType = "specific_data"
    symptom: bool = False
    """It shows harm done elsewhere, so it makes no claim of a cause."""

    @property
    def departs(self) -> bool:
        return self.strength >= LEAST_STRENGTH

    def to_json(self) -> JsonObject:
        return {
            "kind": self.kind,
            "service": self.service,
            "text": self.text,
            "strength": _rounded(self.strength),
            "evidence": self.evidence,
        }


def anomaly_report(
    anomalies: Iterable[Anomaly], *, coverage: Coverage, problems: Sequence[FileProblem] = ()
) -> JsonObject:
    """Rank what is not as usual, and draw one claim per service from it."""
    ranked = sorted(anomalies, key=lambda one: (-one.strength, one.service, one.kind, one.text))
    told = _each_service_first(ranked, MOST_FINDINGS)
    return report(told, partial(_concluded, coverage, problems), coverage, problems)


def _each_service_first(ranked: Sequence[Anomaly], most: int) -> list[Anomaly]:
    """Return the same, of which the first `most` have something of as many services as can be."""
    leads = {one.service: one for one in reversed(ranked)}
    chosen = [one for one in ranked if leads[one.service] is one][:most]
    others = [one for one in ranked if leads[one.service] is not one]
    chosen += others[: max(most - len(chosen), 0)]
    kept = set(map(id, chosen))
    first = [one for one in ranked if id(one) in kept]
    return first + [one for one in ranked if id(one) not in kept]


def likelihood(surprise: float, compared: int, usual: float = 0.0) -> float:
    """Return how probable it is that a departure is more than chance.

    Among many that are `compared` some depart without any cause: their number is the odds against
    one of `surprise` nats. Where normal times surprise each other by `usual` nats, more than their
    number explains, things do not happen independently, and every surprise is that much less.
    """
    against = math.log(max(compared, 2))
    return 1 / (1 + math.exp(min(against - surprise * against / max(against, usual), 700.0)))


def _rounded(strength: float) -> float:
    """Keep the order of what is within what is usual; of what departs, more digits say nothing."""
    return round(strength, _DIGITS if strength < LEAST_STRENGTH else _FEW_DIGITS)


def leaning(surprise: float) -> float:
    """Return the strength of what departs by `surprise` nats and is within what is usual.

    Somebody has to be looked at first where nothing departs.
    """
    return 0.5 * LEAST_STRENGTH * surprise / (1 + surprise)


def certainty(strengths: Iterable[float]) -> float:
    """Join what several findings say of one service: the best counts, others add a little."""
    best, *others = sorted(strengths, reverse=True)
    return min(1.0, best + (1 - best) * 0.3 * (1 - math.exp(-sum(others))))


def _concluded(
    coverage: Coverage, problems: Sequence[FileProblem], shown: Sequence[Anomaly]
) -> Conclusion:
    claims = _claims(shown, coverage.window)
    return Conclusion(_summary(coverage, shown, claims, problems), claims)


def _claims(shown: Sequence[Anomaly], window: Window | None) -> list[Claim]:
    by_service: dict[str, list[int]] = defaultdict(list)
    for index, finding in enumerate(shown):
        if finding.service:
            by_service[finding.service].append(index)
    claims = [_claim(service, shown, indexes, window) for service, indexes in by_service.items()]
    causes = [claim for claim in claims if claim.kind == "cause"]
    causes.sort(key=lambda claim: (-claim.strength, claim.subject))
    symptoms = [claim for claim in claims if claim.kind != "cause"]
    return causes + symptoms


def _claim(
    service: str, shown: Sequence[Anomaly], indexes: Sequence[int], window: Window | None
) -> Claim:
    causes = [index for index in indexes if not shown[index].symptom]
    departures = [index for index in indexes if shown[index].strength]
    chosen = causes or departures or list(indexes)
    lead = shown[chosen[0]]
    return Claim(
        text=f"{service}: {lead.text}{'' if lead.departs or not departures else _WITHIN}",
        type=lead.type,
        kind="cause" if causes else "symptom" if departures else "fact",
        strength=_rounded(certainty(shown[index].strength for index in chosen)),
        evidence_refs=tuple(f"#/findings/{index}" for index in chosen[:_REFS]),
        subject=service,
        predicate="root_cause" if causes else "affected" if departures else lead.kind,
        window=window,
    )


def _summary(
    coverage: Coverage,
    shown: Sequence[Anomaly],
    claims: Sequence[Claim],
    problems: Sequence[FileProblem],
) -> str:
    words = f"{coverage.source}: {_verdict(coverage, shown, claims)}"
    return f"{words}; {len(problems)} problems with the data" if problems else words


def _verdict(coverage: Coverage, shown: Sequence[Anomaly], claims: Sequence[Claim]) -> str:
    """Say what the coverage allows to be said: what was not compared is never called normal."""
    if coverage.verdict == "not_read":
        return f"nothing was read: {coverage.reason}"
    seen = f"; most notable: {shown[0].text}" if shown else ""
    if coverage.verdict == "not_compared":
        return f"nothing was compared: {coverage.reason}{seen}"
    if coverage.verdict == "nothing_unusual":
        return f"nothing differs from normal in the {coverage.compared} rows of the incident"
    causes = [claim for claim in claims if claim.kind == "cause"]
    if not causes:
        return f"nothing points at a cause{seen}"
    best = causes[0]
    words = f"the strongest sign of a cause is in {best.subject} ({best.strength:.2f})"
    return f"{words}: {shown[_index(best)].text}"


def _index(claim: Claim) -> int:
    return int(claim.evidence_refs[0].rsplit("/", 1)[-1])
