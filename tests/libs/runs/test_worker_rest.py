"""A worker whose slots are all taken: it waits for one, and lets everything else go on."""

import asyncio

import anyio
import pytest

from tests.libs.runs.test_runs import Blocker, echo, request
from weft.bus import MemoryBus
from weft.checkpoint import Claimed
from weft.checkpoint.memory import memory_checkpointer
from weft.runs import MESH_RUN, Journal, RunOutcome, Runs, Worker


async def test_a_doorbell_that_finds_no_free_slot_leaves_the_event_loop_to_others() -> None:
    blocker = Blocker()
    runs = Runs(memory_checkpointer(), MemoryBus(), pool="w")
    async with Worker(runs, blocker, operations=(MESH_RUN,), name="w1", slots=1).working():
        first, second = request(), request()
        with anyio.fail_after(5):
            await runs.submit(first, on_busy="enqueue", own=True)
            await blocker.began.wait()
            blocker.began.clear()
            # Nobody can take the second one now; its bell must not make the worker spin.
            await runs.submit(second, on_busy="enqueue", own=True)
            for _ in range(100):
                await asyncio.sleep(0)
            await runs.cancel(second.authority.principal, first.run_id, reason="make room")
            await blocker.began.wait()
            await runs.cancel(second.authority.principal, second.run_id, reason="enough")


def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker look for runs when it is woken, and only then."""
    monkeypatch.setattr("weft.runs.worker.random", Random(60))


class Random:
    """Draws the same number always."""

    def __init__(self, number: float) -> None:
        self._number = number

    def uniform(self, *_: float) -> float:
        return self._number


async def test_a_task_that_begins_as_it_is_accepted_costs_no_look_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    no_poll(monkeypatch)
    checkpointer, looks = memory_checkpointer(), 0
    runs = Runs(checkpointer, MemoryBus(), pool="w")

    async def claim(*which: object, **how: object) -> object:
        nonlocal looks
        looks += 1
        return await stored(*which, **how)  # type: ignore[arg-type]

    stored = checkpointer.runs.claim
    monkeypatch.setattr(checkpointer.runs, "claim", claim)
    async with Worker(runs, echo, operations=(MESH_RUN,), name="w1").working():
        await anyio.wait_all_tasks_blocked()
        before = looks
        with anyio.fail_after(5):
            for _ in range(5):
                new = request()
                await runs.submit(new, on_busy="alongside", own=True)
                await runs.wait(new.authority.principal, new.run_id, seconds=5)
        await anyio.wait_all_tasks_blocked()

    assert before > 0
    assert looks == before


async def test_what_waits_for_a_thread_or_a_slot_begins_as_soon_as_it_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    no_poll(monkeypatch)
    runs = Runs(memory_checkpointer(), MemoryBus(), pool="w")
    asked = [request(thread_id=thread_id) for thread_id in ("t", "t", "u", "v")]
    gates = {new.run_id: asyncio.Event() for new in asked}

    async def gated(claimed: Claimed, journal: Journal) -> RunOutcome:
        await gates[claimed.held.run_id].wait()
        return await echo(claimed, journal)

    async with Worker(runs, gated, operations=(MESH_RUN,), name="w1", slots=2).working():
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(5):
            for new in asked:
                await runs.submit(new, on_busy="enqueue", own=True)
            # Whatever was woken by their bells has looked, and found nothing that may begin.
            await anyio.wait_all_tasks_blocked()
            for new in asked:
                gates[new.run_id].set()
                ended = await runs.wait(new.authority.principal, new.run_id, seconds=5)
                assert ended.status == "completed"
