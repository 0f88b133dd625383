"""The frozen record of something that happened in a run, and its envelope on the wire."""

from typing import Annotated, Literal, TypeVar

from pydantic import ConfigDict, Field, SerializeAsAny, model_validator

from weft.core import JsonObject, Path, Record

T = TypeVar("T")
InProcess = Annotated[T, Field(exclude=True, repr=False)]
"""What an event tells in its own process only: neither a log nor another process ever has it."""


class Data(Record):
    """What an event tells; new fields get defaults, readers skip what they do not know."""


class WholeData(Data):
    """Data with a text `x` in this process wherever it tells an `x_preview`."""

    @model_validator(mode="before")
    @classmethod
    def _with_previews(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        previews = {
            f"{name}_preview": preview(text)
            for name, text in values.items()
            if isinstance(text, str) and f"{name}_preview" in cls.model_fields
        }
        return {**previews, **values}


class AnyData(Data):
    """The data of an event whose type this reader does not know, kept as it came."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Origin(Record):
    """Where an adopted event was first told."""

    run_id: str
    seq: int


class Event(Record):
    """Something that happened, told relative to the run (or peer) that tells it.

    The store gives it number and time. A subclass narrows `type` to a literal and `data` to its
    own record.
    """

    type: str
    path: Path = ()
    agent: str | None = None
    span_id: str | None = None
    origin: Origin | None = None
    data: SerializeAsAny[Data] = Field(default_factory=AnyData)

    @property
    def event_type(self) -> str:
        return self.type

    def under(self, prefix: Path, *, origin: Origin | None = None) -> "Event":
        """Return this event as its caller tells it: below `prefix`, with where it came from."""
        return self.model_copy(
            update={"path": (*prefix, *self.path), "origin": origin or self.origin}
        )


class Envelope(Record):
    """An event with its place in the run's log: what streams, NATS and the store exchange."""

    v: Literal[1] = 1
    run_id: str
    seq: int
    type: str
    ts: str
    tenant: str
    thread_id: str
    path: Path = ()
    agent: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    origin: Origin | None = None
    data: JsonObject = Field(default_factory=dict)

    @property
    def event_id(self) -> str:
        return f"{self.run_id}:{self.seq}"

    @property
    def timestamp(self) -> str:
        return self.ts

    def event(self) -> Event:
        """Return the bare event, its data as it came."""
        return Event(
            type=self.type,
            path=self.path,
            agent=self.agent,
            span_id=self.span_id,
            origin=self.origin,
            data=AnyData.model_validate(self.data),
        )


TERMINAL_EVENTS = frozenset({"run.completed", "run.failed", "run.canceled", "run.expired"})
PREVIEW_LENGTH = 240


def preview(text: str, length: int = PREVIEW_LENGTH) -> str:
    """Return at most `length` characters, ending in `…` if cut."""
    return text if len(text) <= length else text[: length - 1] + "…"
