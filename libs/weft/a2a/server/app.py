"""The agent's front: its card, and JSON-RPC 1.0 over HTTP.

It executes nothing: it submits runs to the agent's own store and follows their logs.
"""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from typing import Protocol, TypeVar

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from weft.a2a import erasure
from weft.a2a.server import http, views
from weft.a2a.server.call_rates import CallRates
from weft.a2a.server.conversation import history, opening
from weft.a2a.server.streams import Log, TaskStream, Updates
from weft.a2a.server.tasks import CallContext, TaskLimits, Tasks
from weft.a2a.wire import errors, extensions, rpc
from weft.a2a.wire.cards import WELL_KNOWN, Card
from weft.a2a.wire.models import (
    CancelTaskRequest,
    GetTaskRequest,
    Scoped,
    SendMessageRequest,
    TaskRequest,
    parse,
)
from weft.catalog import Entry
from weft.checkpoint import Run
from weft.core import LOCAL, Authority, JsonObject, TraceContext, logged_under, new_id
from weft.core import trace as tracing
from weft.core.edge_errors import InvalidHostError
from weft.core.errors import (
    ConfigError,
    ForbiddenError,
    InputError,
    UnauthenticatedError,
    WeftError,
)
from weft.core.protocol_errors import (
    PushNotSupportedError,
    UnknownMethodError,
    UnsupportedOperationError,
)
from weft.events import Envelope
from weft.identity import Caller, signatures
from weft.identity.keys import SigningKey
from weft.identity.leases import AuthorityWatch, Lease
from weft.runs import Runs, cursor_in

log = logging.getLogger(__name__)

CARD_SECONDS = 60
_PUSH = frozenset(
    {
        "CreateTaskPushNotificationConfig",
        "GetTaskPushNotificationConfig",
        "DeleteTaskPushNotificationConfig",
        "ListTaskPushNotificationConfigs",
    }
)
_ELSEWHERE = frozenset({"GetExtendedAgentCard", "ListTasks"})

R = TypeVar("R", bound=Scoped)


class Authenticator(Protocol):
    """Tells who sends a request, from its headers (names in lower case)."""

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller.

        Raises:
            UnauthenticatedError: Nothing valid says who it is.
        """
        ...

    async def stands(self, caller: Caller) -> bool:
        """Tell whether what said so still counts."""
        ...


class A2AServer:
    """Serves one agent; `app()` is an ASGI application, `routes()` fits into another.

    Without `authenticator` every caller is the local one, so only loopback is answered.
    """

    def __init__(
        self,
        card: Card,
        runs: Runs,
        *,
        url: str,
        authenticator: Authenticator | None = None,
        key: SigningKey | None = None,
        limits: TaskLimits | None = None,
    ) -> None:
        self._limits = limits or TaskLimits()
        self._rates = CallRates()
        self.tasks = Tasks(runs, card=card, limits=self._limits)
        self._url = url
        self._required = card.required_extensions
        self.show(card.to_wire(url, delegated=authenticator is not None), key)
        self._authenticator = authenticator
        self._streams: set[TaskStream] = set()
        self._unary: dict[str, Callable[[CallContext, object], Awaitable[JsonObject]]] = {
            "SendMessage": self._send,
            "GetTask": self._get,
            "CancelTask": self._cancel,
            erasure.METHOD: self._erase,
        }
        self._streaming: dict[
            str, Callable[[CallContext, object, Request], Awaitable[StreamStart]]
        ] = {
            "SendStreamingMessage": self._send_stream,
            "SubscribeToTask": self._subscribe,
        }

    def show(self, card: JsonObject, key: SigningKey | None) -> None:
        """Serve `card` from now on, signed by `key` where there is one."""
        self.card = signatures.sign(card, key) if key else card
        self._card_bytes = orjson.dumps(self.card)
        self._card_headers = {
            "ETag": f'"{hashlib.sha256(self._card_bytes).hexdigest()[:32]}"',
            "Last-Modified": formatdate(usegmt=True),
            "Cache-Control": f"public, max-age={CARD_SECONDS}",
        }

    def entry(self, instance: str, *, started_at: float = 0.0) -> Entry:
        """Return what this server tells the catalogue of itself."""
        return Entry(
            service=self.tasks.agent,
            instance=instance,
            url=self._url,
            card=self._card_bytes.decode(),
            started_at=started_at,
        )

    def routes(self) -> list[Route]:
        return [
            Route(WELL_KNOWN, self._show_card, methods=["GET"]),
            Route("/", self._call, methods=["POST"]),
        ]

    def app(self) -> ASGIApp:
        rest = Starlette(routes=self.routes())

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            # Calls catch their own errors and need none of the layers that lie before a route.
            if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == "/":
                response = await self._call(Request(scope, receive, send))
                await response(scope, receive, send)
            else:
                await rest(scope, receive, send)

        return app

    def check_bind(self, host: str) -> None:
        """Return if this server may listen on `host`.

        Raises:
            ConfigError: It has no authenticator and `host` is not loopback.
        """
        if self._authenticator is None and not http.loopback(host):
            raise ConfigError(
                f"without an authenticator the server listens on loopback only, not on {host!r}"
            )

    def drain(self) -> None:
        """End every open stream; their readers come back to another replica."""
        for stream in tuple(self._streams):
            stream.stop()

    async def _show_card(self, request: Request) -> Response:
        if request.headers.get("if-none-match") == self._card_headers["ETag"]:
            return Response(status_code=304, headers=self._card_headers)
        return Response(self._card_bytes, media_type="application/json", headers=self._card_headers)

    async def _call(self, request: Request) -> Response:
        trace = TraceContext.joined(request.headers.get(tracing.HEADER))
        with logged_under(trace):
            return await self._traced_call(request, trace)

    async def _traced_call(self, request: Request, trace: TraceContext) -> Response:
        call_id: rpc.RpcId = None
        try:
            caller = (await self._caller(request)).under(trace)
            body = await http.read_body(request)
            caller.check_body(body)
            call_id, value = rpc.read(body)
            return await self._answer(caller, rpc.call_in(value), request)
        except WeftError as error:
            return http.refusal(call_id, error)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:  # the edge of a request: a bug must not show what it is
            correlation = new_id()
            log.exception("a2a_request_crashed", extra={"correlation_id": correlation})
            return http.failure(call_id, errors.crash(correlation))

    async def _caller(self, request: Request) -> Caller:
        """Return who asks, once they may ask at all: before the body is read."""
        caller = await self._identified(request)
        if not caller.principal.may_call(self.tasks.agent):
            raise ForbiddenError(f"agents:{self.tasks.agent}")
        self._rates.call(
            caller.principal, per_second=self._limits.calls_per_s, burst=self._limits.burst
        )
        return caller

    async def _identified(self, request: Request) -> Caller:
        if self._authenticator is not None:
            return await self._authenticator.authenticate(request.headers)
        if request.client is not None and not http.loopback(request.client.host):
            raise UnauthenticatedError("this server answers its own machine only")
        if request.client is not None and not http.named_here(request.headers.get("host", "")):
            raise InvalidHostError("this server answers to the names of its own machine only")
        return Caller(Authority(LOCAL))

    async def _answer(self, caller: Caller, call: rpc.RpcCall, request: Request) -> Response:
        # Parsing an empty query would cost as much as all the checks here.
        query = request.query_params if request.scope.get("query_string") else {}
        http.check_version(request.headers, query)
        declared = request.headers.get(extensions.HEADER)
        extensions.check_required(declared, self._required)
        active = extensions.in_force(declared)
        ask = CallContext(caller, active)
        if (unary := self._unary.get(call.method)) is not None:
            with Lease(self._standing(caller)) as lease:
                return http.reply(call.id, await unary(ask, call.params), active)
            if lease.lost:
                raise UnauthenticatedError("the authority ended while the call was answered")
        if (streaming := self._streaming.get(call.method)) is not None:
            with ExitStack() as counted:
                most, principal = self._limits.streams, caller.authority.principal
                counted.enter_context(self._rates.stream(principal, most=most))
                start = await streaming(ask, call.params, request)
                stream = await self._stream(ask, call, start)
                watch = AuthorityWatch(self._standing(caller), stream.stop)
                trace = caller.authority.trace
                return StreamReply(stream, self._streams, counted.pop_all(), watch, trace=trace)
        raise _unserved(call.method)

    def _standing(self, caller: Caller) -> Callable[[], Awaitable[bool]]:
        return partial(_stands, self._authenticator, caller)

    async def _send(self, ask: CallContext, params: object) -> JsonObject:
        return {"task": await self.tasks.send(ask, _request(ask, SendMessageRequest, params))}

    async def _get(self, ask: CallContext, params: object) -> JsonObject:
        return await self.tasks.get(ask, _request(ask, GetTaskRequest, params))

    async def _cancel(self, ask: CallContext, params: object) -> JsonObject:
        return await self.tasks.cancel(ask, _request(ask, CancelTaskRequest, params))

    async def _erase(self, ask: CallContext, params: object) -> JsonObject:
        request = _request(ask, erasure.EraseRequest, params)
        return await erasure.erase(self.tasks.runs, ask.caller.principal, request)

    async def _send_stream(self, ask: CallContext, params: object, _: Request) -> "StreamStart":
        request = _request(ask, SendMessageRequest, params)
        sent, length = await self.tasks.accept(ask, request), request.configuration.history_length
        if sent.after == 0:
            messages = history(sent.run, opening(sent.run), length)
            return StreamStart(sent.run, 0, views.submitted(sent.run, messages), first=sent.first)
        task = await self.tasks.snapshot(ask, sent.run, length)
        return StreamStart(sent.run, sent.after, task)

    async def _subscribe(self, ask: CallContext, params: object, request: Request) -> "StreamStart":
        run = await self.tasks.read(ask, _request(ask, TaskRequest, params).id)
        seen = request.headers.get("last-event-id")
        if seen is not None:
            return StreamStart(run, cursor_in(run, seen, "Last-Event-ID"), subscription=True)
        if run.terminal:
            raise UnsupportedOperationError("the task has ended: get it instead")
        task = await self.tasks.snapshot(ask, run, None)
        return StreamStart(run, run.last_seq, task, subscription=True)

    async def _stream(
        self, ask: CallContext, call: rpc.RpcCall, start: "StreamStart"
    ) -> TaskStream:
        updates = Updates(self.tasks, ask, start.run, stop_at_question=not start.subscription)
        grown = await updates.catch_up(start.after)
        task = start.task
        if task is not None and grown and not start.run.terminal:
            task = {**task, "artifacts": [*grown]}
        source = self.tasks.runs.pages(
            ask.caller.principal, start.run.run_id, after=start.after, first=start.first
        )
        return TaskStream(
            call.id,
            updates,
            Log(source),
            first=(task, start.after or None) if task else None,
            headers=[
                (name.lower().encode(), value.encode())
                for name, value in http.echo(ask.extensions).items()
            ],
        )


@dataclass(frozen=True, slots=True)
class StreamStart:
    """Where a stream begins: with the task, where it is told, and behind which event."""

    run: Run
    after: int
    task: JsonObject | None = None
    subscription: bool = False
    first: Sequence[Envelope] = ()
    """The first events of the stream, where they need not be read."""


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


def _request(ask: CallContext, kind: type[R], params: object) -> R:
    request = parse(kind, params)
    if request.tenant and request.tenant != ask.caller.principal.tenant:
        raise InputError("the tenant is not the caller's own", field="tenant")
    return request


async def _stands(authenticator: Authenticator | None, caller: Caller) -> bool:
    return authenticator is None or await authenticator.stands(caller)


def _unserved(method: str) -> WeftError:
    if method in _PUSH:
        return PushNotSupportedError()
    if method in _ELSEWHERE:
        return UnsupportedOperationError(f"{method} is not supported by this agent")
    return UnknownMethodError("there is no such method")
