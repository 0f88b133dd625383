"""What a plan spent, what of it is partial, and what a step can see: counted exactly."""

import anyio
import pytest

from tests.libs.plan.doubles import Answer, FakePeer, Journal, Peers, done, failed
from tests.libs.plan.doubles import interpreter as quick
from weft.core import Authority, Budget, Result, Usage
from weft.core.errors import FencedError
from weft.loop import Task
from weft.plan import Call, Loop, Node, Parallel, Plan, PlanOutcome, Sequence, Synthesize
from weft.plan.joins import EndedBranches, joined
from weft.plan.walk import Scope


def used(tokens: int, calls: int = 1) -> Usage:
    return Usage(prompt_tokens=tokens, total_tokens=tokens, model_calls=calls)


def costing(tokens: int, text: str = "ok", **fields: object) -> Result:
    return done(text, usage=used(tokens).model_dump(), **fields)


def failing(tokens: int) -> Result:
    return failed().model_copy(update={"usage": used(tokens)})


def call(name: str, **fields: object) -> Call:
    return Call.model_validate({"id": name, "capability": name, "retries": 0, **fields})


async def run(
    root: Node,
    journal: Journal | None = None,
    authority: Authority | None = None,
    **peers: FakePeer | Answer,
) -> PlanOutcome:
    with anyio.fail_after(5):
        plan = Plan(id="p", goal="why?", root=root)
        return await quick(Peers(**peers), journal or Journal()).run(plan, authority)


@pytest.mark.requirement("PLAN-23")
async def test_a_fallback_counts_the_try_it_stands_in_for() -> None:
    outcome = await run(call("a", fallback=call("b")), a=failing(3), b=costing(5))

    assert outcome.result.usage == used(8, calls=2)


async def test_an_absorbed_failure_is_counted_and_leaves_the_whole_partial() -> None:
    steps = (call("a", on_failure="absorb"), call("b"))

    outcome = await run(Sequence(id="s", steps=steps), a=failing(3), b=costing(5))

    assert outcome.result.status == "completed"
    assert outcome.result.partial is True
    assert outcome.result.usage == used(8, calls=2)


@pytest.mark.parametrize("join", ["all", "any", "concatenate", "last", "synthesize"])
async def test_a_join_counts_every_branch(join: str) -> None:
    root = Parallel.model_validate({"id": "f", "branches": (call("a"), call("b")), "join": join})

    outcome = await run(root, a=costing(3), b=costing(5))

    # Of a race only the winner is sure to have spent anything.
    spent = outcome.result.usage.total_tokens
    assert spent in ({3, 5, 8} if join == "any" else {8})


async def test_a_lost_branch_is_counted_and_a_loop_counts_every_pass() -> None:
    fan = Parallel(id="f", branches=(call("a"), call("b")), join="concatenate", tolerate=1)
    loop = Loop(id="l", body=call("c"), max=3, on_exhausted="return")

    fanned = await run(fan, a=failing(3), b=costing(5))
    looped = await run(loop, c=FakePeer("c", [costing(1), costing(2), costing(4)]))

    assert fanned.result.usage == used(8, calls=2)
    assert looped.result.usage == used(7, calls=3)


async def test_a_join_of_partial_or_skipped_branches_is_partial() -> None:
    def fan(first: Call) -> Parallel:
        return Parallel(id="f", branches=(first, call("b")), join="concatenate", tolerate=1)

    whole = await run(fan(call("a")), a=done("A"), b=done("B"))
    half = await run(fan(call("a")), a=done("A", partial=True), b=done("B"))
    skipped = await run(fan(call("a", on_failure="absorb")), a=failed(), b=done("B"))
    lost = await run(fan(call("a")), a=failed(), b=done("B"))

    outcomes = (whole, half, skipped, lost)
    assert [each.result.partial for each in outcomes] == [False, True, True, True]


def ended(
    join: str, *texts: str, order: tuple[int, ...], quorum: int | None = None
) -> EndedBranches:
    """Return branches that ended in this order."""
    branches = tuple(call(f"b{number}") for number in range(len(texts)))
    node = Parallel.model_validate(
        {"id": "f", "branches": branches, "join": join, "quorum": quorum}
    )
    results = tuple(done(text) for text in texts)
    return EndedBranches(node, ("f",), "why?", results, order, [Scope() for _ in texts])


@pytest.mark.requirement("PLAN-20")
def test_the_first_of_a_race_wins_and_a_quorum_takes_the_first_in_branch_order() -> None:
    assert joined(ended("any", "x", "y", "z", order=(2, 0, 1))).text == "z"
    quorum = joined(ended("quorum", "x", "y", "z", order=(2, 1, 0), quorum=2))
    assert quorum.data == {"b1": "y", "b2": "z"}
    assert list(quorum.data) == ["b1", "b2"]


async def test_a_step_sees_its_own_neighbour_before_one_of_the_same_name_deeper_down() -> None:
    inner = Sequence(id="inner", steps=(call("x", capability="deep"),))
    steps = (inner, call("x", capability="near"), call("last", prompt="{step.x}"))
    seen = FakePeer("last", [done()])

    await run(Sequence(id="s", steps=steps), deep=done("deep"), near=done("near"), last=seen)

    assert "near" in seen.tasks[0].prompt
    assert "deep" not in seen.tasks[0].prompt


@pytest.mark.parametrize("where", ["node", "plan", "run"])
async def test_the_seconds_of_any_budget_end_the_call(where: str) -> None:
    async def never(_: Task) -> Result:
        await anyio.sleep_forever()
        raise AssertionError("unreachable")

    short = Budget(seconds=0.05)
    root = call("a", budget=short if where == "node" else None)
    plan = Plan(id="p", goal="why?", root=root, budget=short if where == "plan" else None)
    authority = Authority(budget=short if where == "run" else Budget())

    with anyio.fail_after(5):
        outcome = await quick(Peers(a=never), Journal()).run(plan, authority)

    assert outcome.result.status == "failed"
    assert outcome.result.reasons[0].code == "deadline_exceeded"


async def test_the_smaller_of_the_plans_and_the_runs_budget_holds() -> None:
    for own, given in ((100, 40), (40, 100)):
        peers = Peers(a=done())
        plan = Plan(id="p", goal="why?", root=call("a"), budget=Budget(tokens=own))
        await quick(peers, Journal()).run(plan, Authority(budget=Budget(tokens=given)))
        assert peers["a"].tasks[0].authority.budget.tokens == 40


async def test_a_call_counts_itself_and_the_model_calls_it_made() -> None:
    peers = Peers(a=costing(1), b=done())
    root = Sequence(id="s", steps=(call("a"), call("b")))

    await quick(peers, Journal()).run(
        Plan(id="p", goal="why?", root=root), Authority(budget=Budget(calls=5))
    )

    assert [peers[name].tasks[0].authority.budget.calls for name in ("a", "b")] == [5, 3]


async def test_what_a_branch_spends_its_parents_have_spent() -> None:
    peers = Peers(a=costing(60), b=done())
    inner = Sequence(id="inner", steps=(call("a"),), budget=Budget(tokens=80))
    root = Sequence(id="s", steps=(inner, call("b")))

    await quick(peers, Journal()).run(
        Plan(id="p", goal="why?", root=root), Authority(budget=Budget(tokens=100))
    )

    assert peers["a"].tasks[0].authority.budget.tokens == 80
    assert peers["b"].tasks[0].authority.budget.tokens == 40


async def test_branches_before_a_synthesis_leave_a_tenth_for_it() -> None:
    peers = Peers(a=done())
    root = Parallel(id="f", branches=(call("a"),), join="synthesize")

    await quick(peers, Journal()).run(
        Plan(id="p", goal="why?", root=root), Authority(budget=Budget(tokens=1000))
    )

    assert peers["a"].tasks[0].authority.budget.tokens == 900


async def test_an_outcome_that_another_owner_wrote_first_ends_this_ones_walk() -> None:
    class Overtaken(Journal):
        async def record(self, path, outcome, events=()):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            stored = await super().record(path, outcome, events)
            return {**stored, "text": "another"} if path == ("s", "a") else stored

    with pytest.raises(FencedError):
        await run(Sequence(id="s", steps=(call("a"), call("b"))), Overtaken(), a=done(), b=done())


async def test_a_report_over_steps_names_who_was_behind_them() -> None:
    claims = [{"text": "it is slow", "subject": "db", "predicate": "slow"}]
    fan = Parallel(id="f", branches=(call("a"), call("b")), join="all")
    root = Sequence(id="s", steps=(fan, Synthesize(id="report", of=("a", "b"))))

    outcome = await run(root, a=done("db", claims=claims), b=done("db", claims=claims))

    assert "2 of 2 sources agree: a and b" in outcome.result.text


async def test_a_report_over_one_who_claims_nothing_is_what_it_said() -> None:
    said = done("2 failed\n- add: -1 != 5", data={"passed": False})
    root = Sequence(id="s", steps=(call("a"), Synthesize(id="report", of=("a",))))

    outcome = await run(root, a=said)

    assert (outcome.result.text, outcome.result.data) == (said.text, said.data)
