"""Connections that break between two healthy ends lose nothing and repeat nothing."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import pytest

from tests.libs.a2a.harness import (
    Mesh,
    ScriptedPeer,
    ScriptedRun,
    a_task,
    agent,
    calling,
    message,
    replica,
)
from weft.core import Result
from weft.events import AnyData, Event

COUNT = 60


async def tells_slowly(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    for number in range(COUNT):
        yield Event(type="agent.custom", data=AnyData.model_validate({"n": number}))
        await asyncio.sleep(0.004)
    yield Result(status="completed", text=f"told {COUNT}", data=run.task.prompt)


async def waits(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    await run.go.wait()
    yield Result(status="completed", text="done")


class Cutter:
    """Passes bytes on to a server and cuts every connection after some of its answer."""

    def __init__(self, port: int, after: int) -> None:
        self._port = port
        self._after = after
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        theirs, mine = await asyncio.open_connection("127.0.0.1", self._port)
        asking = asyncio.ensure_future(_pass_on(reader, mine))
        left = self._after
        while left > 0 and (piece := await theirs.read(min(left, 512))):
            left -= len(piece)
            writer.write(piece)
            await writer.drain()
        writer.transport.abort()
        mine.transport.abort()
        await asyncio.gather(asking, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(4096):
        writer.write(piece)


@pytest.mark.requirement("A2A-72")
@pytest.mark.requirement("A2A-32")
@pytest.mark.parametrize("after", [6000, 9000, 12_000])
async def test_a_stream_cut_again_and_again_brings_every_event_once(after: int) -> None:
    mesh, peer = Mesh(), ScriptedPeer(tells_slowly)
    async with agent(peer, mesh=mesh) as served, calling(served, mesh) as client:
        cutter = Cutter(served.port, after)
        proxy = await asyncio.start_server(cutter, "127.0.0.1", 0)
        port = proxy.sockets[0].getsockname()[1]
        client.card = replace(client.card, url=f"http://127.0.0.1:{port}/")
        async with proxy:
            with anyio.fail_after(15):
                run = client.start(a_task("all of it"))
                events = [event.data.model_dump()["n"] async for event in run]
                result = await run

    assert events == list(range(COUNT))
    assert (result.text, result.data) == (f"told {COUNT}", "all of it")
    assert len(peer.runs) == 1
    assert cutter.connections > 1


@pytest.mark.requirement("A2A-19")
async def test_a_task_canceled_through_another_replica_ends_everywhere() -> None:
    mesh, peer = Mesh(), ScriptedPeer(waits)
    async with agent(peer, mesh=mesh) as first, replica(first, mesh) as second:
        stream = await first.stream("SendStreamingMessage", message("a"), mesh.bearer())
        frames = stream.frames()
        task_id = (await anext(frames))[1]["task"]["id"]
        await peer.started.wait()
        other = await second.stream("SubscribeToTask", {"id": task_id}, mesh.bearer())
        with anyio.fail_after(2):
            canceled = await second.call("CancelTask", {"id": task_id}, mesh.bearer())
            last = [[each async for each in frames][-1], (await other.all())[-1]]
        states = [
            (await each.call("GetTask", {"id": task_id}, mesh.bearer()))["result"]["status"]
            for each in (first, second)
        ]

    assert canceled["result"]["status"]["state"] == "TASK_STATE_CANCELED"
    assert {each[1]["statusUpdate"]["status"]["state"] for each in last} == {"TASK_STATE_CANCELED"}
    assert {each["state"] for each in states} == {"TASK_STATE_CANCELED"}
    assert peer.runs[0].canceled


async def test_a_blocking_send_to_a_replica_that_executes_nothing_is_answered() -> None:
    mesh = Mesh()
    async with agent(mesh=mesh) as first, replica(first, mesh) as second:
        with anyio.fail_after(5):
            answer = await second.call("SendMessage", message("hello"), mesh.bearer())

    assert answer["result"]["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
