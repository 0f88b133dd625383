"""What came of a tool call."""

from typing import Literal

from pydantic import Field, JsonValue

from weft.core import JsonObject, Part, Record

ToolOutcome = Literal["ok", "error", "not_done", "unknown", "refused", "canceled", "timeout"]
"""`not_done` and `unknown` speak of effects; `refused` by a hook, policy or approver."""


class ToolResult(Record):
    """What a model is told of a call; `error` is set where the call failed."""

    tool_call_id: str
    name: str
    content: str
    error: str | None = None
    duration_ms: float = 0.0
    structured: JsonValue = None
    """The result as JSON, where it is an object or a list."""
    blocks: tuple[Part, ...] = ()

    @property
    def ok(self) -> bool:
        return self.error is None


class ToolExecution(ToolResult):
    """A call with its arguments as validated, and what became of it."""

    arguments: JsonObject = Field(default_factory=dict)
    timestamp: float = 0.0
    """Seconds since the Unix epoch at which the call began."""
    outcome: ToolOutcome = "ok"
    replayed: bool = False
    """The ledger answered; no body ran."""
    shortened: bool = False
    """`content` is less than the whole result; `structured` is all of it."""
    result_key: str | None = None
    """Where the whole result is stored, if `content` is shortened."""

    @property
    def result(self) -> ToolResult:
        """Return the part a conversation keeps."""
        return ToolResult.model_validate(self.model_dump())
