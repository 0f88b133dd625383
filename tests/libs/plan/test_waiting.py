"""Peers that are gone for a while, and what may be said of a task they may have taken."""

from typing import Any

import anyio
import pytest

from tests.libs.plan.doubles import RUN_ID, FakePeer, Journal, Peers, done, failed
from weft.checkpoint import Held
from weft.core import Authority, Deadline, Interrupt, JsonObject, JsonValue, Path, Principal, Result
from weft.core.protocol_errors import PeerUnavailableError
from weft.loop import Task
from weft.plan import Call, Interpreter, PickedPeer, Plan, StepPatience, Target

AWAY = failed("peer_unavailable", retryable=True)
LOST = failed("outcome_unknown")
PATIENT = StepPatience(0.001, 5)


def plan(**more: object) -> Plan:
    return Plan(id="p", goal="g", root=Call.model_validate({"id": "a", "capability": "a", **more}))


async def run(
    peers: Peers,
    journal: Journal,
    what: Plan,
    *,
    pace: StepPatience = PATIENT,
    **limits: Any,  # noqa: ANN401 - fields of an authority
) -> Result:
    with anyio.fail_after(15):
        walked = Interpreter(peers, journal, pace=pace)
        return (await walked.run(what, Authority(**limits))).result


def answered(question: Interrupt, answer: JsonValue) -> dict[Path, JsonObject]:
    return {("interrupt", question.id): {"answer": answer}}


class Owned(Journal):
    """A journal of a run that had another owner before."""

    def __init__(self) -> None:
        super().__init__()
        self.held = Held(RUN_ID, 2)


async def test_a_peer_that_restarts_costs_no_run_and_no_more_attempts_than_there_are() -> None:
    peers, journal = Peers(a=FakePeer("a", [*[AWAY] * 9, done("back")])), Journal()

    result = await run(peers, journal, plan())

    assert (result.status, result.text) == ("completed", "back")
    assert {task.message_id for task in peers["a"].tasks} == {f"{RUN_ID}:a"}
    assert [path for path in journal.steps if path[-1].startswith("~")] == [
        ("a", "~1"),
        ("a", "~2"),
    ]
    assert journal.types().count("plan.step.started") == 3


async def test_a_peer_that_is_not_offered_for_a_moment_is_waited_for() -> None:
    class Late(Peers):
        def pick(self, target: Target, principal: Principal) -> PickedPeer:
            if len(self.targets) < 4:
                self.targets.append(target)
                raise PeerUnavailableError("nobody offers 'a' now")
            return super().pick(target, principal)

    result = await run(Late(a=done("here")), Journal(), plan())

    assert result.text == "here"


@pytest.mark.parametrize("offered", [True, False])
async def test_patience_ends_and_says_that_nobody_was_reached(*, offered: bool) -> None:
    peers, journal = Peers(**({"a": AWAY} if offered else {})), Journal()

    result = await run(peers, journal, plan(), pace=StepPatience(0.001, 0.05))

    [reason] = result.reasons
    assert (result.status, reason.code, reason.retryable) == ("failed", "peer_unavailable", True)
    assert journal.types().count("plan.step.failed") + len(journal.steps) >= 1


async def test_waiting_ends_with_the_time_of_the_step() -> None:
    result = await run(Peers(a=AWAY), Journal(), plan(), deadline=Deadline.after(0.2))

    assert result.status == "failed"
    assert "deadline_exceeded" in {reason.code for reason in result.reasons}


async def test_the_danger_of_the_peer_decides_whether_a_lost_outcome_is_asked_about() -> None:
    class Risky(Peers):
        def pick(self, target: Target, principal: Principal) -> PickedPeer:
            picked = super().pick(target, principal)
            return PickedPeer(picked.peer, effects=picked.effects, risk="high")

    asked, safe = Risky(a=LOST), Risky(a=LOST)
    safe.safe = True

    parked = await run(asked, Journal(), plan())
    branch = await run(safe, Journal(), plan())

    assert [each.reason for each in parked.interrupts] == ["outcome_unknown"]
    assert (branch.status, branch.reasons[0].code) == ("failed", "outcome_unknown")
    assert len(safe["a"].tasks) == 1


@pytest.mark.requirement("PLAN-15")
async def test_a_retry_after_a_lost_outcome_is_the_same_message_to_the_same_peer() -> None:
    journal, risky = Journal(), plan(risk="high")
    [question] = (await run(Peers(a=FakePeer("payer", [LOST])), journal, risky)).interrupts
    peers = Peers(a=FakePeer("other", [done("twice")]), payer=FakePeer("payer", [done("once")]))

    result = await run(peers, Journal({**journal.steps, **answered(question, "retry")}), risky)

    assert result.text == "once"
    assert peers["a"].tasks == []
    assert [task.message_id for task in peers["payer"].tasks] == [f"{RUN_ID}:a"]


async def test_a_retry_that_is_lost_too_is_asked_about_again() -> None:
    journal, risky = Journal(), plan(risk="high", retries=0)
    steps: dict[Path, JsonObject] = {}
    seen: list[str] = []
    for _ in range(4):
        peers = Peers(a=FakePeer("a", [LOST]))
        journal = Journal(steps)
        [question] = (await run(peers, journal, risky)).interrupts
        seen.append(question.id)
        steps = {**journal.steps, **answered(question, {"outcome": "retry"})}

    assert len(set(seen)) == 4


async def test_after_fail_or_accept_nothing_is_sent_any_more() -> None:
    journal, risky = Journal(), plan(risk="high")
    [question] = (await run(Peers(a=LOST), journal, risky)).interrupts
    for answer, status in (("fail", "failed"), ("accept", "completed")):
        peers = Peers(a=done("late"))
        result = await run(peers, Journal({**journal.steps, **answered(question, answer)}), risky)

        assert (result.status, peers["a"].tasks) == (status, [])


async def test_what_an_earlier_owner_may_have_sent_is_never_told_as_unreached() -> None:
    quick, risky = StepPatience(0.001, 0.02), plan(risk="high")

    fresh = await run(Peers(a=AWAY), Journal(), risky, pace=quick)
    recovered = await run(Peers(a=AWAY), Owned(), risky, pace=quick)

    assert fresh.reasons[0].code == "peer_unavailable"
    assert [each.reason for each in recovered.interrupts] == ["outcome_unknown"]


async def test_a_peer_that_asked_and_is_gone_when_answered_keeps_its_task() -> None:
    asks = Interrupt(id="q1", reason="question", message="which?")
    journal, risky = Journal(), plan(risk="high")
    await run(Peers(a=Result(status="interrupted", interrupts=(asks,))), journal, risky)
    steps = {**journal.steps, **answered(asks, "eu")}

    def back(task: Task) -> Result:
        return done(str(task.answers["q1"]))

    gone = await run(Peers(a=AWAY), Journal(steps), risky, pace=StepPatience(0.001, 0.02))
    found = await run(Peers(a=FakePeer("a", [*[AWAY] * 5, back])), Journal(steps), risky)

    assert [each.reason for each in gone.interrupts] == ["outcome_unknown"]
    assert found.text == "eu"
