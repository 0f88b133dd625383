"""What a run tells those who watch it in its own process: typed views of its events."""

from dataclasses import dataclass, field
from typing import ClassVar

from weft.core import NO_USAGE, JsonObject, JsonValue, Path, ToolCall, Usage
from weft.events import ErrorData
from weft.models.base import GeneratedBy
from weft.termination import StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopEvent:
    """Something that happened in a run; the place and number are set when it is told."""

    event_type: ClassVar[str]
    run_id: str = ""
    thread_id: str = ""
    agent_name: str = ""
    path: Path = ()
    timestamp: float = 0.0
    """Seconds since the Unix epoch."""
    seq: int = 0
    """Dense from 1 within the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkEvent(LoopEvent):
    """The model replied: what it said, and what it asks for."""

    event_type: ClassVar[str] = "think"
    iteration: int
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChunkEvent(LoopEvent):
    """A piece of a reply; a retry voids the pieces before it."""

    event_type: ClassVar[str] = "model_chunk"
    content: str = ""
    reasoning: str = ""
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCompleteEvent(LoopEvent):
    """A model call ended with a reply."""

    event_type: ClassVar[str] = "model_complete"
    model: str
    usage: Usage = NO_USAGE
    stop_reason: str = "stop"
    duration_ms: float = 0.0
    generated_by: GeneratedBy = "model"
    content: str = ""
    tool_call_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRetryEvent(LoopEvent):
    """A model call failed and is made again after a delay."""

    event_type: ClassVar[str] = "model_retry"
    attempt: int
    max_retries: int = 0
    delay_seconds: float
    reason: str
    status_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStartEvent(LoopEvent):
    """A tool call begins."""

    event_type: ClassVar[str] = "tool_start"
    tool_name: str
    tool_call_id: str
    span_id: str = ""
    arguments: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProgressEvent(LoopEvent):
    """A tool body says how far it is."""

    event_type: ClassVar[str] = "tool_progress"
    tool_name: str
    tool_call_id: str
    span_id: str = ""
    progress: float
    total: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCompleteEvent(LoopEvent):
    """A tool call has its result, whatever became of it."""

    event_type: ClassVar[str] = "tool_complete"
    tool_name: str
    tool_call_id: str
    span_id: str = ""
    result: str = ""
    structured: JsonValue = None
    error: str | None = None
    outcome: str = "ok"
    duration_ms: float = 0.0
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectIntendedEvent(LoopEvent):
    """An effect's intent is recorded; its body starts next."""

    event_type: ClassVar[str] = "effect_intended"
    key: str
    tool_name: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectSettledEvent(LoopEvent):
    """An effect's outcome is recorded."""

    event_type: ClassVar[str] = "effect_settled"
    key: str
    tool_name: str
    attempt: int
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectEvent(LoopEvent):
    """What an iteration did to the run's confidence."""

    event_type: ClassVar[str] = "reflect"
    iteration: int
    assessment: str
    confidence_delta: float
    new_confidence: float
    novelty: float
    guidance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptEvent(LoopEvent):
    """The run waits for an answer from outside; the last event."""

    event_type: ClassVar[str] = "interrupt"
    interrupt_id: str
    reason: str
    question: str
    options: tuple[str, ...] = ()
    response_schema: JsonObject | None = None
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminateEvent(LoopEvent):
    """The run ended; the last event."""

    event_type: ClassVar[str] = "terminate"
    reason: StopReason
    explanation: str
    iterations_used: int
    final_confidence: float
    total_tool_calls: int
    final_message: str
    usage: Usage = NO_USAGE
    cost_usd: float | None = None
    error: ErrorData | None = None
