"""A second walk over what an earlier owner left: the same outcome, and nobody asked again."""

from collections.abc import Callable

import anyio
import pytest

from tests.libs.plan.doubles import Answer, FakePeer, Journal, Peers, done, failed
from tests.libs.plan.doubles import interpreter as quick
from tests.libs.plan.test_bookkeeping import call, costing, failing
from weft.core import NO_USAGE, Budget, Result
from weft.loop import Task
from weft.plan import (
    Call,
    Loop,
    Mandate,
    Node,
    Outcome,
    Parallel,
    Plan,
    Sequence,
    Synthesize,
)

CLAIMS = [{"text": "it is slow", "subject": "db", "predicate": "slow"}]


def fan(*names: str, **fields: object) -> Parallel:
    branches = tuple(call(name) for name in names)
    return Parallel.model_validate({"id": "fan", "branches": branches, **fields})


def then(*steps: Node) -> Sequence:
    return Sequence(id="s", steps=steps)


PLANS: dict[str, Callable[[], tuple[Node, dict[str, Answer]]]] = {
    "a call": lambda: (call("a"), {"a": costing(3, "A")}),
    "a sequence": lambda: (then(call("a"), call("b")), {"a": costing(3), "b": costing(5)}),
    "a race": lambda: (
        then(fan("a", "b", join="any"), call("c", prompt="{input}")),
        {"a": costing(3, "A"), "b": failing(5), "c": costing(1, "C")},
    ),
    "a quorum": lambda: (
        then(fan("a", "b", "c", join="quorum", quorum=2), call("d", prompt="{input}")),
        {"a": costing(3, "A"), "b": costing(5, "B"), "c": failing(7), "d": costing(1)},
    ),
    "a partial join": lambda: (
        then(fan("a", "b", join="concatenate", tolerate=1), call("c")),
        {"a": costing(3, "A"), "b": failing(5), "c": costing(1)},
    ),
    "a partial synthesis": lambda: (
        then(fan("a", "b", join="synthesize", tolerate=1), Synthesize(id="r", of=("a",))),
        {"a": costing(3, "A", claims=CLAIMS), "b": failing(5)},
    ),
    "a report over joined steps": lambda: (
        then(fan("a", "b"), Synthesize(id="r", of=("a", "b"))),
        {"a": costing(3, "A", claims=CLAIMS), "b": costing(5, "B", claims=CLAIMS)},
    ),
    "a report over a race": lambda: (
        then(fan("a", "b", join="any"), Synthesize(id="r", of=("a",))),
        {"a": costing(3, "A", claims=CLAIMS), "b": failing(5)},
    ),
    "a loop": lambda: (
        Loop(id="l", body=call("a"), max=2, on_exhausted="return"),
        {"a": costing(3)},
    ),
    "an absorbed failure": lambda: (
        then(call("a", on_failure="absorb"), call("b")),
        {"a": failing(3), "b": costing(5)},
    ),
    "a fallback": lambda: (call("a", fallback=call("b")), {"a": failing(3), "b": costing(5)}),
    "a failed step": lambda: (then(call("a"), call("b")), {"a": failing(3), "b": done()}),
}


class AskedAgainError(AssertionError):
    """A peer was asked for what is done."""


def nobody(_: Task) -> Result:
    raise AskedAgainError


async def walk(
    root: Node, peers: Peers, journal: Journal, mandate: Mandate | None = None
) -> Outcome:
    with anyio.fail_after(5):
        return await quick(peers, journal).run(Plan(id="p", goal="why?", root=root), mandate)


def _comparable(outcome: Outcome, name: str) -> Result:
    """Return what must be the same: of a race that was not written down, not what losers took."""
    race = name == "a report over a race"
    changes = {"reasons": (), **({"usage": NO_USAGE} if race else {})}
    return outcome.result.model_copy(update=changes)


def left_by(journal: Journal, outcome: Outcome) -> Journal:
    """Return the journal that the next owner opens, everything written."""
    steps = dict(journal.steps)
    steps.update({write.path: write.outcome for write in outcome.unrecorded})
    return Journal(steps)


@pytest.mark.requirement("PLAN-13")
@pytest.mark.parametrize("name", PLANS)
async def test_a_finished_plan_walked_again_comes_to_the_same_and_asks_nobody(name: str) -> None:
    root, answers = PLANS[name]()
    first = Journal()
    before = await walk(root, Peers(**answers), first)

    after = await walk(root, Peers(**dict.fromkeys(answers, nobody)), left_by(first, before))

    assert _comparable(after, name) == _comparable(before, name)
    assert [why.code for why in after.result.reasons] == [why.code for why in before.result.reasons]


@pytest.mark.requirement("PLAN-14")
@pytest.mark.parametrize("name", PLANS)
async def test_what_was_spent_before_a_crash_is_spent_after_it(name: str) -> None:
    root, answers = PLANS[name]()
    first = Journal()
    before = await walk(root, Peers(**answers), first)
    more = Sequence(id="outer", steps=(root, call("z"))) if before.result.ok else None
    if more is None:
        pytest.skip("nothing comes after a failure")
    journal = Journal()
    budget = Mandate(budget=Budget(tokens=1000))
    fresh = Peers(**answers, z=done())
    whole = await walk(more, fresh, journal, budget)
    left = left_by(journal, whole)
    resumed_steps = {path: step for path, step in left.steps.items() if path[-1] != "z"}
    again = Peers(**dict.fromkeys(answers, nobody), z=done())

    await walk(more, again, Journal(resumed_steps), budget)

    assert again["z"].tasks[0].budget.tokens == fresh["z"].tasks[0].budget.tokens


@pytest.mark.requirement("PLAN-13")
async def test_a_race_that_was_decided_is_not_run_again_though_a_branch_is_missing() -> None:
    started = anyio.Event()

    async def loser(_: Task) -> Result:
        started.set()
        await anyio.sleep_forever()
        raise AssertionError("unreachable")

    async def winner(_: Task) -> Result:
        await started.wait()
        return done("A")

    root = then(fan("a", "b", join="any"), call("c"))
    journal = Journal()
    outcome = await walk(root, Peers(a=winner, b=loser, c=done()), journal)

    after = await walk(root, Peers(a=nobody, b=nobody, c=nobody), left_by(journal, outcome))

    assert after.result.text == outcome.result.text


@pytest.mark.requirement("PLAN-14")
async def test_a_step_that_failed_for_good_fails_again_without_another_try() -> None:
    peer = FakePeer("a", [failed(retryable=True)])
    journal = Journal()
    peers = Peers(a=peer)
    peers.safe = True
    root = Call(id="a", capability="a", retries=1)
    before = await walk(root, peers, journal)
    assert len(peer.tasks) == 2

    after = await walk(root, Peers(a=nobody), left_by(journal, before))

    assert after.result.status == "failed"
    assert [why.code for why in after.result.reasons] == [why.code for why in before.result.reasons]
