"""Silent streams: one look at the store for all of a process, and nothing is late by more."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import anyio
import pytest

from tests.libs.bus.test_bus import until
from tests.libs.runs.outage import Outage
from tests.libs.runs.test_runs import Blocker, LossyBus, numbers, request, worker
from weft.checkpoint import Claimed
from weft.checkpoint.memory import memory_checkpointer
from weft.core import LOCAL, Result, RunId
from weft.core.errors import StoreUnavailableError
from weft.events import Envelope
from weft.runs import Journal, RunOutcome, Runs

STREAMS = 50


async def test_silent_streams_share_one_look_at_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.runs.runs.POLL_SECONDS", 0.01)
    monkeypatch.setattr("weft.runs.runs.IDLE_SECONDS", 60)
    store = memory_checkpointer()
    front, back = (Runs(store, LossyBus(), pool="router") for _ in "ab")
    blocker, events, log_states = Blocker(), store.runs.events, store.runs.log_states
    reads = 0
    looks = asyncio.Semaphore(0)

    async def read(*args: object, **kwargs: object) -> tuple[Envelope, ...]:
        nonlocal reads
        reads += 1
        return await events(*args, **kwargs)  # type: ignore[arg-type]

    async def look(run_ids: Sequence[RunId]) -> object:
        found = await log_states(run_ids)
        if len(run_ids) == STREAMS:
            looks.release()
        return found

    monkeypatch.setattr(store.runs, "events", read)
    monkeypatch.setattr(store.runs, "log_states", look)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(worker(back, blocker).working())
        await stack.enter_async_context(front.listening())
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        accepted = [await front.submit(request(), on_busy="reject") for _ in range(STREAMS)]
        following = [tasks.create_task(numbers(front, each.run.run_id)) for each in accepted]
        with anyio.fail_after(20):
            # By then each has read what there was, and was told how far the log is.
            for _ in range(3):
                await looks.acquire()
            quiet = reads
            for _ in range(20):
                await looks.acquire()
        spent = reads - quiet
        for each in accepted:
            await back.cancel(LOCAL, each.run.run_id, reason="enough", wait_s=0)
        seen = [await each for each in following]

    assert spent < STREAMS
    assert {log[-1][1] for log in seen} == {"run.canceled"}


async def test_a_stream_hears_of_what_the_bus_lost_by_that_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("weft.runs.runs.IDLE_SECONDS", 60)
    store = memory_checkpointer()
    front, back = (Runs(store, LossyBus(), pool="router") for _ in "ab")
    go = asyncio.Event()

    async def work(_: Claimed, __: Journal) -> RunOutcome:
        await go.wait()
        return RunOutcome(Result(status="completed", text="done"))

    async with worker(back, work).working(), front.listening():
        accepted = await front.submit(request(), on_busy="reject")
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(numbers(front, accepted.run.run_id))
            waiting = tasks.create_task(front.wait(LOCAL, accepted.run.run_id, seconds=20))
            await until(lambda: front.hub.listened == (accepted.run.run_id,))
            go.set()

    assert (await following)[-1][1] == "run.completed"
    assert (await waiting).status == "completed"


async def test_the_look_goes_on_after_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.runs.runs.IDLE_SECONDS", 60)
    store = memory_checkpointer()
    look = Outage(monkeypatch, store.runs, "log_states", StoreUnavailableError("away"))
    front, back = (Runs(store, LossyBus(), pool="router") for _ in "ab")
    blocker = Blocker()

    async with worker(back, blocker).working(), front.listening():
        accepted = await front.submit(request(), on_busy="reject")
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(numbers(front, accepted.run.run_id))
            with anyio.fail_after(10):
                await blocker.began.wait()
                look.on = True
                await look.failed(2)
                look.on = False
            await back.cancel(LOCAL, accepted.run.run_id, reason="enough")

    assert (await following)[-1][1] == "run.canceled"
