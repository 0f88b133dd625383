"""What a plan may cost at most, said before it runs.

Only what the plan itself limits is bounded: its calls by their retries, loops and budgets, its
time by its timeouts. A model call under way when a budget runs out still ends, so tokens and cost
have no bound of the plan's own.
"""

from collections.abc import Iterable
from typing import Literal

from weft.core import Record
from weft.plan.calls import STOP_SECONDS
from weft.plan.model import Call, Choose, Judge, Loop, Node, Parallel, Plan, Synthesize

Bound = float | Literal["unbounded"]
UNBOUNDED: Literal["unbounded"] = "unbounded"
JUDGE_ATTEMPTS = 3


class Price(Record):
    """Upper bounds of one run of a plan; waiting for a person is not counted."""

    calls: Bound
    """Peer calls, every attempt counted; nothing bounds how often a call uses what it is granted."""
    seconds: Bound
    tokens: Bound
    cost_usd: Bound


def price(plan: Plan) -> Price:
    """Return what no run of `plan` exceeds."""
    calls, seconds = _calls(plan.root), _seconds(plan.root)
    if plan.budget is not None:
        calls = _least(calls, plan.budget.calls)
        seconds = _least(seconds, _ended_after(plan.budget.seconds))
    spends: Bound = 0.0 if calls == 0 else UNBOUNDED
    return Price(calls=calls, seconds=seconds, tokens=spends, cost_usd=spends)


def _calls(node: Node) -> Bound:
    calls = _own_calls(node)
    if node.fallback is not None:
        calls = _sum((calls, _calls(node.fallback)))
    return calls if node.budget is None else _least(calls, node.budget.calls)


def _own_calls(node: Node) -> Bound:
    if isinstance(node, Call):
        return UNBOUNDED if node.grants else 1 + node.retries
    if isinstance(node, Judge):
        return JUDGE_ATTEMPTS
    if isinstance(node, Choose):
        return _most(map(_calls, node.children()))
    if isinstance(node, Parallel):
        words = 2 if node.synthesize == "model" else 0
        return _sum((_passes(_sum(map(_calls, node.branches)), node), words))
    return _times(_sum(map(_calls, node.children())), node)


def _seconds(node: Node) -> Bound:
    seconds = _own_seconds(node)
    if node.fallback is not None:
        seconds = _sum((seconds, _seconds(node.fallback)))
    budget = None if node.budget is None else node.budget.seconds
    return _least(_least(seconds, _ended_after(node.timeout)), _ended_after(budget))


def _ended_after(limit: float | None) -> float | None:
    """Return when what has so many seconds is over: a peer at work gets a moment to end in."""
    return None if limit is None else limit + STOP_SECONDS


def _own_seconds(node: Node) -> Bound:
    below = [_seconds(child) for child in node.children()]
    if isinstance(node, Call | Judge) or (
        isinstance(node, Parallel) and node.synthesize == "model"
    ):
        # Nothing says how long a peer takes.
        return UNBOUNDED
    if isinstance(node, Synthesize):
        return 0.0
    if isinstance(node, Choose):
        return _most(below)
    if isinstance(node, Parallel):
        at_once = len(below) <= node.max_parallel
        return _passes(_most(below) if at_once else _sum(below), node)
    return _times(_sum(below), node)


def _passes(once: Bound, node: Parallel) -> Bound:
    return once if once == UNBOUNDED else once * (1 + node.replans)


def _times(total: Bound, node: Node) -> Bound:
    return total * node.max if isinstance(node, Loop) and total != UNBOUNDED else total


def _sum(bounds: Iterable[Bound]) -> Bound:
    total: float = 0
    for bound in bounds:
        if bound == UNBOUNDED:
            return UNBOUNDED
        total += bound
    return total


def _most(bounds: Iterable[Bound]) -> Bound:
    most: float = 0
    for bound in bounds:
        if bound == UNBOUNDED:
            return UNBOUNDED
        most = max(most, bound)
    return most


def _least(bound: Bound, limit: float | None) -> Bound:
    if limit is None:
        return bound
    return limit if bound == UNBOUNDED else min(bound, limit)
