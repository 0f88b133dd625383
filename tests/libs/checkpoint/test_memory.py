from dataclasses import dataclass

import pytest

from weft.checkpoint import Checkpointer, ThreadKey, memory, memory_checkpointer
from weft.core import JsonObject
from weft.core.errors import NotFoundError, StoreFullError
from weft.testing.store_values import ALICE, RUNS, ending, new_run, running


@dataclass
class ManualClock:
    wall: float = 1_000_000.0
    elapsed: float = 0.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.elapsed


@pytest.fixture
def checkpointer(monkeypatch: pytest.MonkeyPatch) -> Checkpointer:
    monkeypatch.setattr(memory, "MAX_THREADS", 3)
    return memory_checkpointer()


async def test_the_oldest_thread_at_rest_makes_room(checkpointer: Checkpointer) -> None:
    runs = checkpointer.runs
    living = await running(checkpointer, new_run("a"))
    ended = await running(checkpointer, new_run("b", key="k"))
    await checkpointer.threads.append(
        ThreadKey("acme", "alice", "b"), [b"old"], expected=0, fence=ended
    )
    await runs.finish(ended, ending())
    await runs.finish(await running(checkpointer, new_run("c")), ending())

    await running(checkpointer, new_run("d"))

    assert (await runs.read(ALICE, living.run_id)).status == "running"
    with pytest.raises(NotFoundError):
        await runs.read(ALICE, ended.run_id)
    assert await runs.find(ALICE, "run", "k") is None
    assert await checkpointer.threads.load(ThreadKey("acme", "alice", "b")) is None
    assert len(await runs.thread_runs(ThreadKey("acme", "alice", "c"))) == 1


async def test_without_a_thread_at_rest_there_is_no_room(checkpointer: Checkpointer) -> None:
    for name in "abc":
        await running(checkpointer, new_run(name))

    with pytest.raises(StoreFullError):
        await running(checkpointer, new_run("d"))

    await checkpointer.runs.accept(new_run("a"), on_busy="enqueue")


async def test_what_callers_do_to_their_objects_changes_nothing(
    checkpointer: Checkpointer,
) -> None:
    request: JsonObject = {"list": [1]}
    held = await running(checkpointer, new_run("a", request=request))
    request["list"] = []

    first = await checkpointer.runs.read(ALICE, held.run_id)
    first.request["list"] = "changed"

    assert (await checkpointer.runs.read(ALICE, held.run_id)).request == {"list": [1]}


@pytest.mark.requirement("RS-20")
async def test_setting_the_wall_clock_ends_no_lease() -> None:
    clock = ManualClock()
    checkpointer = memory_checkpointer(clock=clock)
    await running(checkpointer)

    clock.wall += 3600
    assert await checkpointer.runs.claim("two", RUNS, limit=1) == []
    clock.elapsed += 3.5
    assert len(await checkpointer.runs.claim("two", RUNS, limit=1)) == 1
