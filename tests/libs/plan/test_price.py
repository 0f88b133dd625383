"""What a plan may cost at most: no run goes beyond it, and what has no bound says so."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.libs.plan.doubles import FakePeer, Peers, done, failed, interpreter
from tests.libs.plan.random_plans import PEERS, check, walked
from weft.core import Authority, Budget
from weft.plan import Call, Loop, Node, Parallel, Plan, Sequence, price
from weft.runs import LocalJournal

leaves = st.builds(
    lambda retries, absorb: Call(
        id="x", capability="a", retries=retries, on_failure="absorb" if absorb else "fail"
    ),
    st.integers(0, 3),
    st.booleans(),
)


def named(children: list[Node]) -> tuple[Node, ...]:
    return tuple(
        child.model_copy(update={"id": f"n{place}"}) for place, child in enumerate(children)
    )


def grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=1, max_size=3).map(named)
    return st.one_of(
        several.map(lambda steps: Sequence(id="s", steps=steps)),
        several.map(
            lambda branches: Parallel(
                id="p", branches=branches, join="concatenate", tolerate=len(branches)
            )
        ),
        st.builds(
            lambda body, most: Loop(id="l", body=body, max=most, on_exhausted="return"),
            inner,
            st.integers(1, 3),
        ),
    )


nodes: st.SearchStrategy[Node] = st.recursive(leaves, grown, max_leaves=6)
answers = st.lists(
    st.sampled_from([done(), failed("queue_full", retryable=True), failed("peer_failed")]),
    min_size=1,
    max_size=6,
)
budgets = st.one_of(st.none(), st.builds(Budget, calls=st.integers(0, 6)))


def plan_of(root: Node, budget: Budget | None = None) -> Plan:
    return Plan(id="p", goal="why?", root=root, budget=budget)


@pytest.mark.requirement("PLAN-31")
@settings(max_examples=150, deadline=None)
@given(nodes, answers, budgets)
def test_no_run_makes_more_calls_than_its_price(
    root: Node, replies: list[object], budget: Budget | None
) -> None:
    plan = plan_of(root, budget)
    peers = Peers(a=FakePeer("a", replies))  # type: ignore[arg-type]

    asyncio.run(interpreter(peers, LocalJournal()).run(plan, Authority()))

    most = price(plan).calls
    assert most != "unbounded"
    assert len(peers["a"].tasks) <= most


def call(name: str, **fields: object) -> Call:
    return Call.model_validate({"id": name, "capability": name, "retries": 0, **fields})


@pytest.mark.requirement("PLAN-31")
def test_what_the_plan_does_not_limit_is_unbounded() -> None:
    open_ended = price(plan_of(call("a")))

    granting = call("b", grants=("x",))
    assert open_ended.calls == 1
    assert price(plan_of(granting)).calls == "unbounded"
    assert price(plan_of(granting, Budget(calls=3))).calls == 3
    assert (open_ended.seconds, open_ended.tokens) == ("unbounded", "unbounded")


@pytest.mark.requirement("PLAN-31")
def test_time_adds_up_in_sequence_and_overlaps_in_parallel() -> None:
    timed = (call("a", timeout=10), call("b", timeout=4))

    one_by_one = price(plan_of(Sequence(id="s", steps=timed)))
    together = price(plan_of(Parallel(id="p", branches=timed)))
    in_turns = price(plan_of(Parallel(id="p", branches=timed, max_parallel=1)))
    again = price(plan_of(Loop(id="l", body=call("a", timeout=10), max=3)))
    bounded = price(plan_of(call("a"), Budget(seconds=7)))

    assert [each.seconds for each in (one_by_one, together, in_turns, again, bounded)] == [
        16, 11, 16, 33, 8,
    ]  # fmt: skip


@pytest.mark.requirement("PLAN-31")
def test_every_attempt_and_every_fallback_counts() -> None:
    spare = call("b", retries=1)

    assert price(plan_of(call("a", retries=2, fallback=spare.to_json()))).calls == 5


@pytest.mark.requirement("PLAN-31")
def test_the_words_of_a_model_take_as_long_as_it_likes() -> None:
    timed = (call("a", timeout=10),)
    worded = Parallel(id="p", branches=timed, join="synthesize", synthesize="model")

    assert price(plan_of(worded)).seconds == "unbounded"
    assert price(plan_of(worded.model_copy(update={"timeout": 5.0}))).seconds == 6
    assert price(plan_of(worded.model_copy(update={"budget": Budget(seconds=3)}))).seconds == 4


@pytest.mark.requirement("PLAN-6", "PLAN-8", "PLAN-9", "PLAN-23", "PLAN-31")
@pytest.mark.parametrize("block", range(4))
def test_no_limit_is_exceeded_by_plans_of_all_kinds_over_peers_of_all_sorts(block: int) -> None:
    for seed in range(block * 250, (block + 1) * 250):
        check(walked(seed))


@pytest.mark.requirement("PLAN-31")
def test_what_is_held_to_its_limits_is_many_and_various() -> None:
    walks = [walked(seed) for seed in range(100)]

    kinds = Counter(node.kind for walk in walks for _, node in walk.plan.nodes())
    peers = Counter(told.peer for walk in walks for told in walk.crowd.log)
    codes = {reason.code for walk in walks for reason in walk.result.reasons}
    assert min(kinds.values()) >= 20
    assert len(kinds) == 8
    assert set(peers) == set(PEERS)
    assert {"budget_exhausted", "deadline_exceeded", "depth_exceeded"} <= codes
    assert {walk.result.status for walk in walks} == {"completed", "failed"}
