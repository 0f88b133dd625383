"""The router's control calls over gRPC, each with a verified delegation token and a deadline."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from router_service.choosing import NOBODY, Advisers, Choosing, offered_now
from router_service.peers import MeshPeers
from router_service.replaying import Replayer
from router_service.routes import Routes
from weft.core import (
    Authority,
    Deadline,
    JsonObject,
    Principal,
    RunId,
    TraceContext,
    dumps,
    loads_object,
    logged_under,
)
from weft.core import trace as tracing
from weft.core.error_table import look
from weft.core.errors import ConfigError, ForbiddenError, InputError, WeftError
from weft.identity import Verifier
from weft.runs import RoutedRequest
from weftapi.v1 import control_pb2, control_pb2_grpc

log = logging.getLogger(__name__)

MAX_MESSAGE = 1024 * 1024
GRACE_SECONDS = 2.0
SHARE = 0.8
"""Of the time for an explanation, so much may go by in reading the request."""


class ControlService(control_pb2_grpc.ControlServicer):
    """Answers what the gateway asks beside runs."""

    def __init__(
        self,
        routes: Routes,
        peers: MeshPeers,
        verifier: Verifier,
        replayer: Replayer,
        advisers: Advisers = NOBODY,
    ) -> None:
        self._routes = routes
        self._advisers = advisers
        self._peers = peers
        self._verifier = verifier
        self._replayer = replayer

    async def Explain(  # noqa: N802 - the name is the contract's
        self,
        request: control_pb2.ExplainRequest,
        context: grpc.aio.ServicerContext[control_pb2.ExplainRequest, control_pb2.ExplainReply],
    ) -> control_pb2.ExplainReply:
        """Say how a request would be routed."""
        answer = await self._answered(request, context, partial(self._explain, request))
        return control_pb2.ExplainReply(explanation=dumps(answer))

    async def Replay(  # noqa: N802 - the name is the contract's
        self,
        request: control_pb2.ReplayRequest,
        context: grpc.aio.ServicerContext[control_pb2.ReplayRequest, control_pb2.ReplayReply],
    ) -> control_pb2.ReplayReply:
        """Say what comes of a finished run now."""
        answer = await self._answered(request, context, partial(self._replay, request))
        return control_pb2.ReplayReply(replay=dumps(answer))

    async def _answered(
        self,
        request: Message,
        context: grpc.aio.ServicerContext[Any, Any],
        work: Callable[[Principal, float], Awaitable[JsonObject]],
    ) -> JsonObject:
        """Return what `work` comes to for whoever may read runs, within the time of the call."""
        headers = {str(name): str(value) for name, value in context.invocation_metadata() or ()}
        with logged_under(TraceContext.joined(headers.get(tracing.HEADER))):
            try:
                seconds = _time_of(context)
                return await work(await self._reader(request, headers), seconds)
            except WeftError as error:
                await context.abort(grpc.StatusCode[look(error).grpc], str(error))
                raise
            except Exception:
                # The edge of a call: what went wrong stays here.
                log.exception("control_call_crashed")
                await context.abort(grpc.StatusCode.INTERNAL, "internal error")
                raise

    async def _reader(self, request: Message, headers: Mapping[str, str]) -> Principal:
        """Return who calls, if he may read runs."""
        caller = await self._verifier.authenticate(headers)
        caller.check_body(request.SerializeToString(deterministic=True))
        if not caller.principal.may("runs:read"):
            raise ForbiddenError("runs:read")
        return caller.principal

    async def _replay(
        self, request: control_pb2.ReplayRequest, principal: Principal, _: float
    ) -> JsonObject:
        return await self._replayer.replay(principal, RunId(request.run_id))

    async def _explain(
        self, request: control_pb2.ExplainRequest, principal: Principal, seconds: float
    ) -> JsonObject:
        try:
            goal = loads_object(request.goal) if request.goal else None
        except ValueError as error:
            raise InputError("the goal is no JSON object", field="goal") from error
        routed = RoutedRequest(input=request.input, goal=goal, protocol=request.protocol or None)
        return await self.explained(routed, principal, seconds=seconds)

    async def explained(
        self, routed: RoutedRequest, principal: Principal, *, seconds: float
    ) -> JsonObject:
        """Say how a request would be routed, as a model reads it and chooses, where one does."""
        offers = await self._peers.refresh()
        authority = Authority(principal, deadline=Deadline.after(seconds * SHARE))
        choosing = Choosing(self._peers, self._routes, self._advisers, routed, authority)
        chosen, _ = await choosing.choose((), offered_now(offers))
        return chosen.explanation()


def _time_of(context: grpc.aio.ServicerContext[Any, Any]) -> float:
    seconds = context.time_remaining()
    if seconds is None:
        raise InputError("a deadline is required")
    return float(seconds)


@asynccontextmanager
async def control_server(service: ControlService, *, host: str, port: int) -> AsyncIterator[str]:
    """Yield the address on which the control calls are answered.

    Raises:
        ConfigError: The port is taken.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE),
            ("grpc.max_send_message_length", MAX_MESSAGE),
            ("grpc.so_reuseport", 0),
        ]
    )
    control_pb2_grpc.add_ControlServicer_to_server(service, server)  # type: ignore[no-untyped-call]  # generated without types
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise ConfigError(f"cannot listen on {host}:{port} for control calls") from error
    await server.start()
    try:
        yield f"{host}:{bound}"
    finally:
        await server.stop(GRACE_SECONDS)
