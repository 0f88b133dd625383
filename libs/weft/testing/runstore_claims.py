"""What every run store promises about claims: whose runs they take, and the step they may write."""

from dataclasses import replace

import pytest

from weft.checkpoint import LEASE_SECONDS, Checkpointer, Run, StepWrite
from weft.core.errors import StoreUnavailableError
from weft.events import Event
from weft.testing.store_values import (
    ALICE,
    RUNS,
    STEP,
    ScriptedFaults,
    ending,
    new_run,
    question,
    running,
    started,
    step,
    thread_of,
)

PLAN = StepWrite((), {"plan": "look"}, (Event(type="plan.compiled"),))
UNKEEPABLE = (
    StepWrite(("\0",), {}),
    StepWrite((), {"plan": "\0"}),
    StepWrite((), {}, (Event(type="run.completed"),)),
)


class ClaimContract:
    """Operations, and prepared steps."""

    @pytest.mark.requirement("RS-3")
    async def test_an_owner_takes_runs_of_its_operations_only(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        queued = (await runs.accept(new_run(), on_busy="reject")).run
        dead = await running(checkpointer)
        parked = await running(checkpointer)
        await runs.park(parked, [question(expires_in=1)], ())
        faults.ahead_s = LEASE_SECONDS + 1

        for operations in ((), ("a2a.send", "agent.run")):
            assert await runs.claim("two", operations, limit=5) == []
            assert await runs.claim("two", operations, limit=5, run_id=queued.run_id) == []
        assert (await runs.read(ALICE, parked.run_id)).status == "interrupted"

        taken = await runs.claim("two", ("a2a.send", *RUNS), limit=5)
        assert {claimed.run.run_id for claimed in taken} == {queued.run_id, dead.run_id}
        assert (await runs.read(ALICE, parked.run_id)).status == "expired"

    async def test_a_queued_run_of_another_operation_stands_in_nobodys_way(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        await runs.accept(replace(new_run(), operation="agent.run"), on_busy="reject")
        later = (await runs.accept(new_run(), on_busy="reject")).run

        (taken,) = await runs.claim("two", RUNS, limit=1)
        assert taken.run.run_id == later.run_id

    @pytest.mark.requirement("RS-3")
    async def test_a_prepared_step_is_written_with_the_claim(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        run = (await runs.accept(new_run(request={"goal": "why"}), on_busy="reject")).run
        requests: list[object] = []

        def prepare(run: Run) -> StepWrite:
            requests.append((repr(run.request), run.status, run.epoch))
            return PLAN

        (taken,) = await runs.claim("two", RUNS, limit=1, prepare=prepare)
        # A transaction that could not be kept is played again.
        assert set(requests) == {(repr({"goal": "why"}), "running", 1)}
        assert taken.steps == {(): {"plan": "look"}}
        assert [event.type for event in taken.events] == ["run.started", "plan.compiled"]
        assert await runs.steps(ALICE, run.run_id) == taken.steps
        log = await runs.events(ALICE, run.run_id)
        assert [event.seq for event in log] == [1, 2, 3]
        assert log[1:] == taken.events
        assert taken.run == replace(
            await runs.read(ALICE, run.run_id), remaining_s=taken.run.remaining_s
        )
        await runs.append(taken.held, 1, [STEP])
        assert (await runs.events(ALICE, run.run_id, after=3))[0].seq == 4

    async def test_a_claim_says_how_much_its_thread_holds(self, checkpointer: Checkpointer) -> None:
        runs, threads = checkpointer.runs, checkpointer.threads
        first = await runs.accept(new_run(), on_busy="reject")
        (taken,) = await runs.claim("one", RUNS, limit=1)
        assert taken.thread_version == 0
        key = thread_of(first.run)
        await threads.append(key, [b"asked", b"answered"], expected=0, fence=taken.held)
        await runs.finish(taken.held, ending())

        await runs.accept(new_run(thread_id=key.thread_id), on_busy="reject")
        (later,) = await runs.claim("one", RUNS, limit=1)
        assert later.thread_version == 2
        await runs.release(later.held)
        (again,) = await runs.claim("two", RUNS, limit=1)
        assert again.thread_version == 2
        loaded = await threads.load(key)
        assert loaded is not None
        assert loaded.version == again.thread_version

    async def test_accepted_and_claimed_at_once_a_run_has_its_prepared_step(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs, new = checkpointer.runs, new_run()
        faults.lose_next_acknowledgement()
        with pytest.raises(StoreUnavailableError):
            await runs.accept(new, on_busy="reject", owner="one", prepare=lambda _: PLAN)
        again = await runs.accept(new, on_busy="reject", owner="one", prepare=lambda _: PLAN)

        assert again.claimed is not None
        assert again.claimed.steps == {(): {"plan": "look"}}
        log = [event.type for event in await runs.events(ALICE, new.run_id)]
        assert log == ["run.accepted", "run.started", "plan.compiled"]

    async def test_a_run_that_waits_for_its_thread_is_prepared_when_it_is_claimed(
        self, checkpointer: Checkpointer
    ) -> None:
        await running(checkpointer, new_run("t"))
        waiting = await checkpointer.runs.accept(
            new_run("t"), on_busy="enqueue", owner="one", prepare=lambda _: PLAN
        )
        assert waiting.claimed is None
        assert await checkpointer.runs.steps(ALICE, waiting.run.run_id) == {}

    async def test_only_a_run_without_a_step_that_shall_go_on_is_prepared(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        begun, canceling, bare = [await started(checkpointer) for _ in range(3)]
        await runs.record_step(begun.held, step())
        await runs.cancel(ALICE, canceling.held.run_id, reason="enough", grace_s=1)
        faults.ahead_s = LEASE_SECONDS + 1

        taken = await runs.claim("two", RUNS, limit=5, prepare=lambda _: PLAN)
        steps = {claimed.held.run_id: [*claimed.steps] for claimed in taken}
        assert steps == {
            begun.held.run_id: [("collect",)],
            canceling.held.run_id: [],
            bare.held.run_id: [()],
        }

    @pytest.mark.parametrize("prepared", [None, *UNKEEPABLE])
    async def test_a_run_that_cannot_be_prepared_is_claimed_as_it_is(
        self, checkpointer: Checkpointer, prepared: StepWrite | None
    ) -> None:
        await checkpointer.runs.accept(new_run(), on_busy="reject")
        (taken,) = await checkpointer.runs.claim("two", RUNS, limit=1, prepare=lambda _: prepared)

        assert taken.steps == {}
        assert [event.type for event in taken.events] == ["run.started"]
