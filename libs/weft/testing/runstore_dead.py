"""What every run store promises about threads whose run lost its owner."""

from dataclasses import replace

import pytest

from weft.checkpoint import LEASE_SECONDS, Checkpointer, OnBusy
from weft.core.errors import FencedError, ThreadBusyError, ThreadInterruptedError
from weft.testing.store_values import (
    ALICE,
    RUNS,
    ScriptedFaults,
    all_of,
    ending,
    new_run,
    question,
    running,
    step,
)

OVER = LEASE_SECONDS + 0.5


class DeadRunsContract:
    """A thread is busy while a run of it lives, whatever the status of a dead one says."""

    @pytest.mark.requirement("CKPT-9", "AG-16")
    @pytest.mark.parametrize("on_busy", ["reject", "take_over"])
    async def test_a_thread_is_busy_until_the_lease_of_its_run_has_ended(
        self, checkpointer: Checkpointer, faults: ScriptedFaults, on_busy: OnBusy
    ) -> None:
        held = await running(checkpointer, new_run("t"))
        faults.ahead_s = LEASE_SECONDS - 0.5

        with pytest.raises(ThreadBusyError) as busy:
            await checkpointer.runs.accept(new_run("t"), on_busy=on_busy, owner="two")
        await checkpointer.runs.renew([held])
        faults.ahead_s = OVER
        with pytest.raises(ThreadBusyError):
            await checkpointer.runs.accept(new_run("t"), on_busy=on_busy, owner="two")

        assert busy.value.active_run_id == held.run_id

    @pytest.mark.requirement("CKPT-9")
    async def test_a_run_accepted_behind_a_dead_one_waits_until_that_is_recovered(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer, new_run("t"))
        await runs.record_step(held, step())
        faults.ahead_s = OVER

        accepted = await runs.accept(new_run("t"), on_busy="reject", owner="two")
        with pytest.raises(ThreadBusyError):
            await runs.accept(new_run("t"), on_busy="reject", owner="two")
        (recovered,) = await runs.claim("two", RUNS, limit=5)
        await runs.finish(recovered.held, ending())
        (next_one,) = await runs.claim("two", RUNS, limit=5)

        assert accepted.claimed is None
        assert (recovered.held.run_id, recovered.held.epoch) == (held.run_id, 2)
        assert recovered.steps == {("collect",): {"text": "found"}}
        assert next_one.held.run_id == accepted.run.run_id
        with pytest.raises(FencedError):
            await runs.finish(held, ending())

    @pytest.mark.requirement("CKPT-9")
    async def test_an_owner_takes_the_thread_of_a_dead_run_over_and_fences_it(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer, new_run("t"))
        faults.ahead_s = OVER
        new = new_run("t")

        accepted = await runs.accept(new, on_busy="take_over", owner="two")

        assert accepted.claimed is not None
        assert accepted.claimed.held.run_id == new.run_id
        dead = await runs.read(ALICE, held.run_id)
        assert dead.status == "failed"
        assert dead.error is not None
        assert dead.error["code"] == "owner_lost"
        assert (await runs.events(ALICE, held.run_id))[-1].type == "run.failed"
        assert (await runs.renew([held])).lost == {held.run_id}
        with pytest.raises(FencedError):
            await runs.finish(held, ending())
        await runs.finish(accepted.claimed.held, ending())

    @pytest.mark.requirement("CKPT-9")
    async def test_of_many_that_take_a_dead_runs_thread_over_one_does(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        await running(checkpointer, new_run("t"))
        faults.ahead_s = OVER

        answers = await all_of(
            checkpointer.runs.accept(new_run("t"), on_busy="take_over", owner=f"owner {n}")
            for n in range(20)
        )

        refused = [answer for answer in answers if isinstance(answer, ThreadBusyError)]
        assert len(refused) == 19

    @pytest.mark.requirement("CKPT-9")
    async def test_a_dead_run_that_was_being_cancelled_is_canceled(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer, new_run("t"))
        await runs.cancel(ALICE, held.run_id, reason="enough", grace_s=1)
        faults.ahead_s = OVER

        await runs.accept(new_run("t"), on_busy="take_over", owner="two")

        assert (await runs.read(ALICE, held.run_id)).status == "canceled"

    @pytest.mark.requirement("CKPT-9")
    async def test_an_answered_run_that_nobody_claimed_in_time_is_dead_too(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer, new_run("t"))
        interrupt = question()
        await runs.park(held, [interrupt], ())
        with pytest.raises(ThreadInterruptedError):
            await runs.accept(new_run("t"), on_busy="take_over", owner="two")
        await runs.resume(ALICE, held.run_id, {interrupt.id: "yes"})

        with pytest.raises(ThreadBusyError):
            await runs.accept(new_run("t"), on_busy="take_over", owner="two")
        faults.ahead_s = OVER
        accepted = await runs.accept(new_run("t"), on_busy="take_over", owner="two")

        assert accepted.claimed is not None
        assert (await runs.read(ALICE, held.run_id)).status == "failed"

    @pytest.mark.requirement("CKPT-9")
    async def test_a_dead_run_of_another_operation_is_left_to_whoever_recovers_it(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        held = await running(checkpointer, new_run("t"))
        faults.ahead_s = OVER
        other = replace(new_run("t"), operation="another")

        with pytest.raises(ThreadBusyError):
            await checkpointer.runs.accept(other, on_busy="take_over", owner="two")

        assert (await checkpointer.runs.read(ALICE, held.run_id)).status == "running"
