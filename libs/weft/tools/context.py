"""What a tool body may know of the run that calls it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from weft.core import (
    SYSTEM_CLOCK,
    Authority,
    Budget,
    Clock,
    Deadline,
    JsonObject,
    JsonValue,
    Message,
    Path,
    Principal,
    Usage,
)
from weft.core.storable import storable
from weft.events import Event
from weft.runs import Journal
from weft.tools.events import ProgressData, ToolProgress


def _unheard(_event: Event) -> None:
    """Nobody listens."""


def _uncounted(_usage: Usage) -> None:
    """Nobody counts."""


def _unread(_: JsonValue) -> None:
    """Nobody reports."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """Injected into a tool's parameter of this type; never part of its schema."""

    run_id: str = ""
    thread_id: str = ""
    agent_id: str = ""
    iteration: int = 0
    tool_call_id: str = ""
    tool_name: str = ""
    span_id: str = ""
    authority: Authority = field(default_factory=Authority)
    """What the call may do: on whose behalf, within which limits, for which mesh-wide run."""
    metadata: JsonObject = field(default_factory=dict)
    idempotency_key: str | None = None
    """The effect's key, the same in every attempt; None in a tool that is not idempotent."""
    attempt: int = 1
    messages: Sequence[Message] = ()
    confidence: float = 0.0
    path: Path = ()
    place: Path = ()
    """Where in the run its agent works; what it tells does not repeat it."""
    journal: Journal | None = None
    """The agent's, for tools that are agents themselves: they write below their call."""
    answers: JsonObject = field(default_factory=dict)
    """Answers to interrupts of this run, by interrupt id."""
    clock: Clock = SYSTEM_CLOCK
    emit: Callable[[Event], None] = _unheard
    """Tells the run's log; safe to call from a worker thread once a body runs."""
    spend: Callable[[Usage], None] = _uncounted
    """Takes what agents behind the call spent: it is the run's, and counts against its budget."""
    report: Callable[[JsonValue], None] = _unread
    """Takes what an agent behind the call says became of its work once it was told to stop."""

    @property
    def principal(self) -> Principal:
        return self.authority.principal

    @property
    def budget(self) -> Budget:
        return self.authority.budget

    @property
    def deadline(self) -> Deadline | None:
        return self.authority.deadline

    def report_progress(
        self, progress: float, total: float | None = None, message: str = ""
    ) -> None:
        """Tell whoever watches the run how far this call is; may be called from any thread."""
        data = ProgressData(
            tool_name=self.tool_name,
            tool_call_id=self.tool_call_id,
            span_id=self.span_id,
            progress=progress,
            total=total,
            message=storable(message),
        )
        self.emit(ToolProgress(path=self.path, data=data))

    def get_metadata(self, name: str, default: JsonValue = None) -> JsonValue:
        """Return one value of the run's metadata."""
        return self.metadata.get(name, default)
