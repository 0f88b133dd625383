"""What every binding does with a request: who asks, under which version, carried out, and answered.

A binding reads the name and the parameters of an operation in its own form, and brings a `Form` that
puts results into bytes again.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from weft.a2a.server import http
from weft.a2a.server.callers import Callers
from weft.a2a.server.operations import STREAMS, UNARY, unserved
from weft.a2a.server.streams import TaskStream
from weft.a2a.server.tasks import CallContext, Tasks
from weft.a2a.server.updates import Update, Updates
from weft.a2a.wire import extensions
from weft.core import JsonObject, TraceContext, logged_under
from weft.core.errors import UnauthenticatedError
from weft.identity import Caller
from weft.identity.leases import AuthorityWatch, Lease


class Form(Protocol):
    """How a binding writes what came of one call."""

    @property
    def versions(self) -> tuple[str, ...]:
        """Return the versions of A2A that such a call may be made under."""
        ...

    @property
    def header(self) -> str:
        """Return what the header is called that names the extensions in force."""
        ...

    def reply(self, result: JsonObject, headers: dict[str, str]) -> Response: ...

    def frame(self, update: Update) -> bytes: ...


class Operations:
    """Carries the operations of one agent out for every binding that serves it."""

    def __init__(self, tasks: Tasks, callers: Callers, *, required: Iterable[str]) -> None:
        self._tasks = tasks
        self._callers = callers
        self._required = tuple(required)
        self.streams: set[TaskStream] = set()
        """Those that are open."""

    async def admit(self, request: Request, trace: TraceContext) -> Caller:
        """Return who asks, before the body is read.

        Raises:
            WeftError: They may not, or not now.
        """
        address = None if request.client is None else request.client.host
        return (await self._callers.admit(request.headers, address)).under(trace)

    async def answer(
        self, caller: Caller, request: Request, name: str, params: object, form: Form
    ) -> Response:
        """Return the answer to the operation `name`, which for some is a stream.

        Raises:
            WeftError: It is refused, or cannot be carried out.
        """
        context = self._context(caller, request, form.versions)
        if (unary := UNARY.get(name)) is not None:
            with Lease(self._callers.standing(caller)) as lease:
                result = await unary(self._tasks, context, params)
                return form.reply(result, http.echo(context.extensions, form.header))
            if lease.lost:
                raise UnauthenticatedError("the authority ended while the call was answered")
        if (streaming := STREAMS.get(name)) is not None:
            with ExitStack() as counted:
                counted.enter_context(self._callers.stream(caller))
                start = await streaming(self._tasks, context, params)
                stream = await _stream(Updates(self._tasks, context, start), context, form)
                watch = AuthorityWatch(self._callers.standing(caller), stream.stop)
                trace = caller.authority.trace
                return StreamReply(stream, self.streams, counted.pop_all(), watch, trace=trace)
        raise unserved(name)

    def _context(self, caller: Caller, request: Request, versions: tuple[str, ...]) -> CallContext:
        # Parsing an empty query would cost as much as all the checks here.
        query = request.query_params if request.scope.get("query_string") else {}
        http.check_version(request.headers, query, versions)
        listed = request.headers.getlist(extensions.HEADER)
        # A header may stand on several lines, which are one list.
        declared = ",".join(listed or request.headers.getlist(extensions.LEGACY_HEADER))
        extensions.check_required(declared, self._required)
        cursor = request.headers.get("last-event-id")
        return CallContext(caller, extensions.in_force(declared), cursor)


async def _stream(updates: Updates, context: CallContext, form: Form) -> TaskStream:
    headers = [
        (name.lower().encode(), value.encode())
        for name, value in http.echo(context.extensions, form.header).items()
    ]
    return TaskStream(updates, await updates.first(), form.frame, headers=headers)


class StreamReply(Response):
    """Runs a stream as a response, known to the server for as long as it lasts."""

    def __init__(
        self,
        stream: TaskStream,
        open_streams: set[TaskStream],
        counted: AbstractContextManager[object, bool | None],
        watch: AuthorityWatch,
        *,
        trace: TraceContext | None,
    ) -> None:
        super().__init__()
        self._watch = watch
        self._trace = trace
        self._stream = stream
        self._open = open_streams
        self._counted = counted

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        self._open.add(self._stream)
        try:
            with self._counted, self._watch, logged_under(self._trace):
                await self._stream.run(receive, send)
        finally:
            self._open.discard(self._stream)


def encoded(update: Update) -> bytes:
    """Return the update as JSON, its events, which are JSON already, among its metadata."""
    if not update.events:
        return orjson.dumps(update.body)
    status = update.body["statusUpdate"]
    shown: dict[str, object] = {**status} if isinstance(status, dict) else {}
    metadata = shown.get("metadata")
    more: dict[str, object] = {**metadata} if isinstance(metadata, dict) else {}
    more["events"] = [orjson.Fragment(text) for text in update.events]
    shown["metadata"] = more
    return orjson.dumps({"statusUpdate": shown})
