"""What an analysis hands back: ranked findings, the claims that rest on them, and the problems."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from incidents.problems import FileProblem
from incidents.text import MOST_NAME, bounded
from weft.core.record import JsonObject, dumps
from weft.core.result import Claim, EvidenceType, Window

__all__ = ["Anomaly", "fitted", "report"]

MOST_BYTES = 48_000
MOST_FINDINGS = 40
MOST_CAUSES = 8
_MOST_PROBLEMS = 50
_REFS = 5
_SIZES = ((600, 100), (300, 25), (MOST_NAME, 1))
"""How long texts may be, and how many examples there may be of one thing: ever fewer."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One thing that is not as usual, with the numbers and places that show it."""

    kind: str
    service: str
    text: str
    strength: float
    """How much this alone speaks for its service being the cause, 0 to 1."""
    evidence: JsonObject = field(default_factory=dict)
    type: EvidenceType = "specific_data"
    symptom: bool = False
    """It shows harm done elsewhere, so it makes no claim of a cause."""

    def to_json(self) -> JsonObject:
        return {
            "kind": self.kind,
            "service": self.service,
            "text": self.text,
            "strength": round(self.strength, 3),
            "evidence": self.evidence,
        }


def report(
    findings: Iterable[Anomaly],
    *,
    source: str,
    window: Window | None,
    problems: Sequence[FileProblem] = (),
) -> JsonObject:
    """Rank the findings and draw one claim per service from them, in at most `MOST_BYTES`."""
    ranked = sorted(findings, key=lambda one: (-one.strength, one.service, one.kind, one.text))

    def made(most: int) -> JsonObject:
        shown = ranked[:most]
        return _report(shown, len(ranked) - len(shown), source, window, problems)

    return fitted(made, min(len(ranked), MOST_FINDINGS))


def fitted(made: Callable[[int], JsonObject], findings: int) -> JsonObject:
    """Return what is made of so many findings in at most `MOST_BYTES`.

    Long texts are cut first, then examples left out, and only then the weakest findings: that
    something is told at length does not make it matter less.
    """
    sizes = [(findings, *size) for size in _SIZES]
    while True:
        most, width, examples = sizes.pop(0)
        result = bounded(made(most), width, examples)
        if len(dumps(result)) <= MOST_BYTES or not most:
            return result
        if not sizes:
            sizes.append((most * 3 // 4, width, examples))


def certainty(strengths: Iterable[float]) -> float:
    """Join what several findings say of one service: the best counts, others add a little."""
    best, *others = sorted(strengths, reverse=True)
    return min(1.0, best + (1 - best) * 0.3 * (1 - math.exp(-sum(others))))


def _report(
    shown: Sequence[Anomaly],
    left_out: int,
    source: str,
    window: Window | None,
    problems: Sequence[FileProblem],
) -> JsonObject:
    claims = _claims(shown, window)
    made: JsonObject = {
        "summary": _summary(source, shown, claims, problems),
        "findings": [finding.to_json() for finding in shown],
        "problems": [
            {"file": problem.file, "problem": problem.problem}
            for problem in problems[:_MOST_PROBLEMS]
        ],
        "claims": [claim.to_json() for claim in claims],
    }
    if left_out:
        made["findings_left_out"] = left_out
    if len(problems) > _MOST_PROBLEMS:
        made["problems_left_out"] = len(problems) - _MOST_PROBLEMS
    return made


def _claims(shown: Sequence[Anomaly], window: Window | None) -> list[Claim]:
    by_service: dict[str, list[int]] = defaultdict(list)
    for index, finding in enumerate(shown):
        if finding.service:
            by_service[finding.service].append(index)
    claims = [_claim(service, shown, indexes, window) for service, indexes in by_service.items()]
    causes = [claim for claim in claims if claim.kind == "cause"]
    causes.sort(key=lambda claim: (-claim.strength, claim.subject))
    symptoms = [claim for claim in claims if claim.kind != "cause"]
    return causes[:MOST_CAUSES] + symptoms[:MOST_CAUSES]


def _claim(
    service: str, shown: Sequence[Anomaly], indexes: Sequence[int], window: Window | None
) -> Claim:
    causes = [index for index in indexes if not shown[index].symptom]
    chosen = causes or list(indexes)
    lead = shown[chosen[0]]
    return Claim(
        text=f"{service}: {lead.text}",
        type=lead.type,
        kind="cause" if causes else "symptom",
        strength=round(certainty(shown[index].strength for index in chosen), 3),
        evidence_refs=tuple(f"#/findings/{index}" for index in chosen[:_REFS]),
        subject=service,
        predicate="root_cause" if causes else "affected",
        window=window,
    )


def _summary(
    source: str, shown: Sequence[Anomaly], claims: Sequence[Claim], problems: Sequence[FileProblem]
) -> str:
    causes = [claim for claim in claims if claim.kind == "cause"]
    if causes:
        best = causes[0]
        told = f"{source}: the strongest sign of a cause is in {best.subject} "
        told += f"({best.strength:.2f}): {shown[_index(best)].text}"
    elif shown:
        told = f"{source}: nothing points at a cause; most notable: {shown[0].text}"
    else:
        told = f"{source}: nothing differs from normal"
    return f"{told}; {len(problems)} problems with the data" if problems else told


def _index(claim: Claim) -> int:
    return int(claim.evidence_refs[0].rsplit("/", 1)[-1])
