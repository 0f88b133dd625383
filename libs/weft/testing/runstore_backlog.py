"""What every run store promises about counting what it has to do."""

import pytest

from weft.checkpoint import Checkpointer, Held, Share
from weft.core import RunId
from weft.testing.store_values import ALICE, BOB, RUNS, ending, new_run, question


class BacklogContract:
    """Queued and active runs, by principal."""

    @pytest.mark.requirement("GW-38")
    async def test_open_runs_are_counted_by_principal_and_status(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        for thread in ("a", "b", "c"):
            await runs.accept(new_run(thread), on_busy="reject")
        (claimed,) = await runs.claim("worker", RUNS, limit=1)
        await runs.accept(new_run("d", principal=BOB), on_busy="reject", owner="worker")

        backlog = await runs.backlog(new_run("x").operation)

        assert backlog.shares == {
            (ALICE.tenant, ALICE.subject): Share(queued=2, active=1),
            (BOB.tenant, BOB.subject): Share(queued=0, active=1),
        }
        assert (backlog.queued, backlog.active, backlog.accepted) == (2, 2, 4)
        assert backlog.oldest_wait >= 0

        await runs.cancel(ALICE, claimed.run.run_id, reason="", grace_s=1.0)
        canceling = await runs.backlog(new_run("x").operation)
        assert canceling.shares[ALICE.tenant, ALICE.subject] == Share(queued=2, active=1)

    @pytest.mark.requirement("GW-38")
    async def test_what_ended_or_waits_for_a_person_is_no_backlog(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = []
        for thread in ("a", "b"):
            accepted = await runs.accept(new_run(thread), on_busy="reject", owner="worker")
            held.append(Held(RunId(accepted.run.run_id), 1))
        await runs.finish(held[0], ending())
        await runs.park(held[1], [question()], [])

        backlog = await runs.backlog(new_run("x").operation)

        assert (backlog.queued, backlog.active, backlog.accepted) == (0, 0, 2)
        assert backlog.oldest_wait == 0

    @pytest.mark.requirement("GW-38")
    async def test_another_operation_has_a_backlog_of_its_own(
        self, checkpointer: Checkpointer
    ) -> None:
        await checkpointer.runs.accept(new_run("a"), on_busy="reject")

        assert (await checkpointer.runs.backlog("another")).queued == 0
