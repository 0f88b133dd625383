"""Claims beside evidence that carries or contradicts them: what a judge of grounding is held against."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["GroundingPair", "grounding_pairs"]

_FILE = Path(__file__).parent / "grounding_pairs.txt"


@dataclass(frozen=True, slots=True)
class GroundingPair:
    """One claim, and what is known."""

    claim: str
    evidence: str
    kind: str
    """What they turn on: plain, number, unit, negation, opposite or swapped."""
    supported: bool
    """Whether the evidence carries the claim; it contradicts it otherwise."""


def grounding_pairs() -> tuple[GroundingPair, ...]:
    """Return all pairs, in the order of their file."""
    rows = [
        [field.strip() for field in line.split("|")]
        for line in _FILE.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    return tuple(
        GroundingPair(claim, evidence, kind, verdict == "+")
        for verdict, kind, claim, evidence in rows
    )
