"""The operations of A2A in one table: what each is called, what it asks for, and who carries it out.

No binding owns it. A binding reads a name and parameters in its own form, looks the name up in
`UNARY` or `STREAMS`, and sends what comes of it in its own form again.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from weft.a2a import erasure, replays
from weft.a2a.server import views
from weft.a2a.server.conversation import history, opening
from weft.a2a.server.tasks import CallContext, Tasks
from weft.a2a.wire.models import (
    CancelTaskRequest,
    GetTaskRequest,
    Scoped,
    SendMessageRequest,
    TaskRequest,
    parse,
)
from weft.checkpoint import Run
from weft.core import JsonObject
from weft.core.errors import InputError, WeftError
from weft.core.protocol_errors import (
    PushNotSupportedError,
    UnknownMethodError,
    UnsupportedOperationError,
)
from weft.events import Envelope
from weft.runs import cursor_in

A = TypeVar("A")
R = TypeVar("R", bound=Scoped)
Operation = Callable[[Tasks, CallContext, object], Awaitable[A]]
"""Carries one operation out, given its parameters as JSON values."""


@dataclass(frozen=True, slots=True)
class StreamStart:
    """Where a stream begins: with the task, where it is told, and behind which event."""

    run: Run
    after: int
    task: JsonObject | None = None
    subscription: bool = False
    first: tuple[Envelope, ...] = ()
    """The first events of the stream, where they need not be read."""


def unserved(name: str) -> WeftError:
    """Return the error for an operation that stands in no table."""
    if name in _PUSH:
        return PushNotSupportedError()
    if name in _ELSEWHERE:
        return UnsupportedOperationError(f"{name} is not supported by this agent")
    return UnknownMethodError("there is no such method")


def _row(kind: type[R], handler: Callable[[Tasks, CallContext, R], Awaitable[A]]) -> Operation[A]:
    """Return the operation that asks for a `kind` and is carried out by `handler`."""

    async def operation(tasks: Tasks, context: CallContext, params: object) -> A:
        request = parse(kind, params)
        if request.tenant and request.tenant != context.caller.principal.tenant:
            raise InputError("the tenant is not the caller's own", field="tenant")
        return await handler(tasks, context, request)

    return operation


async def _send(tasks: Tasks, context: CallContext, request: SendMessageRequest) -> JsonObject:
    return {"task": await tasks.send(context, request)}


async def _erase(tasks: Tasks, context: CallContext, request: erasure.EraseRequest) -> JsonObject:
    return await erasure.erase(tasks.runs, context.caller.principal, request)


async def _replay(tasks: Tasks, context: CallContext, request: replays.ReplayRequest) -> JsonObject:
    if tasks.replays is None:
        raise UnsupportedOperationError(f"{replays.METHOD} is not supported by this agent")
    return await replays.replay(tasks.runs, tasks.replays, context.caller.principal, request)


async def _send_stream(
    tasks: Tasks, context: CallContext, request: SendMessageRequest
) -> StreamStart:
    sent, length = await tasks.accept(context, request), request.configuration.history_length
    if sent.after == 0:
        messages = [] if length == 0 else history(sent.run, opening(sent.run), length)
        return StreamStart(sent.run, 0, views.submitted(sent.run, messages), first=sent.first)
    return StreamStart(sent.run, sent.after, await tasks.snapshot(context, sent.run, length))


async def _subscribe(tasks: Tasks, context: CallContext, request: TaskRequest) -> StreamStart:
    run = await tasks.read(context, request.id)
    if context.cursor is not None:
        after = cursor_in(run, context.cursor, "Last-Event-ID")
        return StreamStart(run, after, subscription=True)
    if run.terminal:
        raise UnsupportedOperationError("the task has ended: get it instead")
    task = await tasks.snapshot(context, run, None)
    return StreamStart(run, run.last_seq, task, subscription=True)


UNARY: Mapping[str, Operation[JsonObject]] = {
    "SendMessage": _row(SendMessageRequest, _send),
    "GetTask": _row(GetTaskRequest, Tasks.get),
    "CancelTask": _row(CancelTaskRequest, Tasks.cancel),
    erasure.METHOD: _row(erasure.EraseRequest, _erase),
    replays.METHOD: _row(replays.ReplayRequest, _replay),
}
STREAMS: Mapping[str, Operation[StreamStart]] = {
    "SendStreamingMessage": _row(SendMessageRequest, _send_stream),
    "SubscribeToTask": _row(TaskRequest, _subscribe),
}
_PUSH = frozenset(
    {
        "CreateTaskPushNotificationConfig",
        "GetTaskPushNotificationConfig",
        "DeleteTaskPushNotificationConfig",
        "ListTaskPushNotificationConfigs",
    }
)
_ELSEWHERE = frozenset({"GetExtendedAgentCard", "ListTasks"})
