"""GSAR: one number for how well claims are grounded, and what to do about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from weft.core import EvidenceType

__all__ = ["WEIGHTS", "Decision", "Judged", "Standing", "Veto", "judge"]

Decision = Literal["proceed", "regenerate", "replan"]
Standing = Literal["grounded", "ungrounded", "contradicted", "complementary"]
Veto = Literal["contradicted", "none_grounded"]

WEIGHTS: Mapping[EvidenceType, float] = {
    "tool_match": 1.00,
    "specific_data": 0.95,
    "signal_match": 0.90,
    "complementary_finding": 0.85,
    "synthesis": 0.80,
    "neg_evidence": 0.70,
    "inference": 0.60,
    "domain": 0.60,
}
RHO = 0.5
"""How much a contradicted claim weighs against the rest."""
EMPTY_SCORE = 0.5
PROCEED = 0.80
REGENERATE = 0.65


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim's kind of evidence, and what a judge made of it."""

    type: EvidenceType
    standing: Standing


@dataclass(frozen=True, slots=True)
class Judgement:
    """The score, what follows from it, and what a veto changed."""

    score: float
    decision: Decision
    decision_unvetoed: Decision
    veto: Veto | None = None


def score(claims: Iterable[Judged]) -> float:
    """Return (W(G)+W(K)) / (W(G)+W(U)+RHO·W(X)+W(K)); 0.5 without claims."""
    total = {"grounded": 0.0, "ungrounded": 0.0, "contradicted": 0.0, "complementary": 0.0}
    for claim in claims:
        total[claim.standing] += WEIGHTS[claim.type]
    held = total["grounded"] + total["complementary"]
    whole = held + total["ungrounded"] + RHO * total["contradicted"]
    return held / whole if whole else EMPTY_SCORE


def judge(claims: Iterable[Judged], *, contradiction_survived: bool = False) -> Judgement:
    """Return what the claims allow: proceed, write anew over the same evidence, or gather more.

    A contradicted claim vetoes proceeding (`contradiction_survived` says that it was written anew
    already), and so do claims of which none is grounded.
    """
    claims = tuple(claims)
    number = score(claims)
    unvetoed = _decision(number)
    standings = {claim.standing for claim in claims}
    if claims and not standings & {"grounded", "complementary"}:
        return Judgement(number, "replan", unvetoed, "none_grounded")
    if "contradicted" in standings and unvetoed != "replan":
        vetoed: Decision = "replan" if contradiction_survived else "regenerate"
        return Judgement(number, vetoed, unvetoed, "contradicted")
    return Judgement(number, unvetoed, unvetoed)


def _decision(number: float) -> Decision:
    if number >= PROCEED:
        return "proceed"
    return "regenerate" if number >= REGENERATE else "replan"
