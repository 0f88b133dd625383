"""What every database promises about lists: whose they are, their order, and pages that hold together."""

from dataclasses import replace

import pytest

from weft.checkpoint import Checkpointer, Page, Run, RunFilter, ThreadKey
from weft.core import Interrupt, Principal, RunId
from weft.core.errors import (
    InterruptAnsweredError,
    NotFoundError,
    RunNotInterruptedError,
)
from weft.testing.store_values import (
    ALICE,
    BOB,
    NAMESAKE,
    RUNS,
    ending,
    new_run,
    question,
    running,
)


def ids(page: Page[Run]) -> list[str]:
    return [run.run_id for run in page.entries]


async def waits(store: Checkpointer, principal: Principal = ALICE) -> tuple[str, Interrupt]:
    """Return a run that waits, and what for."""
    interrupt = question()
    held = await running(store, new_run(principal=principal))
    await store.runs.park(held, [interrupt], ())
    return held.run_id, interrupt


class ListContract:
    """Mixed into the contract of run stores."""

    @pytest.mark.requirement("GW-40", "SEC-24")
    async def test_runs_are_listed_newest_first_in_pages_that_hold_while_others_come(
        self, checkpointer: Checkpointer
    ) -> None:
        mine = [(await running(checkpointer)).run_id for _ in range(5)]
        for other in (BOB, NAMESAKE):
            await running(checkpointer, new_run(principal=other))

        first = await checkpointer.index.runs(ALICE, limit=2)
        await running(checkpointer)
        second = await checkpointer.index.runs(ALICE, limit=2, before=first.next)
        third = await checkpointer.index.runs(ALICE, limit=2, before=second.next)

        assert ids(first) + ids(second) + ids(third) == mine[::-1]
        assert (first.next is None, second.next is None, third.next) == (False, False, None)
        assert len(ids(await checkpointer.index.runs(ALICE, limit=100))) == 6
        exact = await checkpointer.index.runs(ALICE, limit=6)
        assert (len(exact.entries), exact.next) == (6, None)

    @pytest.mark.requirement("GW-40")
    async def test_runs_are_listed_by_status_thread_and_age(
        self, checkpointer: Checkpointer
    ) -> None:
        ended = await running(checkpointer, new_run("t"))
        await checkpointer.runs.finish(ended, ending())
        going_on = await running(checkpointer, new_run("t"))
        await running(checkpointer, new_run("u"))

        async def listed(wanted: RunFilter) -> list[str]:
            return ids(await checkpointer.index.runs(ALICE, wanted, limit=10))

        assert await listed(RunFilter(status="completed")) == [ended.run_id]
        assert await listed(RunFilter(thread_id="t")) == [going_on.run_id, ended.run_id]
        both = RunFilter(status="running", thread_id="t")
        assert await listed(both) == [going_on.run_id]
        created = (await checkpointer.runs.read(ALICE, ended.run_id)).created_at
        assert len(await listed(RunFilter(created_after=created))) == 3
        assert await listed(RunFilter(created_after=created + 3600)) == []
        (whole,) = (await checkpointer.index.runs(ALICE, RunFilter("completed"), limit=1)).entries
        assert whole.result is not None

    @pytest.mark.requirement("GW-40", "SEC-24", "CKPT-6")
    async def test_threads_are_listed_each_once_as_they_began_with_what_is_open_in_them(
        self, checkpointer: Checkpointer
    ) -> None:
        for thread in ("a", "b", "c", "a"):
            await checkpointer.runs.finish(await running(checkpointer, new_run(thread)), ending())
        await running(checkpointer, new_run("x", principal=BOB))
        busy = await running(checkpointer, new_run("b"))
        interrupt = question()
        parked = await running(checkpointer, new_run("a"))
        await checkpointer.runs.park(parked, [interrupt], ())

        first = await checkpointer.index.threads(ALICE, limit=2)
        # What happens in a thread moves it nowhere.
        await running(checkpointer, new_run("c"))
        second = await checkpointer.index.threads(ALICE, limit=2, before=first.next)

        threads = {thread.key.thread_id: thread for thread in (*first.entries, *second.entries)}
        assert list(threads) == ["c", "b", "a"]
        assert (first.next is None, second.next) == (False, None)
        assert (threads["b"].waits, threads["b"].active) == (None, busy.run_id)
        assert threads["a"].waits == parked.run_id
        assert (threads["c"].waits, threads["c"].active) == (None, None)
        assert 0 < threads["a"].created_at <= threads["a"].updated_at
        await checkpointer.threads.delete(ThreadKey("acme", "alice", "c"), cancel=True)
        listed = await checkpointer.index.threads(ALICE, limit=10)
        assert [thread.key.thread_id for thread in listed.entries] == ["b", "a"]

    @pytest.mark.requirement("AUTH-8")
    async def test_who_administers_a_tenant_reads_and_cancels_what_is_in_it(
        self, checkpointer: Checkpointer
    ) -> None:
        mine, bobs = [
            await running(checkpointer, new_run(principal=principal)) for principal in (ALICE, BOB)
        ]
        beyond = await running(checkpointer, new_run(principal=NAMESAKE))
        chief = Principal(tenant="acme", subject="chief", scopes=frozenset({"admin"}))
        sent = chief.model_copy(update={"kind": "delegated"})

        listed = await checkpointer.index.runs(chief, limit=10)
        of_bob = await checkpointer.index.runs(chief, RunFilter(subject="bob"), limit=10)
        threads = (await checkpointer.index.threads(chief, limit=10)).entries
        canceled = await checkpointer.runs.cancel(chief, bobs.run_id, reason="", grace_s=0)

        assert ids(listed) == [bobs.run_id, mine.run_id]
        assert ids(of_bob) == [bobs.run_id]
        assert [thread.key.subject for thread in threads] == ["bob", "alice"]
        assert (canceled.status, canceled.cancel and canceled.cancel["requested_by"]) == (
            "canceling",
            "chief",
        )
        assert len(await checkpointer.runs.events(chief, mine.run_id, after=0)) > 0
        assert ids(await checkpointer.index.runs(ALICE, RunFilter(subject="bob"), limit=10)) == []
        for principal, run_id in ((chief, beyond.run_id), (sent, mine.run_id)):
            with pytest.raises(NotFoundError):
                await checkpointer.runs.read(principal, run_id)
            with pytest.raises(NotFoundError):
                await checkpointer.runs.cancel(principal, run_id, reason="", grace_s=0)

    async def test_runs_are_listed_by_the_agent_they_name(self, checkpointer: Checkpointer) -> None:
        sent = []
        for agent in ("coder", None, "coder", "other", "coder"):
            new = replace(new_run(), request={"agent": agent})
            sent.append((await running(checkpointer, new)).run_id)

        first = await checkpointer.index.runs(ALICE, RunFilter(agent="coder"), limit=2)
        second = await checkpointer.index.runs(
            ALICE, RunFilter(agent="coder"), limit=2, before=first.next
        )

        assert (ids(first), ids(second)) == ([sent[4], sent[2]], [sent[0]])
        assert second.next is None
        assert ids(await checkpointer.index.runs(ALICE, RunFilter(agent="cod"), limit=2)) == []

    @pytest.mark.requirement("GW-43")
    async def test_what_waits_is_listed_for_its_tenant(self, checkpointer: Checkpointer) -> None:
        mine, interrupt = await waits(checkpointer)
        theirs, _ = await waits(checkpointer, BOB)
        await waits(checkpointer, NAMESAKE)
        await running(checkpointer)

        first = await checkpointer.index.waiting("acme", limit=1)
        second = await checkpointer.index.waiting("acme", limit=1, before=first.next)

        assert (ids(first), ids(second), second.next) == ([theirs], [mine], None)
        assert [waiting.id for waiting in second.entries[0].interrupts] == [interrupt.id]
        assert second.entries[0].subject == "alice"
        for tenant, run_id, visible in (("acme", mine, True), ("other", mine, False)):
            run = await checkpointer.index.find_waiting(tenant, RunId(run_id))
            assert (run is not None) == visible
        going_on = await running(checkpointer)
        assert await checkpointer.index.find_waiting("acme", going_on.run_id) is None

    @pytest.mark.requirement("GW-43")
    async def test_a_colleague_answers_a_question_of_the_tenant_and_sees_no_other_run(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        run_id, interrupt = await waits(checkpointer)
        (run,) = (await checkpointer.index.waiting("acme", limit=5)).entries
        other = await running(checkpointer)

        for wrong in ({}, {"guessed": "yes"}, {interrupt.id: "yes", "guessed": "yes"}):
            with pytest.raises(NotFoundError):
                await runs.resume(BOB, run.run_id, wrong, colleague=True)
        for absent in (other.run_id, type(run.run_id)("f" * 32)):
            with pytest.raises(NotFoundError):
                await runs.resume(BOB, absent, {interrupt.id: "yes"}, colleague=True)
        with pytest.raises(NotFoundError):
            await runs.resume(NAMESAKE, run.run_id, {interrupt.id: "yes"}, colleague=True)
        with pytest.raises(NotFoundError):
            await runs.resume(BOB, run.run_id, {interrupt.id: "yes"})

        resumed = await runs.resume(BOB, run.run_id, {interrupt.id: "yes"}, colleague=True)
        again = await runs.resume(BOB, run.run_id, {interrupt.id: "yes"}, colleague=True)
        with pytest.raises(InterruptAnsweredError):
            await runs.resume(BOB, run.run_id, {interrupt.id: "no"}, colleague=True)

        assert (resumed.run_id, resumed.status, again.status) == (run_id, "queued", "queued")
        last = (await runs.events(ALICE, run.run_id))[-1]
        assert (last.type, last.data["resolved_by"]) == ("interrupt.resolved", "bob")
        (claimed,) = await runs.claim("two", RUNS, limit=1, run_id=run.run_id)
        await runs.finish(claimed.held, ending())
        with pytest.raises(RunNotInterruptedError):
            await runs.resume(ALICE, run.run_id, {"another": "yes"})
