"""What every store promises when a commit, or only its acknowledgement, is lost."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from weft.checkpoint import LEASE_SECONDS, Checkpointer, EffectOutcome, Run, ThreadKey, Turn
from weft.core.errors import NotFoundError, StoreUnavailableError
from weft.events import Event
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
    timeless,
)

KEY = ThreadKey("acme", "alice", "t")
Write = Callable[[], Awaitable[object]]
Scenario = Callable[[Checkpointer], Awaitable[Write]]
SCENARIOS: list[Scenario] = []


def _scenario(prepare: Scenario) -> Scenario:
    SCENARIOS.append(prepare)
    return prepare


@_scenario
async def accept(them: Checkpointer) -> Write:
    new = new_run("t", key="k")
    return lambda: them.runs.accept(new, on_busy="reject")


@_scenario
async def accept_and_claim(them: Checkpointer) -> Write:
    new = new_run("t", key="k")
    return lambda: them.runs.accept(new, on_busy="reject", owner="one")


@_scenario
async def claim(them: Checkpointer) -> Write:
    await them.runs.accept(new_run("t", key="k"), on_busy="reject")
    return lambda: them.runs.claim("one", RUNS, limit=1)


@_scenario
async def release(them: Checkpointer) -> Write:
    held = await running(them, new_run("t", key="k"))
    return lambda: them.runs.release(held)


@_scenario
async def append(them: Checkpointer) -> Write:
    held = await running(them, new_run("t", key="k"))
    return lambda: them.runs.append(held, 1, [Event(type="agent.custom")])


@_scenario
async def record_step(them: Checkpointer) -> Write:
    held = await running(them, new_run("t", key="k"))
    return lambda: them.runs.record_step(held, step())


@_scenario
async def finish(them: Checkpointer) -> Write:
    held = await running(them, new_run("t", key="k"))
    await them.threads.append(KEY, [b"old"], expected=0, fence=held)
    last = replace(ending("completed", step()), turn=Turn(KEY, (b"new",), 1))
    return lambda: them.runs.finish(held, last)


@_scenario
async def park(them: Checkpointer) -> Write:
    held = await running(them, new_run("t", key="k"))
    interrupts = [question(id="q")]
    return lambda: them.runs.park(held, interrupts, [Event(type="agent.interrupt")])


@_scenario
async def resume(them: Checkpointer) -> Write:
    held = await running(them, new_run("t", key="k"))
    await them.runs.park(held, [question(id="q")], ())
    return lambda: them.runs.resume(ALICE, held.run_id, {"q": 1})


@_scenario
async def cancel_queued(them: Checkpointer) -> Write:
    run = (await them.runs.accept(new_run("t", key="k"), on_busy="reject")).run
    return lambda: them.runs.cancel(ALICE, run.run_id, reason="enough", grace_s=1)


@_scenario
async def cancel_running(them: Checkpointer) -> Write:
    held = await running(them, new_run("t", key="k"))
    return lambda: them.runs.cancel(ALICE, held.run_id, reason="enough", grace_s=1)


@_scenario
async def intend(them: Checkpointer) -> Write:
    held = await running(them, new_run("t", key="k"))
    call = effect("e")
    return lambda: them.effects.intend(held, call, events=[Event(type="agent.effect.intended")])


@_scenario
async def settle(them: Checkpointer) -> Write:
    held = await running(them, new_run("t", key="k"))
    await them.effects.intend(held, effect("e"))
    outcome, events = EffectOutcome("done", 7), [Event(type="agent.effect.settled")]
    return lambda: them.effects.settle(held, "e", 1, outcome, events=events)


@_scenario
async def doubt(them: Checkpointer) -> Write:
    held = await running(them, new_run("t", key="k"))
    await them.effects.intend(held, effect("e"))
    return lambda: them.effects.doubt(held, "e", 1)


@_scenario
async def thread_append(them: Checkpointer) -> Write:
    held = await running(them, new_run("t", key="k"))
    return lambda: them.threads.append(KEY, [b"one", b"two"], expected=0, fence=held)


@_scenario
async def thread_delete(them: Checkpointer) -> Write:
    held = await running(them, new_run("t", key="k"))
    await them.threads.append(KEY, [b"one"], expected=0, fence=held)
    await them.effects.intend(held, effect("e"))
    await them.effects.settle(held, "e", 1, EffectOutcome("done", 7))
    await them.runs.finish(held, ending())
    return lambda: them.threads.delete(KEY)


class RepeatContract:
    """Every write again, after the commit was lost or its acknowledgement was."""

    @pytest.mark.requirement("RS-9", "CKPT-2", "CKPT-10")
    @pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda it: it.__name__)
    async def test_a_write_whose_acknowledgement_was_lost_counts_once(
        self, checkpointer: Checkpointer, faults: ScriptedFaults, scenario: Scenario
    ) -> None:
        write = await scenario(checkpointer)
        before = await _everything(checkpointer)
        faults.lose_next_acknowledgement()
        with pytest.raises(StoreUnavailableError):
            await write()
        after = await _everything(checkpointer)

        await write()

        assert after != before
        assert await _everything(checkpointer) == after

    @pytest.mark.requirement("RS-10")
    @pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda it: it.__name__)
    async def test_a_write_whose_commit_was_lost_left_nothing_and_may_be_repeated(
        self, checkpointer: Checkpointer, faults: ScriptedFaults, scenario: Scenario
    ) -> None:
        write = await scenario(checkpointer)
        before = await _everything(checkpointer)
        faults.lose_next_commit()
        with pytest.raises(StoreUnavailableError):
            await write()
        after = await _everything(checkpointer)

        await write()

        assert after == before
        assert await _everything(checkpointer) != before

    @pytest.mark.requirement("RS-9", "RS-10")
    async def test_a_lost_renewal_extended_nothing_and_one_without_answer_did(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        lost, unheard = await running(checkpointer), await running(checkpointer)
        faults.ahead_s = LEASE_SECONDS - 1
        faults.lose_next_commit()
        with pytest.raises(StoreUnavailableError):
            await checkpointer.runs.renew([lost])
        faults.lose_next_acknowledgement()
        with pytest.raises(StoreUnavailableError):
            await checkpointer.runs.renew([unheard])

        faults.ahead_s = LEASE_SECONDS + 1
        taken = await checkpointer.runs.claim("two", RUNS, limit=5)

        assert [claim.run.run_id for claim in taken] == [lost.run_id]
        assert (await checkpointer.runs.renew([unheard])).lost == frozenset()

    async def test_a_repeated_accept_gets_the_claim_that_it_missed(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        new = new_run("t", key="k")
        faults.lose_next_acknowledgement()
        with pytest.raises(StoreUnavailableError):
            await checkpointer.runs.accept(new, on_busy="reject", owner="one")

        again = await checkpointer.runs.accept(new, on_busy="reject", owner="one")
        duplicate = await checkpointer.runs.accept(
            new_run("t", key="k"), on_busy="reject", owner="one"
        )

        assert again.claimed is not None
        assert duplicate.replayed
        assert duplicate.claimed is None

    async def test_a_repeated_intent_is_granted_and_an_equal_one_is_not(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        held = await running(checkpointer)
        call = effect("e")
        faults.lose_next_acknowledgement()
        with pytest.raises(StoreUnavailableError):
            await checkpointer.effects.intend(held, call)

        again = await checkpointer.effects.intend(held, call)
        equal = await checkpointer.effects.intend(held, effect("e"))

        assert (again.state, again.attempt) == ("granted", 1)
        assert equal.state == "in_progress"


async def _everything(them: Checkpointer) -> tuple[object, ...]:
    runs = await them.runs.thread_runs(KEY)
    return (
        await them.threads.load(KEY),
        await them.effects.find_effect("e"),
        [timeless(run) for run in runs],
        [await _log(them, run) for run in runs],
    )


async def _log(them: Checkpointer, run: Run) -> tuple[object, ...]:
    try:
        return (
            await them.runs.events(ALICE, run.run_id),
            await them.runs.steps(ALICE, run.run_id),
        )
    except NotFoundError:
        return ()
