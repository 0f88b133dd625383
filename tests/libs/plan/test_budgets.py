"""What branches may spend together."""

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.libs.plan.doubles import FakePeer, Journal, Peers, done
from weft.core import Authority, Budget, Result, Usage
from weft.loop import Task
from weft.plan import Call, Interpreter, Parallel, Plan
from weft.plan.budgets import Purse

CALL = 7
"""Tokens of one model call."""


async def greedy(task: Task) -> Result:
    """Call the model for as long as the task's budget has anything left, beside the others."""
    spent = 0
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
    while task.authority.budget.tokens is not None and spent < task.authority.budget.tokens:
        spent += CALL
    return done(usage=Usage(total_tokens=spent))


@pytest.mark.requirement("PLAN-8")
@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.integers(1, 6), st.integers(1, 6))
async def test_a_fan_out_overspends_by_at_most_one_model_call_per_branch(
    tokens: int, branches: int, at_once: int
) -> None:
    names = [f"n{index}" for index in range(branches)]
    calls = tuple(Call(id=name, capability=name, on_failure="absorb") for name in names)
    root = Parallel(id="p", join="concatenate", branches=calls, max_parallel=at_once)
    peers = Peers(**{name: FakePeer(name, [greedy]) for name in names})

    outcome = await Interpreter(peers, Journal()).run(
        Plan(id="p", goal="g", root=root), Authority(budget=Budget(tokens=tokens))
    )

    assert outcome.result.usage.total_tokens < tokens + branches * CALL


@pytest.mark.requirement("PLAN-7")
@given(st.integers(0, 1000), st.lists(st.integers(0, 300), min_size=1, max_size=8))
def test_what_branches_hold_at_once_is_never_more_than_there_is(
    tokens: int, spending: list[int]
) -> None:
    purse = Purse(Budget(tokens=tokens))
    purse.open_for(len(spending))
    shares = [purse.share() for _ in spending]

    held = [share.limit.tokens or 0 for share in shares]
    for share, wish in zip(shares, spending, strict=True):
        share.spend(Usage(total_tokens=min(wish, share.limit.tokens or 0)))
        purse.give_back(share)

    assert sum(held) <= tokens
    assert max(held) - min(held) <= 1 + tokens % len(spending)
    assert purse.left().tokens == tokens - purse.spent.total_tokens
