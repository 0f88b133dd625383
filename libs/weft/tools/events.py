"""What a run tells of its tool calls and their effects."""

from typing import Literal

from pydantic import JsonValue

from weft.core import JsonObject, ToolCall
from weft.events import Data, ErrorData, Event, InProcess
from weft.tools.result import ToolExecution

__all__ = ["End", "StartData", "ToolCompleted", "ToolProgress", "ToolStarted"]


class CallData(Data):
    """Which call."""

    tool_name: str
    tool_call_id: str
    span_id: str = ""


class StartData(CallData):
    """What the tool is called with."""

    arg_keys: tuple[str, ...] = ()
    arguments: JsonObject | None = None
    """Without secrets."""
    call: InProcess[ToolCall | None] = None


class ToolStarted(Event, frozen=True):
    """A tool call begins."""

    type: Literal["agent.tool.started"] = "agent.tool.started"
    data: StartData


class ProgressData(CallData):
    """How far the call is; `total` None means nobody can tell of how much."""

    progress: float
    total: float | None = None
    message: str = ""


class ToolProgress(Event, frozen=True):
    """A tool body reported progress."""

    type: Literal["agent.tool.progress"] = "agent.tool.progress"
    data: ProgressData


class End(CallData):
    """What became of the call."""

    success: bool
    duration_ms: float = 0.0
    output_preview: str = ""
    result: JsonValue = None
    error: ErrorData | None = None
    replayed: bool = False
    """The ledger answered; no body ran."""
    execution: InProcess[ToolExecution | None] = None
    """None as well where the call waits for an answer."""


class ToolCompleted(Event, frozen=True):
    """A tool call has its result."""

    type: Literal["agent.tool.completed"] = "agent.tool.completed"
    data: End


class EffectData(Data):
    """Which effect, and the how manieth start of its body."""

    tool_name: str
    key: str
    attempt: int


class EffectIntended(Event, frozen=True):
    """The intent is durable; the body starts next."""

    type: Literal["agent.effect.intended"] = "agent.effect.intended"
    data: EffectData


class Settlement(EffectData):
    """How the attempt ended."""

    outcome: Literal["done", "not_done", "unknown"]


class EffectSettled(Event, frozen=True):
    """The attempt's outcome is durable."""

    type: Literal["agent.effect.settled"] = "agent.effect.settled"
    data: Settlement
