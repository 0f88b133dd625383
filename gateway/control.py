"""The router's control calls, over gRPC."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio

from weft.a2a import Minter
from weft.catalog import Catalog, Entry
from weft.core import Deadline, JsonObject, Principal, dumps, loads_object, new_id
from weft.core.edge_errors import RouterUnavailableError
from weft.core.errors import ForbiddenError, InputError
from weft.loop import Task
from weftapi.v1 import control_pb2, control_pb2_grpc

ROUTER = "router"
DEADLINE_SECONDS = 10.0
MAX_MESSAGE = 1024 * 1024


class Control:
    """Calls whichever router the catalogue knows; make it with `control`."""

    def __init__(self, catalog: Catalog, minter: Minter) -> None:
        self._catalog = catalog
        self._minter = minter
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def explain(
        self, principal: Principal, *, text: str, goal: JsonObject | None, protocol: str | None
    ) -> JsonObject:
        """Return how the router would handle a request; nothing runs.

        Raises:
            InputError: The goal or protocol is not one.
            RouterUnavailableError: No router answers.
        """
        request = control_pb2.ExplainRequest(
            input=text, goal=dumps(goal) if goal is not None else b"", protocol=protocol or ""
        )
        task = Task(
            prompt=text,
            message_id=new_id(),
            principal=principal,
            deadline=Deadline.after(DEADLINE_SECONDS),
            run_id=new_id(),
        )
        token = self._minter.mint(task, audience=ROUTER)
        stub = control_pb2_grpc.ControlStub(await self._channel())  # type: ignore[no-untyped-call]  # generated without types
        try:
            reply = await stub.Explain(
                request,
                timeout=DEADLINE_SECONDS,
                metadata=(("authorization", f"Bearer {token}"),),
            )
        except grpc.aio.AioRpcError as error:
            raise _refusal(error) from error
        return loads_object(reply.explanation)

    async def _channel(self) -> grpc.aio.Channel:
        entries = self._catalog.snapshot().of(ROUTER)
        if not entries:
            raise RouterUnavailableError("no router is running; `weft up` starts one")
        listed = {_address(each) for each in entries}
        for gone in set(self._channels) - listed:
            await self._channels.pop(gone).close()
        # One that was killed stays listed until it expires: the newest is the likeliest to live.
        newest = max(entries, key=lambda each: (each.started_at, each.instance))
        address = _address(newest)
        if address not in self._channels:
            options = [("grpc.max_receive_message_length", MAX_MESSAGE)]
            self._channels[address] = grpc.aio.insecure_channel(address, options=options)
        return self._channels[address]

    async def aclose(self) -> None:
        for channel in self._channels.values():
            await channel.close()


@asynccontextmanager
async def control(catalog: Catalog, minter: Minter) -> AsyncIterator[Control]:
    """Yield the router's control calls; close their connections on the way out."""
    opened = Control(catalog, minter)
    try:
        yield opened
    finally:
        await opened.aclose()


def _address(entry: Entry) -> str:
    return entry.url.removeprefix("grpc://")


def _refusal(error: grpc.aio.AioRpcError) -> Exception:
    if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
        return InputError(error.details() or "the router refused the goal", field="goal")
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return InputError(f"the goal is larger than {MAX_MESSAGE} bytes", field="goal")
    if error.code() is grpc.StatusCode.PERMISSION_DENIED:
        return ForbiddenError("runs:read")
    return RouterUnavailableError("the router does not answer; ask again in a moment")
