"""What a peer hands back: an outcome with its claims, evidence and reasons."""

from typing import Literal

from pydantic import Field, JsonValue, model_validator

from weft.core.budget import NO_USAGE, Usage
from weft.core.ids import name_digest
from weft.core.parts import Part, Parts, data_of, in_parts, parts_of, says_nothing, text_of
from weft.core.record import JsonObject, Record

Path = tuple[str, ...]
"""Where in a run's tree something stands; () is the run itself."""

EvidenceType = Literal[
    "tool_match", "specific_data", "signal_match", "complementary_finding",
    "synthesis", "neg_evidence", "inference", "domain",
]  # fmt: skip
ClaimKind = Literal["cause", "symptom", "fact", "recommendation"]
ResultStatus = Literal["completed", "failed", "skipped", "canceled", "interrupted"]


class Window(Record):
    """A time span in seconds since the Unix epoch."""

    start: float
    end: float


SUSPECTS = "suspects"
"""The member of a report that ranks whom it suspects, and of the metadata in which that travels."""
LEAST_STRENGTH = 0.005
"""What speaks less for its subject is within what is usual: it ranks the subject, and is not told."""


class Claim(Record):
    """One checkable statement, with what it rests on."""

    text: str
    type: EvidenceType = "inference"
    kind: ClaimKind = "fact"
    strength: float = Field(default=1.0, ge=0, le=1)
    """How sure its author is."""
    evidence_refs: tuple[str, ...] = ()
    """Ids of tool calls or artifacts of the same result, each with an optional `#/json/pointer`."""
    subject: str = ""
    predicate: str = ""
    value: JsonValue = None
    polarity: bool = True
    window: Window | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What makes claims one finding: subject and predicate, else the words themselves."""
        subject, predicate = _folded(self.subject), _folded(self.predicate)
        if subject and predicate:
            return subject, predicate
        return "", _folded(self.text).rstrip(".!")

    @property
    def finding_id(self) -> str:
        """The id of the finding that the claim belongs to, in every report and for every model."""
        return "f_" + name_digest("\0".join(self.key))[:12]


class Artifact(Record):
    """Something a peer made, or a tool result that claims refer to by `id`."""

    id: str
    name: str = ""
    parts: Parts = Field(default=(), min_length=1)
    """In short `text=` or `data=`, and `media_type=` for the first of them."""
    metadata: JsonObject = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _in_parts(cls, values: object) -> object:
        if not isinstance(values, dict) or "parts" in values:
            return values
        text, data, media_type = (values.get(name) for name in ("text", "data", "media_type"))
        parts = [] if text is None else [Part(text=text, media_type=media_type)]
        if data is not None or text is None:
            parts.append(Part(data=data, media_type=media_type if text is None else None))
        return {**values, "parts": parts}

    @property
    def text(self) -> str:
        return text_of(self.parts)

    @property
    def data(self) -> JsonValue:
        """The first value in it."""
        return data_of(self.parts)


class Reason(Record):
    """Why something is not as asked; free of stack traces and secrets."""

    code: str
    message: str
    path: Path = ()
    peer: str | None = None
    retryable: bool = False


class Verdict(Record):
    """What a judge chose."""

    choice: str
    reasons: str = ""
    per_criterion: dict[str, str] = Field(default_factory=dict)


MAX_INTERRUPT_ID = 256
MAX_EXPIRY_S = 366 * 86_400.0
"""A question that nobody answers within a year is none; far later times have no form at all."""


class Interrupt(Record):
    """A question only somebody outside the run can answer; it keeps its id at every level."""

    id: str = Field(min_length=1, max_length=MAX_INTERRUPT_ID)
    reason: Literal[
        "approval", "question", "credentials", "effect_unknown", "outcome_unknown", "grant"
    ]
    """`grant` is no question for people: a peer asks its caller to use what it was granted."""
    message: str
    path: Path = ()
    agent: str | None = None
    tool_call_id: str | None = None
    response_schema: JsonObject | None = None
    options: tuple[str, ...] = ()
    url: str | None = None
    approver_scope: str | None = None
    expires_in: float = Field(default=86_400.0, gt=0, le=MAX_EXPIRY_S, allow_inf_nan=False)
    metadata: JsonObject = Field(default_factory=dict)


class Result(Record):
    """The outcome of a task or of a plan's step."""

    status: ResultStatus
    parts: Parts = ()
    """The answer; `text=` and `data=` are short for parts that lead it."""
    artifacts: tuple[Artifact, ...] = ()
    claims: tuple[Claim, ...] = ()
    verdict: Verdict | None = None
    usage: Usage = NO_USAGE
    reasons: tuple[Reason, ...] = ()
    partial: bool = False
    interrupts: tuple[Interrupt, ...] = ()
    generated_by: Literal["model", "rules"] | None = None
    stop_reason: str | None = None
    """Why the agent behind it stopped, where an agent was."""

    @model_validator(mode="before")
    @classmethod
    def _in_parts(cls, values: object) -> object:
        return in_parts(values, text="text")

    @classmethod
    def failed(cls, code: str, message: str, *, retryable: bool = False) -> "Result":
        reason = Reason(code=code, message=message, retryable=retryable)
        return cls(status="failed", reasons=(reason,))

    @property
    def ok(self) -> bool:
        return self.status == "completed"

    @property
    def text(self) -> str:
        """What the answer says in words."""
        return text_of(self.parts)

    @property
    def data(self) -> JsonValue:
        """The first value in the answer."""
        return data_of(self.parts)

    @property
    def blank(self) -> bool:
        """Whether nothing is answered at all."""
        return says_nothing(self.parts)

    @staticmethod
    def answer_in(stored: JsonObject) -> Parts:
        """Return the answer of a result in its JSON form, without reading all the rest."""
        values = in_parts(stored, text="text")
        listed = values.get("parts") if isinstance(values, dict) else None
        return tuple(map(Part.model_validate, listed if isinstance(listed, list | tuple) else ()))

    def spent_before(self, usage: Usage) -> "Result":
        """Return the same, with what was used before it began."""
        if usage == NO_USAGE:
            return self
        return self.model_copy(update={"usage": usage + self.usage})

    def with_text(self, text: str) -> "Result":
        """Return the same, saying `text` in place of its words."""
        rest = tuple(part for part in self.parts if part.kind != "text")
        return self.model_copy(update={"parts": (*(parts_of(text) if text else ()), *rest)})


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
