"""What every database promises about old things: what goes, what stays, and what is never old."""

import pytest

from weft.checkpoint import Checkpointer, EffectOutcome, Pruned, ThreadKey
from weft.core import Result, Usage, dumps
from weft.core.errors import EventsExpiredError, NotFoundError
from weft.testing.store_values import (
    ALICE,
    RUNS,
    ScriptedFaults,
    effect,
    ending,
    new_run,
    question,
    running,
    step,
)

DAY = 86_400.0
KEY = ThreadKey("acme", "alice", "t")


async def prune(store: Checkpointer, *, limit: int = 100) -> Pruned:
    return await store.index.prune(older_s=30 * DAY, forget_s=60 * DAY, limit=limit)


class PruneContract:
    """Mixed into the contract of run stores."""

    @pytest.mark.requirement("RS-24", "EV-36")
    async def test_the_contents_of_an_old_run_go_and_its_row_stays(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        new = new_run("t", key="k", request={"prompt": "secret"})
        held = await running(checkpointer, new)
        long = step("look", "secret " * 1000)
        await runs.record_step(held, long)
        usage = Usage(model_calls=3)
        result = Result(status="completed", text="secret " * 1000, usage=usage).to_json()
        end = ending()
        await runs.finish(held, type(end)("completed", result, events=end.events))
        before = await runs.read(ALICE, held.run_id)
        assert await prune(checkpointer) == Pruned()
        faults.ahead_s = 31 * DAY

        assert await prune(checkpointer) == Pruned(runs=1)
        assert await prune(checkpointer) == Pruned()

        after = await runs.read(ALICE, held.run_id)
        assert (after.pruned, after.status, after.last_seq) == (True, "completed", before.last_seq)
        assert (after.created_at, after.updated_at) == (before.created_at, before.updated_at)
        assert after.result is not None
        assert after.result["usage"] == usage.to_json()
        assert b"secret" not in dumps([after.request, after.result, after.error])
        assert await runs.steps(ALICE, held.run_id) == {}
        with pytest.raises(EventsExpiredError):
            await runs.events(ALICE, held.run_id)
        assert await runs.events(ALICE, held.run_id, after=after.last_seq) == ()
        assert (await checkpointer.index.threads(ALICE, limit=5)).entries == ()
        assert (await checkpointer.index.runs(ALICE, limit=5)).entries == (after,)
        replayed = await runs.accept(new, on_busy="reject")
        assert replayed.run.pruned

    @pytest.mark.requirement("RS-24", "IDEM-7")
    async def test_a_row_and_its_keys_go_with_its_thread_and_not_before(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer, new_run("t", key="k"))
        await checkpointer.effects.intend(held, effect("done"))
        await checkpointer.effects.settle(held, "done", 1, EffectOutcome("done", "result"))
        await checkpointer.effects.intend(held, effect("unknown"))
        await runs.finish(held, ending())
        faults.ahead_s = 61 * DAY
        later = await running(checkpointer, new_run("t"))
        await prune(checkpointer)
        assert (await runs.read(ALICE, held.run_id)).pruned
        late = await checkpointer.effects.find_effect("done")
        assert late is not None
        assert late.outcome == EffectOutcome("done", "result")
        await runs.finish(later, ending())
        faults.ahead_s = 125 * DAY

        pruned = await prune(checkpointer)

        assert pruned == Pruned(runs=1, forgotten=2)
        for run_id in (held.run_id, later.run_id):
            with pytest.raises(NotFoundError):
                await runs.read(ALICE, run_id)
        assert await runs.find(ALICE, "run", "k") is None
        assert await checkpointer.effects.find_effect("done") is None
        assert await checkpointer.effects.find_effect("unknown") is not None

    @pytest.mark.requirement("RS-24", "CKPT-11")
    async def test_what_waits_or_goes_on_is_never_old(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        first = await running(checkpointer, new_run("t"))
        await checkpointer.threads.append(KEY, [b"said"], expected=0, fence=first)
        await runs.finish(first, ending())
        parked = await running(checkpointer, new_run("t"))
        await runs.park(parked, [question(expires_in=10_000_000.0)], ())
        queued = await runs.accept(new_run("u"), on_busy="enqueue")
        faults.ahead_s = 90 * DAY

        pruned = await prune(checkpointer)

        assert pruned == Pruned(runs=1)
        assert [event.type for event in await runs.events(ALICE, parked.run_id)][-1] == (
            "run.interrupted"
        )
        assert (await runs.read(ALICE, queued.run.run_id)).status == "queued"
        thread = await checkpointer.threads.load(KEY)
        assert thread is not None
        assert thread.entries == (b"said",)

    @pytest.mark.requirement("RS-24", "CKPT-11")
    async def test_a_thread_at_rest_loses_its_messages_and_can_begin_anew(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        held = await running(checkpointer, new_run("t"))
        await checkpointer.threads.append(KEY, [b"old"], expected=0, fence=held)
        await checkpointer.runs.finish(held, ending())
        young = await running(checkpointer, new_run("young"))
        faults.ahead_s = 20 * DAY
        (claimed,) = await checkpointer.runs.claim("two", RUNS, limit=1)
        assert claimed.run.run_id == young.run_id
        other = ThreadKey("acme", "alice", "young")
        await checkpointer.threads.append(other, [b"new"], expected=0, fence=claimed.held)
        await checkpointer.runs.finish(claimed.held, ending())
        faults.ahead_s = 40 * DAY

        assert await prune(checkpointer) == Pruned(runs=1, threads=1)

        assert await checkpointer.threads.load(KEY) is None
        assert await checkpointer.threads.load(other) is not None
        fresh = await running(checkpointer, new_run("t"))
        assert await checkpointer.threads.append(KEY, [b"new"], expected=0, fence=fresh) == 1

    @pytest.mark.requirement("RS-24", "GW-6")
    async def test_a_pruned_run_can_be_deleted_and_a_deleted_one_is_forgotten(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        held = await running(checkpointer, new_run("t"))
        await checkpointer.runs.finish(held, ending())
        faults.ahead_s = 31 * DAY
        await prune(checkpointer)

        assert await checkpointer.threads.delete(KEY)
        with pytest.raises(NotFoundError):
            await checkpointer.runs.read(ALICE, held.run_id)
        # Its peers are asked first.
        faults.ahead_s = 100 * DAY
        assert await prune(checkpointer) == Pruned()
        (erasing,) = await checkpointer.threads.erasing(limit=5)
        await checkpointer.threads.erased([erasing.run_id])
        assert await prune(checkpointer) == Pruned(forgotten=1)

    @pytest.mark.requirement("RS-24")
    async def test_no_look_takes_more_than_its_limit_and_looks_end(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        for _ in range(5):
            await checkpointer.runs.finish(await running(checkpointer), ending())
        faults.ahead_s = 31 * DAY

        counts = [(await prune(checkpointer, limit=2)).runs for _ in range(4)]

        assert counts == [2, 2, 1, 0]
