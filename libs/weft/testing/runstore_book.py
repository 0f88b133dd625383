"""What every database promises about outcomes: counted once, each tenant's apart, gone with the run."""

from dataclasses import replace

import pytest

from weft.checkpoint import BookEntry, Checkpointer, TerminalStatus, ThreadKey
from weft.core import Principal, RunId, Tally
from weft.core.errors import (
    CanceledError,
    FencedError,
    NotFoundError,
    RunNotRateableError,
    StoreUnavailableError,
)
from weft.testing.store_values import (
    ALICE,
    BOB,
    NAMESAKE,
    RUNS,
    ScriptedFaults,
    all_of,
    ending,
    new_run,
    running,
)

DAY = 86_400.0
GOOD = BookEntry("research", "shop", "debate", success=True)
FAILED = replace(GOOD, success=False)


async def ended(
    store: Checkpointer,
    *entries: BookEntry,
    principal: Principal = ALICE,
    status: TerminalStatus = "completed",
    thread: str | None = None,
) -> RunId:
    held = await running(store, new_run(thread, principal=principal))
    await store.runs.finish(held, replace(ending(status), book=entries))
    return held.run_id


async def counted(store: Checkpointer, tenant: str = "acme", **changes: str) -> Tally:
    names = {"goal": "research", "domain": "shop", **changes}
    tallies = await store.book.tallies(tenant, names["goal"], names["domain"], ["debate", "other"])
    assert tallies["other"] == Tally()
    return tallies["debate"]


class BookContract:
    """Mixed into the contract of run stores."""

    @pytest.mark.requirement("RT-34")
    async def test_outcomes_count_by_tenant_goal_domain_and_protocol(
        self, checkpointer: Checkpointer
    ) -> None:
        await ended(checkpointer, GOOD)
        await ended(checkpointer, GOOD, principal=BOB)
        await ended(checkpointer, FAILED, status="failed")
        await ended(checkpointer, GOOD, replace(GOOD, goal="compare"), principal=NAMESAKE)

        assert await counted(checkpointer) == Tally(3, 2)
        assert await counted(checkpointer, "other") == Tally(1, 1)
        assert await counted(checkpointer, "other", goal="compare") == Tally(1, 1)
        for name in ("goal", "domain"):
            assert await counted(checkpointer, **{name: "else"}) == Tally()
        assert await counted(checkpointer, "nobody") == Tally()

    @pytest.mark.requirement("RT-34")
    async def test_an_ending_counts_once_however_often_it_is_written(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        held = await running(checkpointer)
        end = replace(ending(), book=(GOOD,))
        faults.lose_next_commit()
        with pytest.raises(StoreUnavailableError):
            await checkpointer.runs.finish(held, end)
        assert await counted(checkpointer) == Tally()
        faults.lose_next_acknowledgement()
        with pytest.raises(StoreUnavailableError):
            await checkpointer.runs.finish(held, end)

        assert await checkpointer.runs.finish(held, end) == ()
        assert await counted(checkpointer) == Tally(1, 1)

    @pytest.mark.requirement("RT-34")
    async def test_who_lost_the_run_or_was_stopped_counts_nothing(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        lost = await running(checkpointer)
        faults.ahead_s = 60.0
        await checkpointer.runs.claim("two", RUNS, limit=1)
        stopped = await running(checkpointer)
        await checkpointer.runs.cancel(ALICE, stopped.run_id, reason="no more", grace_s=5)

        with pytest.raises(FencedError):
            await checkpointer.runs.finish(lost, replace(ending(), book=(GOOD,)))
        with pytest.raises(CanceledError):
            await checkpointer.runs.finish(stopped, replace(ending(), book=(GOOD,)))

        assert await counted(checkpointer) == Tally()

    @pytest.mark.requirement("RT-34")
    async def test_endings_at_once_are_all_counted(self, checkpointer: Checkpointer) -> None:
        helds = [await running(checkpointer) for _ in range(12)]
        ends = [replace(ending(), book=(GOOD if n % 3 else FAILED,)) for n in range(12)]

        await all_of(
            checkpointer.runs.finish(held, end) for held, end in zip(helds, ends, strict=True)
        )

        assert await counted(checkpointer) == Tally(12, 8)

    @pytest.mark.requirement("RT-34")
    async def test_a_bad_rating_is_no_success_until_it_is_taken_back(
        self, checkpointer: Checkpointer
    ) -> None:
        run_id = await ended(checkpointer, GOOD, replace(GOOD, goal="compare"))
        await ended(checkpointer, GOOD)

        for _ in range(2):
            await checkpointer.book.rate(ALICE, run_id, bad=True)
            assert await counted(checkpointer) == Tally(2, 1)
            assert await counted(checkpointer, goal="compare") == Tally(1, 0)
        await checkpointer.book.rate(ALICE, run_id, bad=False)

        assert await counted(checkpointer) == Tally(2, 2)

    @pytest.mark.requirement("RT-34")
    async def test_a_good_rating_makes_no_success_of_a_failure(
        self, checkpointer: Checkpointer
    ) -> None:
        run_id = await ended(checkpointer, FAILED, status="failed")

        await checkpointer.book.rate(ALICE, run_id, bad=False)

        assert await counted(checkpointer) == Tally(1, 0)

    @pytest.mark.requirement("RT-34")
    async def test_only_who_asked_rates_and_only_what_is_kept(
        self, checkpointer: Checkpointer
    ) -> None:
        run_id = await ended(checkpointer, GOOD)
        bare = await ended(checkpointer)
        open_run = await running(checkpointer)
        admin = BOB.model_copy(update={"scopes": frozenset({"admin"})})

        for other in (BOB, NAMESAKE, admin):
            with pytest.raises(NotFoundError):
                await checkpointer.book.rate(other, run_id, bad=True)
        for unkept in (bare, open_run.run_id):
            with pytest.raises(RunNotRateableError, match="ROUTER_LEARNING"):
                await checkpointer.book.rate(ALICE, unkept, bad=True)

        assert await counted(checkpointer) == Tally(1, 1)

    @pytest.mark.requirement("RT-34")
    async def test_the_newest_runs_count(
        self, checkpointer: Checkpointer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("weft.checkpoint.rules.book.NEWEST", 2)
        for entry in (FAILED, GOOD, GOOD):
            await ended(checkpointer, entry)

        assert await counted(checkpointer) == Tally(2, 2)

    @pytest.mark.requirement("RT-34", "GW-6")
    async def test_outcomes_go_with_their_thread(self, checkpointer: Checkpointer) -> None:
        await ended(checkpointer, GOOD, thread="t")
        kept = await ended(checkpointer, GOOD, thread="u")

        await checkpointer.threads.delete(ThreadKey("acme", "alice", "t"))

        assert await counted(checkpointer) == Tally(1, 1)
        await checkpointer.book.rate(ALICE, kept, bad=True)
        assert await counted(checkpointer) == Tally(1, 0)

    @pytest.mark.requirement("RT-34", "RS-24")
    async def test_outcomes_outlive_contents_and_go_with_the_row(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        await ended(checkpointer, GOOD)
        faults.ahead_s = 31 * DAY
        pruned = await checkpointer.index.prune(older_s=30 * DAY, forget_s=60 * DAY, limit=9)
        assert (pruned.runs, await counted(checkpointer)) == (1, Tally(1, 1))
        faults.ahead_s = 62 * DAY

        pruned = await checkpointer.index.prune(older_s=30 * DAY, forget_s=60 * DAY, limit=9)

        assert pruned.forgotten == 1
        assert await counted(checkpointer) == Tally()
