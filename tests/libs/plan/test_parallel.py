"""Branches at once: joins, tolerance, early ends, and what they commit."""

import anyio
import pytest

from tests.libs.plan.doubles import FakePeer, Journal, Peers, done, failed
from weft.core import Authority, Budget, Result, Usage
from weft.loop import Task
from weft.plan import Call, Interpreter, Node, Parallel, Plan, PlanOutcome, Sequence

SYNTHESIZE = {"join": "synthesize", "tolerate": 2}


def fan(*names: str, **fields: object) -> Parallel:
    branches = tuple(Call(id=name, capability=name, retries=0) for name in names)
    return Parallel.model_validate({"id": "probe", "branches": branches, **fields})


async def run(root: Node, peers: Peers, journal: Journal | None = None) -> PlanOutcome:
    with anyio.fail_after(5):
        return await Interpreter(peers, journal or Journal()).run(
            Plan(id="p", goal="why?", root=root)
        )


def waiting_for(event: anyio.Event, result: Result | None = None) -> FakePeer:
    async def answer(_: Task) -> Result:
        await event.wait()
        return result or done("late")

    return FakePeer("slow", [answer])


async def test_a_fan_out_commits_each_arrival_but_leaves_the_last_to_the_end() -> None:
    journal = Journal()

    outcome = await run(
        fan("a", "b", "c", **SYNTHESIZE), Peers(a=done(), b=done(), c=done()), journal
    )

    assert sorted(journal.commits) == [("probe", "a"), ("probe", "b")]
    assert [write.path for write in outcome.unrecorded] == [("probe", "c")]


async def test_the_last_arrival_waits_for_no_commit_of_the_others() -> None:
    class Stuck(Journal):
        async def record(self, path, outcome, events=()):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            if path == ("probe", "a"):
                recording.set()
                await free.wait()
            return await super().record(path, outcome, events)

    recording, free = anyio.Event(), anyio.Event()

    async def second(_: Task) -> Result:
        await recording.wait()
        free.set()
        return done()

    outcome = await run(fan("a", "b", **SYNTHESIZE), Peers(a=done(), b=second), Stuck())

    assert [write.path for write in outcome.unrecorded] == [("probe", "b")]


async def test_all_gives_a_map_in_branch_order() -> None:
    first = anyio.Event()

    def last(_: Task) -> Result:
        first.set()
        return done("B")

    outcome = await run(fan("a", "b"), Peers(a=waiting_for(first, done("A")), b=last))

    assert outcome.result.data == {"a": "A", "b": "B"}
    assert list(outcome.result.data) == ["a", "b"]


async def test_all_fails_with_any_branch_and_keeps_the_others() -> None:
    outcome = await run(fan("a", "b"), Peers(a=done("A"), b=failed()))

    assert outcome.result.status == "failed"
    assert [reason.code for reason in outcome.result.reasons] == ["fan_out_failed", "peer_failed"]
    assert (outcome.result.data, outcome.result.partial) == ({"a": "A"}, True)


async def test_a_fan_out_that_failed_says_why_each_branch_did() -> None:
    away = Result.failed("model_unavailable", "nobody answers at http://127.0.0.1:9")
    peers = Peers(a=away, b=failed("x"), c=away, d=Result.failed("long", "w" * 5000))

    outcome = await run(fan("a", "b", "c", "d"), peers)

    whole, *each = outcome.result.reasons
    assert whole.message == (
        "every branch failed: a, c: nobody answers at http://127.0.0.1:9; b: it is x; d: "
        + "w" * 200
    )
    assert [reason.code for reason in each] == [
        "model_unavailable",
        "x",
        "model_unavailable",
        "long",
    ]


@pytest.mark.requirement("PLAN-20")
async def test_any_takes_the_first_and_cancels_the_rest() -> None:
    never = anyio.Event()
    peers = Peers(a=waiting_for(never), b=done("quick"))

    outcome = await run(fan("a", "b", join="any"), peers)

    assert outcome.result.text == "quick"
    assert peers["a"].runs[0].canceled is not None


@pytest.mark.requirement("PLAN-20")
async def test_a_quorum_that_cannot_be_met_fails_at_once() -> None:
    never = anyio.Event()
    peers = Peers(a=failed(), b=failed(), c=waiting_for(never))

    outcome = await run(fan("a", "b", "c", join="quorum", quorum=2), peers)

    assert outcome.result.reasons[0].code == "fan_out_failed"
    assert peers["c"].runs[0].canceled is not None


@pytest.mark.requirement("PLAN-20")
async def test_a_met_quorum_gives_its_branches_in_branch_order() -> None:
    never, second = anyio.Event(), anyio.Event()

    def quick(_: Task) -> Result:
        second.set()
        return done("C")

    peers = Peers(a=waiting_for(second, done("A")), b=waiting_for(never), c=quick)

    outcome = await run(fan("a", "b", "c", join="quorum", quorum=2), peers)

    assert outcome.result.data == {"a": "A", "c": "C"}
    assert list(outcome.result.data) == ["a", "c"]


@pytest.mark.requirement("PLAN-20")
async def test_joined_text_follows_branch_order_not_finishing_order() -> None:
    first = anyio.Event()

    def last(_: Task) -> Result:
        first.set()
        return done("B")

    peers = Peers(a=waiting_for(first, done("A")), b=last, c=failed())

    outcome = await run(fan("a", "b", "c", join="concatenate", tolerate=1, separator=" | "), peers)

    assert outcome.result.text == "A | B"


async def test_last_is_the_last_declared_branch() -> None:
    good = await run(fan("a", "b", join="last"), Peers(a=failed(), b=done("B")))
    bad = await run(fan("a", "b", join="last"), Peers(a=done("A"), b=failed()))

    assert (good.result.text, bad.result.status) == ("B", "failed")


@pytest.mark.requirement("PLAN-19")
@pytest.mark.parametrize("join", ["synthesize", "concatenate", "all", "any", "last"])
async def test_all_branches_failing_is_a_failure_whatever_is_tolerated(join: str) -> None:
    outcome = await run(fan("a", "b", join=join, tolerate=9), Peers(a=failed("x"), b=failed("y")))

    assert outcome.result.status == "failed"
    assert [reason.code for reason in outcome.result.reasons] == ["fan_out_failed", "x", "y"]
    assert [reason.peer for reason in outcome.result.reasons] == [None, "a", "b"]


@pytest.mark.requirement("PLAN-21")
@pytest.mark.parametrize("fast", [True, False])
async def test_fail_fast_stops_the_others_and_its_absence_keeps_them(fast: bool) -> None:  # noqa: FBT001
    free = anyio.Event()

    def broken(_: Task) -> Result:
        if not fast:
            free.set()
        return failed()

    peers = Peers(a=waiting_for(free, done("kept")), b=broken)

    outcome = await run(fan("a", "b", fail_fast=fast), peers)

    assert outcome.result.status == "failed"
    assert (outcome.result.data == {"a": "kept"}) is not fast
    assert (peers["a"].runs[0].canceled is not None) is fast


@pytest.mark.requirement("PLAN-24")
async def test_at_most_max_parallel_branches_run_at_once() -> None:
    running, most = 0, 0

    async def counted(_: Task) -> Result:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.lowlevel.checkpoint()
        running -= 1
        return done()

    names = [f"n{index}" for index in range(7)]

    await run(fan(*names, max_parallel=3), Peers(**dict.fromkeys(names, counted)))

    assert most == 3


@pytest.mark.requirement("PLAN-18")
async def test_absorb_turns_a_failure_into_an_absent_result_and_marks_all_around_it() -> None:
    branch = Call(id="a", capability="a", on_failure="absorb")
    tree = Sequence(
        id="s", steps=(Parallel(id="p", branches=(branch, Call(id="b", capability="b"))),)
    )

    outcome = await run(tree, Peers(a=failed(), b=done("B")))

    assert (outcome.result.status, outcome.result.partial) == ("completed", True)
    assert [reason.code for reason in outcome.result.reasons] == ["peer_failed"]


async def test_a_fallback_runs_instead_of_failing() -> None:
    node = Call(id="a", capability="a", fallback=Call(id="spare", capability="b"))

    outcome = await run(node, Peers(a=failed(), b=done("B")))

    assert outcome.result.text == "B"
    assert outcome.unrecorded[-1].path == ("a", "spare")


async def test_a_question_in_one_branch_lets_the_others_end_and_parks_the_run() -> None:
    asks = Result.model_validate(
        {"status": "interrupted", "interrupts": [{"id": "q", "reason": "question", "message": "?"}]}
    )
    journal = Journal()

    outcome = await run(fan("a", "b"), Peers(a=asks, b=done("B")), journal)

    assert (outcome.result.status, outcome.unrecorded) == ("interrupted", ())
    assert [each.path for each in outcome.result.interrupts] == [("probe", "a")]
    assert ("probe", "b") in journal.steps


@pytest.mark.requirement("PLAN-13")
async def test_a_partial_fan_out_is_not_asked_again_once_something_was_built_on_it() -> None:
    tree = Sequence(
        id="s", steps=(fan("a", "b", **SYNTHESIZE), Call(id="c", capability="c", prompt="{input}"))
    )
    first = Journal()
    await run(tree, Peers(a=done("A"), b=failed(), c=failed()), first)
    peers = Peers(a=done(), b=done(), c=done("C"))

    outcome = await run(tree, peers, Journal(dict(first.steps)))

    assert peers["a"].tasks == peers["b"].tasks == []
    assert (outcome.result.text, outcome.result.partial) == ("C", True)


async def budgets(root: Node, budget: Budget, peers: Peers) -> PlanOutcome:
    return await Interpreter(peers, Journal()).run(
        Plan(id="p", goal="g", root=root), Authority(budget=budget)
    )


@pytest.mark.requirement("PLAN-6")
async def test_a_node_spends_the_smaller_of_its_own_budget_and_what_is_left() -> None:
    steps = (
        Call(id="a", capability="a"),
        Call(id="b", capability="b", budget=Budget(tokens=50)),
        Call(id="c", capability="c", budget=Budget(tokens=500)),
    )
    peers = Peers(a=done(usage=Usage(total_tokens=30)), b=done(), c=done())

    await budgets(Sequence(id="s", steps=steps), Budget(tokens=100, hops=3), peers)

    given = [peers[name].tasks[0].authority.budget for name in "abc"]
    assert [(each.tokens, each.hops) for each in given] == [(100, 2), (50, 2), (70, 2)]


@pytest.mark.requirement("PLAN-7")
async def test_branches_share_what_is_left_and_a_synthesis_keeps_a_tenth() -> None:
    spent = done(usage=Usage(total_tokens=10))
    peers = Peers(a=spent, b=spent, c=spent)

    await budgets(fan("a", "b", "c", max_parallel=1), Budget(tokens=90), peers)
    plain = [peers[name].tasks[0].authority.budget.tokens for name in "abc"]
    kept = Peers(a=spent, b=spent)
    await budgets(fan("a", "b", **SYNTHESIZE), Budget(tokens=100), kept)

    assert plain == [30, 40, 70]
    assert [kept[name].tasks[0].authority.budget.tokens for name in "ab"] == [45, 45]


@pytest.mark.requirement("PLAN-9")
async def test_exhaustion_names_its_dimension_and_is_not_retried() -> None:
    steps = (Call(id="a", capability="a"), Call(id="b", capability="b"))
    peers = Peers(a=done(usage=Usage(total_tokens=30)), b=done())

    outcome = await budgets(Sequence(id="s", steps=steps), Budget(tokens=30), peers)

    [reason] = outcome.result.reasons
    assert (reason.code, "tokens" in reason.message) == ("budget_exhausted", True)
    assert peers["b"].tasks == []


async def test_no_hop_left_is_said_so() -> None:
    peers = Peers(a=done())

    outcome = await budgets(Call(id="a", capability="a"), Budget(hops=0), peers)

    assert outcome.result.reasons[0].code == "depth_exceeded"
    assert peers["a"].tasks == []
