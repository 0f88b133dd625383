"""What every run store promises about questions, answers and cancellation."""

import pytest

from weft.checkpoint import LEASE_SECONDS, Checkpointer
from weft.core import JsonValue, Usage
from weft.core.errors import (
    CanceledError,
    FencedError,
    InterruptAnsweredError,
    InterruptExpiredError,
    InterruptNotFoundError,
    RunNotInterruptedError,
)
from weft.events import Event
from weft.testing.store_values import (
    ALICE,
    RUNS,
    ScriptedFaults,
    all_of,
    effect,
    ending,
    new_run,
    question,
    running,
    step,
    timeless,
)


class WaitingContract:
    """Parking, resuming and cancelling."""

    async def test_a_parked_run_has_no_owner_and_shows_its_questions(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        interrupt = question(id="q")

        events = await runs.park(held, [interrupt], [Event(type="agent.interrupt")])

        run = await runs.read(ALICE, held.run_id)
        assert (run.status, run.owner, run.interrupts) == ("interrupted", None, (interrupt,))
        before, put, last = events
        assert before.type == "agent.interrupt"
        assert (put.type, put.data["interrupt_id"]) == ("interrupt.requested", "q")
        assert put.data["message"] == interrupt.message
        assert (last.type, last.data) == ("run.interrupted", {"interrupt_ids": ["q"]})
        faults.ahead_s = 100 * LEASE_SECONDS
        assert await runs.claim("two", RUNS, limit=5) == []
        with pytest.raises(FencedError):
            await runs.record_step(held, step("late"))

    @pytest.mark.requirement("A2A-68")
    async def test_a_run_that_waits_says_what_it_spent_until_it_goes_on_or_ends(
        self, checkpointer: Checkpointer
    ) -> None:
        runs, spent = checkpointer.runs, Usage(total_tokens=7, model_calls=1)
        answered, stopped = await running(checkpointer), await running(checkpointer)
        await runs.park(answered, [question(id="q")], (), spent=spent)
        await runs.park(stopped, [question(id="r")], (), spent=spent)

        waits = await runs.read(ALICE, answered.run_id)
        await runs.resume(ALICE, answered.run_id, {"q": "yes"})
        goes_on = await runs.read(ALICE, answered.run_id)
        await runs.cancel(ALICE, stopped.run_id, reason="enough", grace_s=1)
        claimed = await runs.claim("two", RUNS, limit=5)

        assert waits.result is not None
        assert waits.result["usage"] == spent.to_json()
        assert goes_on.result is None
        [taken] = [claim for claim in claimed if claim.held.run_id == stopped.run_id]
        # Whoever ends it says so, too.
        assert taken.run.result == waits.result

    async def test_answers_queue_the_run_again_and_are_steps(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        await runs.park(held, [question(id="a"), question(id="b")], ())

        half = await runs.resume(ALICE, held.run_id, {"a": {"yes": True}})
        whole = await runs.resume(ALICE, held.run_id, {"b": None})

        assert (half.status, [it.id for it in half.interrupts]) == ("interrupted", ["b"])
        assert (whole.status, whole.interrupts) == ("queued", ())
        (taken,) = await runs.claim("two", RUNS, limit=1)
        said = {path: outcome["answer"] for path, outcome in taken.steps.items()}
        assert said == {("interrupt", "a"): {"yes": True}, ("interrupt", "b"): None}
        (resumed,) = taken.events
        assert (resumed.type, resumed.data["cause"]) == ("run.resumed", "answered")
        assert resumed.data["interrupt_ids"] == ["a", "b"]

    async def test_who_answered_what_is_told_once_and_without_secrets(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        interrupt = question(id="q").model_copy(update={"path": ("pay",), "agent": "payer"})
        await runs.park(held, [interrupt], ())
        answer: JsonValue = {"approved": True, "password": "hunter2"}

        for _ in range(2):
            await runs.resume(ALICE, held.run_id, {"q": answer})

        resolved = (await runs.events(ALICE, held.run_id))[4:]
        assert [event.type for event in resolved] == ["interrupt.resolved"]
        assert (resolved[0].path, resolved[0].agent) == (("pay",), "payer")
        assert resolved[0].data == {
            "interrupt_id": "q",
            "status": "resolved",
            "resolved_by": "alice",
            "payload_preview": '{"approved":true,"password":"[redacted]"}',
        }

    @pytest.mark.requirement("RS-15")
    async def test_of_50_racing_answers_one_is_taken(self, checkpointer: Checkpointer) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        await runs.park(held, [question(id="q")], ())

        answers = await all_of(runs.resume(ALICE, held.run_id, {"q": n}) for n in range(50))

        refused = [it for it in answers if isinstance(it, InterruptAnsweredError)]
        assert len(refused) == 49
        winner = next(n for n, it in enumerate(answers) if not isinstance(it, Exception))
        stored = await runs.steps(ALICE, held.run_id)
        first = stored["interrupt", "q"]
        assert (first["answer"], first["by"]) == (winner, "alice")
        assert {(error.resolved_by, error.resolved_at) for error in refused} == {
            ("alice", first["at"])
        }

    async def test_the_same_answer_again_changes_nothing(self, checkpointer: Checkpointer) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        await runs.park(held, [question(id="q")], ())
        answer: JsonValue = {"a": 1, "b": 2}
        await runs.resume(ALICE, held.run_id, {"q": answer})
        await runs.claim("two", RUNS, limit=1)

        again = await runs.resume(ALICE, held.run_id, {"q": {"b": 2, "a": 1}})

        assert again.status == "running"
        with pytest.raises(InterruptAnsweredError):
            await runs.resume(ALICE, held.run_id, {"q": "another"})

    async def test_answers_that_fit_nothing_are_refused_whole(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        with pytest.raises(RunNotInterruptedError):
            await runs.resume(ALICE, held.run_id, {"q": 1})
        await runs.park(held, [question(id="q")], ())

        with pytest.raises(InterruptNotFoundError):
            await runs.resume(ALICE, held.run_id, {"q": 1, "other": 1})

        assert await runs.steps(ALICE, held.run_id) == {}
        assert (await runs.read(ALICE, held.run_id)).status == "interrupted"

    async def test_a_question_has_its_own_time_and_the_deadline_rests(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        answered = await running(checkpointer, new_run(timeout_s=10))
        ignored = await running(checkpointer, new_run(timeout_s=10))
        for held in (answered, ignored):
            await runs.park(held, [question(id="q", expires_in=60.0)], ())

        faults.ahead_s = 50.0
        resumed = await runs.resume(ALICE, answered.run_id, {"q": 1})
        assert resumed.remaining_s is not None
        assert 9 < resumed.remaining_s <= 10
        faults.ahead_s = 61.0
        with pytest.raises(InterruptExpiredError):
            await runs.resume(ALICE, ignored.run_id, {"q": 1})
        await runs.claim("two", RUNS, limit=5)

        run = await runs.read(ALICE, ignored.run_id)
        assert run.status == "expired"
        lapsed, last = (await runs.events(ALICE, ignored.run_id))[-2:]
        assert (lapsed.type, lapsed.data) == ("interrupt.expired", {"interrupt_id": "q"})
        assert (last.type, last.data["cause"]) == ("run.expired", "interrupt")

    @pytest.mark.requirement("GW-27")
    async def test_cancelling_a_queued_run_ends_it_at_once(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        accepted = await runs.accept(new_run(), on_busy="reject")

        run = await runs.cancel(ALICE, accepted.run.run_id, reason="enough", grace_s=1)

        assert run.status == "canceled"
        assert await runs.claim("two", RUNS, limit=1) == []
        events = await runs.events(ALICE, run.run_id)
        assert [it.type for it in events] == ["run.accepted", "run.canceling", "run.canceled"]

    @pytest.mark.requirement("GW-22")
    async def test_a_run_told_to_stop_starts_no_effect_and_ends_canceled(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        open_intent = await checkpointer.effects.intend(held, effect())

        run = await runs.cancel(ALICE, held.run_id, reason="enough", grace_s=2)

        assert run.status == "canceling"
        assert run.cancel is not None
        assert (run.cancel["requested_by"], run.cancel["grace_s"]) == ("alice", 2)
        assert (await runs.renew([held])).canceling == {held.run_id: run.cancel}
        with pytest.raises(CanceledError):
            await checkpointer.effects.intend(held, effect())
        with pytest.raises(CanceledError):
            await runs.finish(held, ending("completed"))
        with pytest.raises(CanceledError):
            await runs.park(held, [question()], ())
        assert open_intent.state == "granted"
        await runs.finish(held, ending("canceled"))
        assert (await runs.read(ALICE, held.run_id)).status == "canceled"

    async def test_cancelling_again_changes_nothing(self, checkpointer: Checkpointer) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        first = await runs.cancel(ALICE, held.run_id, reason="first", grace_s=1)

        second = await runs.cancel(ALICE, held.run_id, reason="second", grace_s=9)

        assert timeless(second) == timeless(first)
        assert (await runs.read(ALICE, held.run_id)).last_seq == 3

    @pytest.mark.requirement("GW-25")
    async def test_cancelling_again_may_only_shorten_the_grace(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        first = await runs.cancel(ALICE, held.run_id, reason="first", grace_s=9)

        second = await runs.cancel(ALICE, held.run_id, reason="second", grace_s=1)

        assert first.cancel is not None
        assert second.cancel == {**first.cancel, "grace_s": 1}
        # Whoever works for it hears of it with the next renewal.
        assert (await runs.renew([held])).canceling == {held.run_id: second.cancel}

    @pytest.mark.requirement("GW-27")
    async def test_a_waiting_run_that_is_cancelled_finds_an_owner_who_closes_it(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        await runs.park(held, [question(id="q")], ())

        run = await runs.cancel(ALICE, held.run_id, reason="enough", grace_s=1)

        assert (run.status, run.interrupts) == ("canceling", ())
        asked_to, closed = (await runs.events(ALICE, held.run_id))[-2:]
        assert asked_to.type == "run.canceling"
        assert (closed.type, closed.data["status"]) == ("interrupt.resolved", "canceled")
        with pytest.raises(RunNotInterruptedError):
            await runs.resume(ALICE, held.run_id, {"q": 1})
        (taken,) = await runs.claim("two", RUNS, limit=1)
        assert taken.run.status == "canceling"
        await runs.finish(taken.held, ending("canceled"))
