"""What each branch of a fan-out claims, and whether its evidence is there."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from pydantic import JsonValue, ValidationError

from weft.core import Artifact, Claim, Coverage, Fact, Result, coverage_in, facts_in, unchecked
from weft.core.pointer import ABSENT, resolve
from weft.reasoning.gsar import WEIGHTS, Standing
from weft.report.model import Evidence

MAX_SENTENCES = 50
"""Of plain text; a wall of words is no evidence."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_BULLET = re.compile(r"^[\s>#*\u2022\u2013-]+")
_WORD = re.compile(r"\w")


@dataclass(frozen=True)
class Branch:
    """One branch's result, and who brought it."""

    id: str
    peer: str
    result: Result

    @cached_property
    def coverage(self) -> tuple[Coverage, ...]:
        """What it says of its reading, of each source the fullest."""
        return coverage_in(self.result)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """What it simply shows; nothing where it read nothing."""
        unread = self.coverage and not any(source.is_read for source in self.coverage)
        return facts_in(self.result) if self.result.ok and not unread else ()


@dataclass(frozen=True, slots=True)
class Made:
    """A claim with who made it, and what it rests on."""

    claim: Claim
    peer: str
    branch: str
    order: int
    """Its place among all claims, in branch order."""
    evidence: tuple[Evidence, ...]
    grounded: bool

    @property
    def weight(self) -> float:
        return WEIGHTS[self.claim.type]

    @property
    def force(self) -> float:
        return self.weight * self.claim.strength

    @property
    def standing(self) -> Standing:
        if not self.grounded:
            return "ungrounded"
        return "complementary" if self.claim.type == "complementary_finding" else "grounded"


def claims_of(branches: Sequence[Branch]) -> list[Made]:
    """Return every claim in branch order, each with the evidence that could be found."""
    made: list[Made] = []
    for branch in branches:
        held = {artifact.id: artifact for artifact in branch.result.artifacts}
        for claim in stated(branch.result):
            made.append(_grounded(claim, branch, held, len(made)))
    return made


def _grounded(claim: Claim, branch: Branch, held: dict[str, Artifact], order: int) -> Made:
    looked_up = [_look_up(ref, claim, branch, held) for ref in claim.evidence_refs]
    evidence = tuple(item for item in looked_up if item is not None)
    grounded = bool(looked_up) and len(evidence) == len(looked_up)
    if not grounded and claim.type != "inference":
        # Without its evidence it weighs what any opinion weighs.
        claim = claim.model_copy(update={"type": "inference"})
    return Made(claim, branch.peer, branch.id, order, evidence, grounded)


def _look_up(ref: str, claim: Claim, branch: Branch, held: dict[str, Artifact]) -> Evidence | None:
    name, _, pointer = ref.partition("#")
    artifact = held.get(name)
    if artifact is None:
        return None
    resolved = resolve(artifact.text if artifact.data is None else artifact.data, pointer)
    if resolved is ABSENT:
        return None
    value = cast(JsonValue, resolved)
    return unchecked(
        Evidence,
        peer=branch.peer,
        branch=branch.id,
        tool=artifact.name or artifact.id,
        ref=ref,
        value=value,
        type=claim.type,
        weight=WEIGHTS[claim.type],
    )


def stated(result: Result) -> Sequence[Claim]:
    """Return the claims of a result: those that it states as such, else each of its sentences."""
    if result.claims:
        return result.claims
    data = result.data
    if isinstance(data, dict) and isinstance(data.get("claims"), list):
        return list(_parsed(data["claims"]))
    if result.generated_by == "rules":
        # Headings, and quotations of what tools said: what of it is a claim, the tools stated.
        return ()
    return [Claim(text=sentence) for sentence in _sentences(result.text)]


def _parsed(raw: JsonValue) -> Iterator[Claim]:
    for item in raw if isinstance(raw, list) else ():
        try:
            yield Claim.model_validate(item)
        except ValidationError:
            # A peer of another make wrote it: what it says is kept as its opinion.
            text = item.get("text") if isinstance(item, dict) else item
            if isinstance(text, str) and text.strip():
                yield Claim(text=text)


def _sentences(text: str) -> list[str]:
    pieces = (_BULLET.sub("", piece).strip() for piece in _SENTENCE.split(text))
    return [piece for piece in pieces if _WORD.search(piece)][:MAX_SENTENCES]
