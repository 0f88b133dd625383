"""What a fan-out found out: findings with their evidence, where sources agree, and what is missing."""

from typing import cast

from pydantic import JsonValue

from weft.core import Claim, ClaimKind, Coverage, EvidenceType, Fact, JsonObject, Record
from weft.reasoning.gsar import Decision, Veto


class Evidence(Record):
    """A recorded value that a claim rests on."""

    peer: str
    branch: str
    tool: str
    """The tool or artifact that holds it."""
    ref: str
    value: JsonValue = None
    type: EvidenceType
    weight: float


class Side(Record):
    """One of several answers to the same question."""

    statement: str
    value: JsonValue = None
    polarity: bool = True
    supporters: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    score: float


class Finding(Record):
    """All that was said about one subject and predicate."""

    id: str
    rank: int = 0
    kind: ClaimKind
    statement: str
    subject: str = ""
    predicate: str = ""
    claims: tuple[Claim, ...]
    supporters: tuple[str, ...]
    """The peers behind `statement`; two or more agree."""
    evidence: tuple[Evidence, ...] = ()
    score: float
    """Over its supporters, the sum of each one's strongest claim: weight times strength."""
    contradicted: bool = False


class Suspect(Record):
    """A subject that departs from normal, and how much that speaks for it being the cause."""

    subject: str
    score: float
    supporters: tuple[str, ...] = ()
    is_cause: bool = False
    """Its score passes the bar that differences among normal times do not."""


class Agreement(Record):
    """A finding that different peers made on their own."""

    finding: str
    statement: str
    supporters: tuple[str, ...]


class Contradiction(Record):
    """A finding on which sources cannot both be right."""

    finding: str
    subject: str
    predicate: str
    sides: tuple[Side, ...]


class Gap(Record):
    """Where nothing was learned, and why."""

    branch: str
    peer: str | None = None
    code: str
    message: str


class Explanation(Record):
    """What a language model says of a report: only what the report's findings carry."""

    text: str
    """Empty where nothing of it is carried."""
    cites: tuple[str, ...] = ()
    """Ids of the findings that it rests on, in its order."""
    removed: int = 0
    """How many of its sentences were left out, since no finding carries them."""


class Report(Record):
    """The joint result of a fan-out."""

    summary: str
    findings: tuple[Finding, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    gaps: tuple[Gap, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    """What each source of evidence was asked, and read."""
    suspects: tuple[Suspect, ...] = ()
    """Every subject that departs from normal, most suspected first."""
    facts: tuple[Fact, ...] = ()
    """What each source simply shows, as values; what was asked about stands first in its source."""
    explanation: Explanation | None = None
    """Set where a language model was asked, and answered."""
    score: float
    decision: Decision
    decision_unvetoed: Decision
    veto: Veto | None = None
    degraded: bool = False
    inconclusive: bool = False
    """No branch made a claim."""

    def to_json(self) -> JsonObject:
        """Return plain JSON values; evidence is JSON already, and large, so it is not copied."""
        return {name: _plain(value) for name, value in self.__dict__.items()}


def _plain(value: object) -> JsonValue:
    if isinstance(value, Fact):
        # There are many of them, and most say nothing in most of their fields.
        return value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, Record):
        return {name: _plain(field) for name, field in value.__dict__.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return cast(JsonValue, value)
