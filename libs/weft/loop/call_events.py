"""What is told of a tool call: that it began, and what became of it."""

from weft.core import JsonValue, ToolCall
from weft.events import ErrorData, hidden, preview
from weft.tools import ToolExecution
from weft.tools.events import End, StartData, ToolCompleted, ToolStarted

RESULT_LENGTH = 4096
"""A longer result is not repeated in an event: its preview stands there."""
WAITS = ErrorData(code="interrupted", message="waits for an answer")


def call_started(call: ToolCall, span_id: str) -> ToolStarted:
    """Return the event of a call that begins; logs get its arguments without secrets."""
    data = StartData(
        tool_name=call.name,
        tool_call_id=call.id,
        span_id=span_id,
        arg_keys=tuple(call.arguments),
        arguments=hidden(call.arguments),
        call=call,
    )
    return ToolStarted(span_id=span_id, data=data)


def call_ended(execution: ToolExecution, span_id: str) -> ToolCompleted:
    """Return the event of a call that has its result, whatever became of it."""
    error = None
    if execution.error is not None:
        error = ErrorData(code=execution.outcome, message=execution.error)
    data = End(
        tool_name=execution.name,
        tool_call_id=execution.tool_call_id,
        span_id=span_id,
        success=error is None,
        duration_ms=execution.duration_ms,
        output_preview=preview(execution.content),
        result=_short(execution) if error is None else None,
        error=error,
        replayed=execution.replayed,
        execution=execution,
    )
    return ToolCompleted(span_id=span_id, data=data)


def call_asks(call: ToolCall, span_id: str) -> ToolCompleted:
    """Return the event of a call that ends here, to be made again once there is an answer."""
    data = End(
        tool_name=call.name, tool_call_id=call.id, span_id=span_id, success=False, error=WAITS
    )
    return ToolCompleted(span_id=span_id, data=data)


def _short(execution: ToolExecution) -> JsonValue:
    if len(execution.content) > RESULT_LENGTH:
        return None
    return execution.content if execution.structured is None else execution.structured
