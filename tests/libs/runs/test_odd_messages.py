"""Whoever reaches NATS may publish anything: it is dropped, and every listener goes on."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import anyio
import pytest

from tests.conftest import NatsServer
from tests.libs.bus.test_bus import until
from tests.libs.runs.test_runs import Blocker, numbers, request, worker
from tests.stranger import HEADERS, HEX, PAYLOADS, TOKENS, odd_messages, publish_oddly
from weft.bus import Bus, subjects
from weft.bus.nats import NatsBus, nats_bus
from weft.checkpoint.memory import memory_checkpointer
from weft.core import LOCAL, new_run_id
from weft.runs import Runs, TaskPublisher

PREFIXES = [
    subject.rpartition(".")[0].encode()
    for subject in (
        subjects.run("local", new_run_id()),
        subjects.cancel("router", new_run_id()),
        subjects.task("logs", new_run_id()),
    )
]


async def stranger(server: NatsServer, prefixes: list[bytes]) -> None:
    send = partial(publish_oddly, server.url, odd_messages(prefixes))
    assert await asyncio.to_thread(send) > 50 * len(prefixes)


async def test_a_bus_hears_what_comes_after_odd_messages(nats_server: NatsServer) -> None:
    async with (
        nats_bus(nats_server.url, name="test") as bus,
        bus.subscribe(subjects.all_runs(), places=8192) as heard,
    ):
        await bus.flush()
        await stranger(nats_server, PREFIXES[:1])
        subject = subjects.run("local", new_run_id())
        bus.publish(subject, b"the end")

        with anyio.fail_after(10):
            payloads = set()
            while (message := await anext(heard)) != (subject, b"the end"):
                payloads.add(message[1])

    assert payloads > {b"", PAYLOADS[2], PAYLOADS[3]}


async def test_odd_messages_end_no_listener_and_the_next_events_arrive_by_bus(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What follows can come by bus alone.
    monkeypatch.setattr("weft.runs.runs.POLL_SECONDS", 60)
    monkeypatch.setattr("weft.runs.lease.RENEW_SECONDS", 60)
    store, blocker = memory_checkpointer(), Blocker()
    async with AsyncExitStack() as stack:
        ours, theirs, third = [
            await stack.enter_async_context(nats_bus(nats_server.url, name=name))
            for name in ("gateway", "router", "logs")
        ]
        front = Runs(store, ours, pool="router")
        back = Runs(store, theirs, pool="router")
        replica = Runs(store, third, pool="logs", publisher=TaskPublisher(third, "logs"))
        await stack.enter_async_context(front.listening())
        await stack.enter_async_context(replica.listening())
        await stack.enter_async_context(worker(back, blocker).working())
        await _settled(ours, theirs, third)
        with anyio.fail_after(20):
            accepted = await front.submit(request(), on_busy="reject")
            await blocker.began.wait()
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(numbers(front, accepted.run.run_id))
                await stranger(nats_server, PREFIXES)
                await front.cancel(LOCAL, accepted.run.run_id, reason="enough")

    assert (await following)[-1][1] == "run.canceled"


async def test_a_wake_up_reaches_a_replica_after_odd_messages(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.runs.runs.POLL_SECONDS", 60)
    store, blocker = memory_checkpointer(), Blocker()
    async with AsyncExitStack() as stack:
        ours, theirs = [
            await stack.enter_async_context(nats_bus(nats_server.url, name="logs")) for _ in "ab"
        ]
        front = Runs(store, ours, pool="logs", publisher=TaskPublisher(ours, "logs"))
        back = Runs(store, theirs, pool="logs", publisher=TaskPublisher(theirs, "logs"))
        for replica in (front, back):
            await stack.enter_async_context(replica.listening())
        await stack.enter_async_context(worker(back, blocker).working())
        await _settled(ours, theirs)
        with anyio.fail_after(20):
            accepted = await back.submit(request(), on_busy="reject", own=True)
            await blocker.began.wait()
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(numbers(front, accepted.run.run_id))
                await stranger(nats_server, PREFIXES[2:])
                await back.cancel(LOCAL, accepted.run.run_id, reason="enough")

    assert (await following)[-1][1] == "run.canceled"


async def test_a_connection_that_the_server_closed_for_good_is_made_anew(
    nats_server: NatsServer,
) -> None:
    async with (
        nats_bus(nats_server.url, name="test") as bus,
        bus.subscribe(subjects.work("a")) as heard,
    ):
        await bus.flush()
        refused = await _closed_for_good(bus)
        await until(lambda: bus.connected)
        with anyio.fail_after(10):
            await bus.jetstream()
            bus.publish(subjects.work("a"), b"back")
            assert await anext(heard) == (subjects.work("a"), b"back")

    assert refused


async def _closed_for_good(bus: NatsBus) -> bool:
    """Make the server refuse the connection: nats-py then never comes back by itself."""
    client = bus._client
    await client._send_command(b"PUB " + b"a" * 5000 + b" 0\r\n\r\n")
    await client._flush_pending()
    await until(lambda: client.is_closed)
    return client.is_closed


async def _settled(*buses: Bus) -> None:
    for bus in buses:
        await bus.flush()


def test_the_stranger_has_something_to_say() -> None:
    assert len(odd_messages([b"a"])) == 2 * len(TOKENS) + 2 + len(PAYLOADS) + len(HEADERS)
    assert subjects.run_of(f"weft.run.x.{HEX.decode()}") == HEX.decode()
    assert subjects.run_of("weft.run.x.y") is None
