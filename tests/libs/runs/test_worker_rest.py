"""A worker whose slots are all taken: it waits for one, and lets everything else go on."""

import asyncio

import anyio

from tests.libs.runs.test_runs import Blocker, request
from weft.bus import MemoryBus
from weft.checkpoint.memory import memory_checkpointer
from weft.runs import MESH_RUN, Runs, Worker


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
