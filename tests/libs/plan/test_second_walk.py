"""A second walk over what an earlier owner left: the same outcome, and nobody asked again."""

from collections.abc import Callable, Iterable

import anyio
import pytest

from tests.libs.plan.doubles import Answer, FakePeer, Journal, Peers, done, failed
from tests.libs.plan.doubles import interpreter as quick
from tests.libs.plan.test_bookkeeping import call, costing, failing
from weft.core import NO_USAGE, Authority, Budget, Result
from weft.loop import Task
from weft.plan import (
    Call,
    Judge,
    Loop,
    Node,
    Parallel,
    Plan,
    PlanOutcome,
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


class Nobody(Peers):
    """Peers that must not be asked, but for those that are given."""

    def __init__(self, names: Iterable[str], **known: FakePeer | Answer) -> None:
        super().__init__(**{name: done("asked again") for name in names}, **known)
        self._known = frozenset(known)

    @property
    def asked(self) -> list[str]:
        """Who was asked all the same."""
        return [
            name for name, peer in self.by_name.items() if peer.tasks and name not in self._known
        ]


async def walk(
    root: Node, peers: Peers, journal: Journal, authority: Authority | None = None
) -> PlanOutcome:
    with anyio.fail_after(5):
        return await quick(peers, journal).run(Plan(id="p", goal="why?", root=root), authority)


def _comparable(outcome: PlanOutcome, name: str) -> Result:
    """Return what must be the same: of a race that was not written down, not what losers took."""
    race = name == "a report over a race"
    changes = {"reasons": (), **({"usage": NO_USAGE} if race else {})}
    return outcome.result.model_copy(update=changes)


def left_by(journal: Journal, outcome: PlanOutcome) -> Journal:
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

    again = Nobody(answers)
    after = await walk(root, again, left_by(first, before))

    assert again.asked == []
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
    budget = Authority(budget=Budget(tokens=1000))
    fresh = Peers(**answers, z=done())
    whole = await walk(more, fresh, journal, budget)
    left = left_by(journal, whole)
    resumed_steps = {path: step for path, step in left.steps.items() if path[-1] != "z"}
    again = Nobody(answers, z=done())

    await walk(more, again, Journal(resumed_steps), budget)

    assert again.asked == []
    assert (
        again["z"].tasks[0].authority.budget.tokens == fresh["z"].tasks[0].authority.budget.tokens
    )


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

    again = Nobody("abc")
    after = await walk(root, again, left_by(journal, outcome))

    assert again.asked == []
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

    again = Nobody("a")
    after = await walk(root, again, left_by(journal, before))

    assert again.asked == []
    assert after.result.status == "failed"
    assert [why.code for why in after.result.reasons] == [why.code for why in before.result.reasons]


@pytest.mark.requirement("PLAN-13")
async def test_steps_behind_a_recorded_race_and_their_authors_are_seen_again() -> None:
    judge = Judge(id="j", of="fan", role="judge")
    root = then(fan("a", "b", join="any"), call("c"), call("d", prompt="{step.a}"), judge)
    peer = FakePeer("ann", [done("A", claims=CLAIMS)])
    verdict = done(data={"choice": "pass"})
    first = Journal()
    peers = Peers(a=peer, b=failing(1), c=done(), d=done(), judge=verdict)
    before = await walk(root, peers, first)
    left = left_by(first, before).steps.items()
    steps = {path: step for path, step in left if path[-1] not in {"d", "j"}}

    again = Nobody("abc", d=done(), judge=verdict)
    await walk(root, again, Journal(steps))

    assert again.asked == []
    # Whoever made the work does not judge it, also after a crash.
    assert again.targets[-1].authors == peers.targets[-1].authors == frozenset({"ann"})
    assert again["d"].tasks[0].prompt == peers["d"].tasks[0].prompt
    assert "A" in again["d"].tasks[0].prompt
    assert again["judge"].tasks[0].prompt == peers["judge"].tasks[0].prompt


@pytest.mark.requirement("PLAN-13")
async def test_the_author_of_a_plain_step_is_known_again() -> None:
    root = then(call("a"), Judge(id="j", of="a", role="judge"))
    verdict = done(data={"choice": "pass"})
    first = Journal()
    await walk(root, Peers(a=FakePeer("ann", [done("A")]), judge=verdict), first)

    again = Nobody("a", judge=verdict)
    await walk(root, again, Journal({("s", "a"): first.steps["s", "a"]}))

    assert again.asked == []
    assert [target.authors for target in again.targets] == [frozenset({"ann"})]


@pytest.mark.requirement("PLAN-13")
async def test_a_join_that_went_on_without_somebody_does_not_wait_for_them_later() -> None:
    root = then(fan("a", "b", join="concatenate", tolerate=1), call("c"))
    first = Journal()
    before = await walk(root, Peers(a=done("A"), c=done()), first)
    assert before.result.partial

    again = Nobody("abc")
    after = await walk(root, again, left_by(first, before))

    assert again.asked == []
    assert after.result.partial
