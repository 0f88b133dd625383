"""A worker that writes first steps within its claims."""

import anyio

from tests.libs.runs.test_runs import request
from weft.bus import MemoryBus
from weft.checkpoint import Claimed, Run, StepWrite, memory_checkpointer
from weft.core import LOCAL, Result
from weft.runs import MESH_RUN, Journal, RunOutcome, Runs, Worker


async def execute(claimed: Claimed, journal: Journal) -> RunOutcome:
    del claimed
    return RunOutcome(Result(status="completed", text=str(dict(journal.steps))))


async def test_a_run_starts_with_the_step_its_worker_prepared() -> None:
    runs = Runs(memory_checkpointer(), MemoryBus(), pool="w")
    worker = Worker(
        runs,
        execute,
        name="w1",
        operations=(MESH_RUN,),
        prepare=lambda run: StepWrite((), {"plan": run.run_id}),
    )
    with anyio.fail_after(5):
        async with worker.working():
            for own in (True, False):
                new = request()
                await runs.submit(new, on_busy="enqueue", own=own)
                run = await runs.wait(new.authority.principal, new.run_id, seconds=5)
                assert run.result is not None
                assert Result.model_validate(run.result).text == str({(): {"plan": new.run_id}})


async def test_a_run_whose_preparation_breaks_does_not_keep_others_from_being_claimed() -> None:
    runs = Runs(memory_checkpointer(), MemoryBus(), pool="w")
    broken, sound = request(), request()

    def prepare(run: Run) -> StepWrite:
        if run.run_id == broken.run_id:
            raise RuntimeError("a bug")
        return StepWrite((), {"plan": "sound"})

    worker = Worker(runs, execute, name="w1", operations=(MESH_RUN,), prepare=prepare)
    for new in (broken, sound):
        await runs.submit(new, on_busy="enqueue")
    with anyio.fail_after(5):
        async with worker.working():
            texts = []
            for new in (broken, sound):
                run = await runs.wait(LOCAL, new.run_id, seconds=5)
                assert run.result is not None
                texts.append(Result.model_validate(run.result).text)

    assert texts == ["{}", "{(): {'plan': 'sound'}}"]


async def test_a_worker_leaves_runs_of_other_operations_alone() -> None:
    runs = Runs(memory_checkpointer(), MemoryBus(), pool="w")
    async with Worker(runs, execute, name="w1", operations=("agent.run",)).working():
        new = request()
        accepted = await runs.submit(new, on_busy="enqueue", own=True)
        assert accepted.claimed is None
        assert (await runs.wait(LOCAL, new.run_id, seconds=0.05)).status == "queued"
