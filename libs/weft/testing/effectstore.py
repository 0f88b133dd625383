"""What every ledger of effects promises."""

from collections.abc import Awaitable, Callable

import pytest

from weft.checkpoint import LEASE_SECONDS, Checkpointer, EffectOutcome, Held
from weft.core import new_id
from weft.core.errors import EffectSettledError, FencedError, StoreUnavailableError
from weft.events import Event
from weft.testing.store_values import (
    ALICE,
    RUNS,
    ScriptedFaults,
    all_of,
    effect,
    ending,
    question,
    running,
)

DONE = EffectOutcome("done", {"receipt": 7})
NOT_DONE = EffectOutcome("not_done", message="503")
INTENDED = Event(type="agent.effect.intended")
SETTLED = Event(type="agent.effect.settled")


Leaving = Callable[[Checkpointer, Held, ScriptedFaults], Awaitable[None]]


async def _dies(_them: Checkpointer, _held: Held, faults: ScriptedFaults) -> None:
    faults.ahead_s = LEASE_SECONDS + 1


async def _ends(them: Checkpointer, held: Held, _faults: ScriptedFaults) -> None:
    await them.runs.finish(held, ending("failed"))


async def _waits(them: Checkpointer, held: Held, _faults: ScriptedFaults) -> None:
    await them.runs.park(held, [question()], ())


async def _lets_go(them: Checkpointer, held: Held, _faults: ScriptedFaults) -> None:
    await them.runs.release(held)


async def _doubts(them: Checkpointer, held: Held, _faults: ScriptedFaults) -> None:
    await them.effects.doubt(held, "e", 1)


async def _is_replaced(them: Checkpointer, held: Held, _faults: ScriptedFaults) -> None:
    await them.runs.release(held)
    await them.runs.claim("two", RUNS, limit=1)


LEAVINGS: list[Leaving] = [_dies, _ends, _waits, _lets_go, _doubts, _is_replaced]


class EffectStoreContract:
    """Subclass in a test module and override the `checkpointer` and `faults` fixtures."""

    @pytest.fixture
    def faults(self) -> ScriptedFaults:
        return ScriptedFaults()

    @pytest.fixture
    def checkpointer(self) -> Checkpointer:
        raise NotImplementedError

    @pytest.mark.requirement("FX-2")
    async def test_an_unknown_key_is_granted_with_its_events(
        self, checkpointer: Checkpointer
    ) -> None:
        held = await running(checkpointer)
        assert await checkpointer.effects.find_effect("e") is None

        intent = await checkpointer.effects.intend(held, effect("e"), events=[INTENDED])

        assert (intent.state, intent.attempt, intent.outcome) == ("granted", 1, None)
        events = await checkpointer.runs.events(ALICE, held.run_id, after=2)
        assert events == intent.events
        assert [event.type for event in events] == ["agent.effect.intended"]
        stored = await checkpointer.effects.find_effect("e")
        assert stored is not None
        assert (stored.state, stored.attempt, stored.run_id) == ("in_progress", 1, held.run_id)

    @pytest.mark.requirement("FX-2")
    async def test_intent_and_event_are_kept_together_or_not_at_all(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        held = await running(checkpointer)
        faults.lose_next_commit()

        with pytest.raises(StoreUnavailableError):
            await checkpointer.effects.intend(held, effect("e"), events=[INTENDED])

        assert await checkpointer.effects.find_effect("e") is None
        assert await checkpointer.runs.events(ALICE, held.run_id, after=2) == ()

    @pytest.mark.requirement("RS-16")
    async def test_of_50_racing_intents_one_is_granted(self, checkpointer: Checkpointer) -> None:
        owners = [await running(checkpointer) for _ in range(5)]

        answers = await all_of(
            checkpointer.effects.intend(owners[n % 5], effect("e"), events=[INTENDED])
            for n in range(50)
        )

        states = [answer.state for answer in answers if not isinstance(answer, Exception)]
        assert sorted(states) == ["granted"] + ["in_progress"] * 49
        envelopes = sum(
            [await checkpointer.runs.events(ALICE, it.run_id, after=2) for it in owners], ()
        )
        assert len(envelopes) == 1

    @pytest.mark.requirement("RS-16", "FX-1")
    @pytest.mark.parametrize("leaving", LEAVINGS, ids=lambda it: it.__name__.strip("_"))
    async def test_an_intent_left_behind_is_unknown_and_never_granted_by_itself(
        self, checkpointer: Checkpointer, faults: ScriptedFaults, leaving: Leaving
    ) -> None:
        held = await running(checkpointer)
        await checkpointer.effects.intend(held, effect("e"))
        await leaving(checkpointer, held, faults)
        next_owner = await running(checkpointer)

        intent = await checkpointer.effects.intend(next_owner, effect("e"), events=[INTENDED])

        assert (intent.state, intent.attempt, intent.events) == ("unknown", 1, ())
        assert await checkpointer.runs.events(ALICE, next_owner.run_id, after=2) == ()

    @pytest.mark.requirement("RS-16", "FX-1")
    async def test_an_unknown_attempt_is_taken_over_only_when_asked_for(
        self, checkpointer: Checkpointer
    ) -> None:
        first, second = await running(checkpointer), await running(checkpointer)
        await checkpointer.effects.intend(first, effect("e"))
        early = await checkpointer.effects.intend(second, effect("e"), again=True)
        await checkpointer.effects.doubt(first, "e", 1)

        taken = await checkpointer.effects.intend(second, effect("e"), again=True)

        assert early.state == "in_progress"
        assert (taken.state, taken.attempt) == ("granted", 2)
        with pytest.raises(EffectSettledError):
            await checkpointer.effects.settle(first, "e", 1, DONE)
        assert await checkpointer.effects.settle(second, "e", 2, DONE) == ()

    @pytest.mark.requirement("RS-16", "FX-1", "FX-3")
    async def test_a_recorded_result_stands_for_everybody(self, checkpointer: Checkpointer) -> None:
        first, second = await running(checkpointer), await running(checkpointer)
        await checkpointer.effects.intend(first, effect("e"))

        envelopes = await checkpointer.effects.settle(first, "e", 1, DONE, events=[SETTLED])

        assert await checkpointer.runs.events(ALICE, first.run_id, after=2) == envelopes
        for again in (False, True):
            intent = await checkpointer.effects.intend(
                second, effect("e"), again=again, events=[INTENDED]
            )
            assert (intent.state, intent.attempt, intent.outcome) == ("settled", 1, DONE)
            assert (intent.run_id, intent.events) == (first.run_id, ())
            assert intent.recorded_at is not None

    @pytest.mark.requirement("FX-3")
    async def test_outcome_and_event_are_kept_together_or_not_at_all(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        held = await running(checkpointer)
        await checkpointer.effects.intend(held, effect("e"))
        faults.lose_next_commit()

        with pytest.raises(StoreUnavailableError):
            await checkpointer.effects.settle(held, "e", 1, DONE, events=[SETTLED])

        stored = await checkpointer.effects.find_effect("e")
        assert stored is not None
        assert stored.state == "in_progress"
        assert await checkpointer.runs.events(ALICE, held.run_id, after=2) == ()

    @pytest.mark.requirement("RS-16", "FX-1")
    async def test_what_was_not_done_may_be_tried_again_under_its_key(
        self, checkpointer: Checkpointer
    ) -> None:
        held = await running(checkpointer)
        await checkpointer.effects.intend(held, effect("e"))
        await checkpointer.effects.settle(held, "e", 1, NOT_DONE)

        second = await checkpointer.effects.intend(held, effect("e"))
        await checkpointer.effects.settle(held, "e", 2, DONE)
        third = await checkpointer.effects.intend(held, effect("e"))

        assert (second.state, second.attempt) == ("granted", 2)
        assert (third.state, third.attempt, third.outcome) == ("settled", 2, DONE)

    @pytest.mark.requirement("CKPT-10")
    async def test_the_first_settlement_of_an_attempt_stands(
        self, checkpointer: Checkpointer
    ) -> None:
        held = await running(checkpointer)
        await checkpointer.effects.intend(held, effect("e"))
        await checkpointer.effects.settle(held, "e", 1, NOT_DONE, events=[SETTLED])
        await checkpointer.effects.intend(held, effect("e"))

        again = await checkpointer.effects.settle(held, "e", 1, NOT_DONE, events=[SETTLED])
        with pytest.raises(EffectSettledError):
            await checkpointer.effects.settle(held, "e", 1, DONE)

        assert again == ()
        stored = await checkpointer.effects.find_effect("e")
        assert stored is not None
        assert (stored.state, stored.attempt) == ("in_progress", 2)
        assert len(await checkpointer.runs.events(ALICE, held.run_id, after=2)) == 1

    @pytest.mark.requirement("CKPT-10")
    async def test_doubt_undoes_no_settlement(self, checkpointer: Checkpointer) -> None:
        held = await running(checkpointer)
        await checkpointer.effects.intend(held, effect("e"))
        await checkpointer.effects.settle(held, "e", 1, DONE)

        await checkpointer.effects.doubt(held, "e", 1)

        stored = await checkpointer.effects.find_effect("e")
        assert stored is not None
        assert stored.outcome == DONE

    @pytest.mark.requirement("RS-16")
    async def test_a_person_settles_what_nobody_knows_and_is_named(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        held = await running(checkpointer)
        await checkpointer.effects.intend(held, effect("e"))
        faults.ahead_s = LEASE_SECONDS + 1
        (taken,) = await checkpointer.runs.claim("two", RUNS, limit=1)
        said = EffectOutcome("done", "paid by hand", settled_by="bob")

        await checkpointer.effects.settle(taken.held, "e", 1, said)

        stored = await checkpointer.effects.find_effect("e")
        assert stored is not None
        assert (stored.state, stored.outcome) == ("settled", said)

    async def test_an_attempt_of_a_living_owner_is_settled_by_nobody_else(
        self, checkpointer: Checkpointer
    ) -> None:
        first, second = await running(checkpointer), await running(checkpointer)
        await checkpointer.effects.intend(first, effect("e"))

        with pytest.raises(FencedError):
            await checkpointer.effects.settle(second, "e", 1, DONE)

        stored = await checkpointer.effects.find_effect("e")
        assert stored is not None
        assert stored.state == "in_progress"

    @pytest.mark.requirement("RS-6")
    async def test_a_stale_owner_settles_nothing(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        held = await running(checkpointer)
        await checkpointer.effects.intend(held, effect("e"))
        faults.ahead_s = LEASE_SECONDS + 1
        await checkpointer.runs.claim("two", RUNS, limit=1)

        with pytest.raises(FencedError):
            await checkpointer.effects.settle(held, "e", 1, DONE)

        stored = await checkpointer.effects.find_effect("e")
        assert stored is not None
        assert stored.state == "unknown"

    async def test_keys_are_apart(self, checkpointer: Checkpointer) -> None:
        held = await running(checkpointer)
        keys = [new_id() for _ in range(3)]

        intents = [await checkpointer.effects.intend(held, effect(key)) for key in keys]

        assert [intent.state for intent in intents] == ["granted"] * 3
