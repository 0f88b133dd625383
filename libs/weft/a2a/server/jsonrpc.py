"""JSON-RPC 1.0 over HTTP: reads a call, has the table carry it out, writes what came of it."""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from weft.a2a.server import http
from weft.a2a.server.callers import Callers
from weft.a2a.server.operations import STREAMS, UNARY, unserved
from weft.a2a.server.streams import TaskStream
from weft.a2a.server.tasks import CallContext, Tasks
from weft.a2a.server.updates import Update, Updates
from weft.a2a.wire import errors, extensions, rpc
from weft.core import JsonObject, TraceContext, logged_under, new_id
from weft.core import trace as tracing
from weft.core.error_table import look
from weft.core.errors import UnauthenticatedError, WeftError
from weft.identity import Caller
from weft.identity.leases import AuthorityWatch, Lease

log = logging.getLogger(__name__)


class JsonRpc:
    """Answers the calls that are posted to one agent."""

    def __init__(self, tasks: Tasks, callers: Callers, *, required: Iterable[str]) -> None:
        self._tasks = tasks
        self._callers = callers
        self._required = tuple(required)
        self.streams: set[TaskStream] = set()
        """Those that are open."""

    async def call(self, request: Request) -> Response:
        trace = TraceContext.joined(request.headers.get(tracing.HEADER))
        with logged_under(trace):
            return await self._traced_call(request, trace)

    async def _traced_call(self, request: Request, trace: TraceContext) -> Response:
        call_id: rpc.RpcId = None
        try:
            address = None if request.client is None else request.client.host
            # Who asks may ask at all, before the body is read.
            caller = (await self._callers.admit(request.headers, address)).under(trace)
            body = await http.read_body(request)
            caller.check_body(body)
            call_id, value = rpc.read(body)
            return await self._answer(caller, rpc.call_in(value), request)
        except WeftError as error:
            return refusal(call_id, error)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:  # the edge of a request: a bug must not show what it is
            correlation = new_id()
            log.exception("a2a_request_crashed", extra={"correlation_id": correlation})
            return _failure(call_id, errors.crash(correlation))

    async def _answer(self, caller: Caller, call: rpc.RpcCall, request: Request) -> Response:
        context = self._context(caller, request)
        if (unary := UNARY.get(call.method)) is not None:
            with Lease(self._callers.standing(caller)) as lease:
                result = await unary(self._tasks, context, call.params)
                return _reply(call.id, result, context.extensions)
            if lease.lost:
                raise UnauthenticatedError("the authority ended while the call was answered")
        if (streaming := STREAMS.get(call.method)) is not None:
            with ExitStack() as counted:
                counted.enter_context(self._callers.stream(caller))
                start = await streaming(self._tasks, context, call.params)
                stream = await self._stream(call.id, Updates(self._tasks, context, start), context)
                watch = AuthorityWatch(self._callers.standing(caller), stream.stop)
                trace = caller.authority.trace
                return StreamReply(stream, self.streams, counted.pop_all(), watch, trace=trace)
        raise unserved(call.method)

    def _context(self, caller: Caller, request: Request) -> CallContext:
        # Parsing an empty query would cost as much as all the checks here.
        query = request.query_params if request.scope.get("query_string") else {}
        http.check_version(request.headers, query)
        declared = request.headers.get(extensions.HEADER)
        extensions.check_required(declared, self._required)
        cursor = request.headers.get("last-event-id")
        return CallContext(caller, extensions.in_force(declared), cursor)

    async def _stream(
        self, call_id: rpc.RpcId, updates: Updates, context: CallContext
    ) -> TaskStream:
        headers = [
            (name.lower().encode(), value.encode())
            for name, value in http.echo(context.extensions).items()
        ]
        return TaskStream(updates, await updates.first(), framing(call_id), headers=headers)


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


def framing(call_id: rpc.RpcId) -> Callable[[Update], bytes]:
    """Return what makes an update a reply to the call."""
    prefix = b'{"jsonrpc":"2.0","id":' + orjson.dumps(call_id) + b',"result":'

    def frame(update: Update) -> bytes:
        body = _with_events(update) if update.events else update.body
        return prefix + orjson.dumps(body) + b"}"

    return frame


def refusal(call_id: rpc.RpcId, error: WeftError) -> Response:
    """Return the JSON-RPC error; where HTTP has a word for it, the status says it too."""
    status = look(error).http
    headers: dict[str, str] = {}
    if status == 401:  # noqa: PLR2004 - an HTTP status
        headers["WWW-Authenticate"] = "Bearer"
    elif error.retryable:
        headers["Retry-After"] = "1"
    return _failure(
        call_id,
        errors.rpc_error(error),
        status=status if status in errors.SHOWN_IN_STATUS else 200,
        headers=headers,
    )


def _reply(call_id: rpc.RpcId, result: JsonObject, active: frozenset[str]) -> Response:
    body = orjson.dumps({"jsonrpc": "2.0", "id": call_id, "result": result})
    return Response(body, media_type="application/json", headers=http.echo(active))


def _failure(
    call_id: rpc.RpcId,
    error: JsonObject,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = orjson.dumps({"jsonrpc": "2.0", "id": call_id, "error": error})
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def _with_events(update: Update) -> dict[str, object]:
    """Return the status update with its events, which are JSON already, among its metadata."""
    status = update.body["statusUpdate"]
    shown: dict[str, object] = {**status} if isinstance(status, dict) else {}
    metadata = shown.get("metadata")
    more: dict[str, object] = {**metadata} if isinstance(metadata, dict) else {}
    more["events"] = [orjson.Fragment(text) for text in update.events]
    shown["metadata"] = more
    return {"statusUpdate": shown}
