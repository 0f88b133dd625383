"""Limits hold also while somebody is waited for, stopped or cannot be stopped; time passes at once."""

import asyncio
from collections.abc import Mapping

import pytest

from tests.libs.plan.doubles import FakePeer, FakeRun, Peers, done, failed
from tests.libs.plan.random_plans import LoopClock, QuickLoop
from weft.core import Authority, Budget, Claim, JsonValue, Result, Usage
from weft.loop import Task
from weft.plan import Call, Interpreter, Node, Parallel, Plan, Sequence, StepPatience
from weft.runs import LocalJournal

AWAY = failed("peer_unavailable", retryable=True)


async def forever(_: Task) -> Result:
    await asyncio.Event().wait()
    return done()


class Deaf(FakePeer):
    """Takes no end."""

    def start(self, task: Task) -> FakeRun:
        run = super().start(task)

        async def cancel(reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
            del reason, grace_s
            await asyncio.sleep(10_000)
            return None

        run.cancel = cancel  # type: ignore[method-assign]
        return run


def walked(
    root: Node, budget: Budget | None = None, **peers: FakePeer
) -> tuple[Result, float, Mapping[str, int]]:
    """Return what the plan came to, the seconds it took, and how often each peer was started."""
    loop = QuickLoop()
    crowd = Peers(**peers)
    crowd.safe = True

    async def carried_out() -> Result:
        interpreter = Interpreter(
            crowd, LocalJournal(), clock=LoopClock(loop), pace=StepPatience(0.2, 20.0)
        )
        plan = Plan(id="p", goal="g", root=root, budget=budget)
        return (await interpreter.run(plan, Authority())).result

    try:
        began = loop.time()
        # A plan that is not done by then waits for what never comes.
        result = loop.run_until_complete(asyncio.wait_for(carried_out(), 5_000))
        return result, loop.time() - began, {name: len(peers[name].tasks) for name in peers}
    finally:
        loop.close()


def call(name: str, **fields: object) -> Call:
    return Call.model_validate({"id": name, "capability": name, "retries": 0, **fields})


@pytest.mark.requirement("PLAN-9")
def test_who_is_away_is_waited_for_no_longer_than_the_step_has() -> None:
    result, seconds, _ = walked(call("a", timeout=1.0), a=FakePeer("a", [AWAY]))

    assert result.status == "failed"
    assert seconds <= 1.0 + 1e-6


@pytest.mark.requirement("PLAN-31")
def test_what_reached_nobody_is_no_call() -> None:
    steps = Sequence(id="s", steps=(call("a"), call("b")))
    back = FakePeer("a", [*[AWAY] * 4, done()])

    result, _, started = walked(steps, Budget(calls=2), a=back, b=FakePeer("b", [done()]))

    assert result.status == "completed"
    assert started == {"a": 5, "b": 1}


@pytest.mark.requirement("PLAN-9")
def test_nobody_is_started_once_another_branch_has_spent_what_was_left() -> None:
    branches = (call("a"), call("b", on_failure="absorb"))
    root = Parallel(id="p", branches=branches, join="concatenate", tolerate=1)
    greedy = FakePeer("b", [done(usage=Usage(total_tokens=99, model_calls=1))])

    result, _, started = walked(root, Budget(tokens=10), a=FakePeer("a", [AWAY]), b=greedy)

    assert started["a"] == 1
    assert result.usage.total_tokens == 99


@pytest.mark.requirement("PLAN-9")
@pytest.mark.parametrize("root", [
    call("a", timeout=2.0),
    Parallel(id="p", join="any", timeout=2.0, branches=(call("a"), call("b"))),
])  # fmt: skip
def test_who_does_not_stop_holds_nobody_up(root: Node) -> None:
    _, seconds, _ = walked(root, a=Deaf("a", [forever]), b=FakePeer("b", [done()]))

    assert seconds <= 3.0 + 1e-6


@pytest.mark.requirement("PLAN-23")
@pytest.mark.parametrize("root", [
    call("a", timeout=2.0),
    Parallel(id="p", join="any", branches=(call("a"), call("b"))),
])  # fmt: skip
def test_what_somebody_took_who_was_stopped_is_unknown(root: Node) -> None:
    result, _, _ = walked(root, a=FakePeer("a", [forever]), b=FakePeer("b", [done()]))

    assert result.usage.unknown is True


@pytest.mark.requirement("PLAN-23")
def test_what_a_branch_took_before_it_was_stopped_counts() -> None:
    spent = done(usage=Usage(total_tokens=5, model_calls=1))
    slow = Sequence(id="s", steps=(call("a"), call("c")))
    root = Parallel(id="p", join="any", branches=(slow, call("b")))

    async def late(_: Task) -> Result:
        await asyncio.sleep(1)
        return spent

    result, _, _ = walked(
        root, a=FakePeer("a", [spent]), b=FakePeer("b", [late]), c=FakePeer("c", [forever])
    )

    assert (result.usage.total_tokens, result.usage.unknown) == (10, True)


@pytest.mark.requirement("PLAN-23")
def test_what_a_peer_took_that_broke_is_unknown() -> None:
    def broken(_: Task) -> Result:
        raise RuntimeError("a bug")

    result, _, _ = walked(call("a"), a=FakePeer("a", [broken]))

    assert result.usage.unknown is True


@pytest.mark.requirement("PLAN-9")
@pytest.mark.parametrize("code", ["budget_exhausted", "deadline_exceeded", "depth_exceeded"])
def test_what_a_peer_has_no_more_of_is_not_tried_again(code: str) -> None:
    spent = failed(code, retryable=True)

    result, _, started = walked(call("a", retries=3), a=FakePeer("a", [spent, done()]))

    assert (result.status, result.reasons[0].code) == ("failed", code)
    assert started == {"a": 1}


@pytest.mark.requirement("SYN-8")
def test_a_report_for_whose_words_nothing_is_left_is_the_rules() -> None:
    claim = Claim(text="payment: waits", subject="payment", predicate="root_cause")
    found = done(claims=[claim.to_json()])
    root = Parallel(id="p", branches=(call("a"), call("b")), join="synthesize", synthesize="model")

    def told(budget: Budget | None) -> tuple[Result, int]:
        peers = {"a": FakePeer("a", [found]), "b": FakePeer("b", [found])}
        words = FakePeer("synthesize", [done(f"It waits [{claim.finding_id}].")])
        result, _, started = walked(root, budget, **peers, synthesize=words)
        return result, started["synthesize"]

    poor, rich = told(Budget(calls=2)), told(None)

    assert (poor[0].status, poor[1], rich[1]) == ("completed", 0, 1)
    assert "payment" in poor[0].text
    assert "In a language model's words" in rich[0].text
    assert "In a language model's words" not in poor[0].text
    assert [reason.code for reason in poor[0].reasons] == ["budget_exhausted"]
