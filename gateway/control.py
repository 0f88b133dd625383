"""The router's control calls, over gRPC."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from weft.a2a import read_control_card
from weft.catalog import Catalog, Entry
from weft.core import ROUTER, Authority, Deadline, JsonObject, RunId, dumps, loads_object
from weft.core import trace as tracing
from weft.core.edge_errors import NotReplayableError, RouterUnavailableError
from weft.core.errors import ForbiddenError, InputError, NotFoundError
from weft.core.protocol_errors import CardRefusedError
from weft.identity import Minter, Trust
from weftapi.v1 import control_pb2, control_pb2_grpc

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 10.0
REPLAY_SECONDS = 30.0
"""Longer than one service may take to walk its part."""
MAX_MESSAGE = 1024 * 1024


class ControlClient:
    """Calls whichever router the catalogue knows; make it with `control`."""

    def __init__(self, catalog: Catalog, minter: Minter, trust: Trust) -> None:
        self._catalog = catalog
        self._minter = minter
        self._trust = trust
        self._addresses: dict[Entry, str | None] = {}
        """Of routers in the catalogue, None where a card is refused."""
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def explain(
        self, authority: Authority, *, text: str, goal: JsonObject | None, protocol: str | None
    ) -> JsonObject:
        """Return how the router would handle a request of whoever has `authority`; nothing runs.

        Raises:
            InputError: The goal or protocol is not one.
            RouterUnavailableError: No router answers.
        """
        request = control_pb2.ExplainRequest(
            input=text, goal=dumps(goal) if goal is not None else b"", protocol=protocol or ""
        )
        try:
            reply = await self._call("Explain", request, authority, seconds=DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise _refusal(error) from error
        return loads_object(reply.explanation)

    async def replay(self, authority: Authority, run_id: RunId) -> JsonObject:
        """Return what comes of a finished run now, over what is recorded of it.

        Raises:
            NotFoundError: There is no such run of whoever has `authority`.
            NotReplayableError: It did not end by what its calls brought, or too long ago.
            RouterUnavailableError: No router answers.
        """
        request = control_pb2.ReplayRequest(run_id=run_id)
        try:
            reply = await self._call("Replay", request, authority, seconds=REPLAY_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise NotFoundError("run", run_id) from error
            if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                raise NotReplayableError(error.details() or "it cannot be replayed") from error
            raise _refusal(error) from error
        return loads_object(reply.replay)

    async def _call(
        self, name: str, request: Message, authority: Authority, *, seconds: float
    ) -> Any:  # noqa: ANN401 - the reply of the call, whose stubs have no types
        authority = authority.narrowed(deadline=Deadline.after(seconds))
        entry, channel = await self._router()
        body = request.SerializeToString(deterministic=True)
        token = self._minter.mint(authority, audience=ROUTER, at=entry.url, body=body)
        metadata = [("authorization", f"Bearer {token}")]
        if authority.trace is not None:
            metadata.append((tracing.HEADER, authority.trace.child().header))
        stub = control_pb2_grpc.ControlStub(channel)  # type: ignore[no-untyped-call]  # generated without types
        return await getattr(stub, name)(request, timeout=seconds, metadata=tuple(metadata))

    async def _router(self) -> tuple[Entry, grpc.aio.Channel]:
        entries = self._catalog.snapshot().of(ROUTER)
        for entry in entries:
            if entry not in self._addresses:
                self._addresses[entry] = await self._verified(entry)
        self._addresses = {entry: self._addresses[entry] for entry in entries}
        listed = {entry: address for entry, address in self._addresses.items() if address}
        if not listed:
            raise RouterUnavailableError("no router is running; `weft up` starts one")
        for gone in set(self._channels) - set(listed.values()):
            await self._channels.pop(gone).close()
        # One that was killed stays listed until it is found out: the newest is likeliest to live.
        newest = max(listed, key=lambda each: (each.started_at, each.instance))
        address = listed[newest]
        if address not in self._channels:
            options = [("grpc.max_receive_message_length", MAX_MESSAGE)]
            self._channels[address] = grpc.aio.insecure_channel(address, options=options)
        return newest, self._channels[address]

    async def _verified(self, entry: Entry) -> str | None:
        """Return where a router that the mesh vouches for is called; any other gets nothing."""
        try:
            return await read_control_card(
                entry.card, service=ROUTER, origin=entry.url, trust=self._trust
            )
        except CardRefusedError as error:
            log.warning("router_refused", extra={"reason": str(error)})
            return None

    async def aclose(self) -> None:
        for channel in self._channels.values():
            await channel.close()


@asynccontextmanager
async def control(catalog: Catalog, minter: Minter, trust: Trust) -> AsyncIterator[ControlClient]:
    """Yield the router's control calls; close their connections on the way out."""
    opened = ControlClient(catalog, minter, trust)
    try:
        yield opened
    finally:
        await opened.aclose()


def _refusal(error: grpc.aio.AioRpcError) -> Exception:
    if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
        return InputError(error.details() or "the router refused the goal", field="goal")
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return InputError(f"the goal is larger than {MAX_MESSAGE} bytes", field="goal")
    if error.code() is grpc.StatusCode.PERMISSION_DENIED:
        return ForbiddenError("runs:read")
    return RouterUnavailableError("the router does not answer; ask again in a moment")
