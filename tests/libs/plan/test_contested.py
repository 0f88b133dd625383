"""Sources that contradict each other are asked again, a bounded number of times, and never glossed over."""

from typing import Any, Literal

import pytest

from tests.libs.plan.doubles import FakePeer, Journal, Peers, interpreter
from weft.core import Artifact, Authority, Claim, JsonObject, Path, Principal, Result
from weft.plan import Call, Parallel, Plan, PlanInvalidError, PlanOutcome, price


def claims_that(name: str, *, slow: bool, by: Literal["model", "rules"] = "model") -> Result:
    claim = Claim(
        text=f"{name}: checkout is {'slow' if slow else 'fine'}",
        type="tool_match",
        subject="checkout",
        predicate="slow",
        polarity=slow,
        evidence_refs=("call#/slow",),
    )
    shown = Artifact(id="call", name=name, data={"slow": slow})
    return Result(
        status="completed", text=claim.text, claims=(claim,), artifacts=(shown,), generated_by=by
    )


def fan_out(replans: int) -> Parallel:
    branches = tuple(Call(id=name, peer=name) for name in "ab")
    return Parallel(id="f", branches=branches, join="synthesize", tolerate=1, replans=replans)


async def run(
    peers: Peers, replans: int, steps: dict[Path, JsonObject] | None = None
) -> tuple[PlanOutcome, Any, Journal]:
    journal = Journal(steps)
    plan = Plan(id="p", goal="why?", root=fan_out(replans))
    outcome = await interpreter(peers, journal).run(
        plan, Authority(Principal(tenant="t", subject="ana"))
    )
    return outcome, outcome.result.data, journal


@pytest.mark.requirement("SYN-7")
async def test_who_is_asked_again_may_settle_it() -> None:
    a = FakePeer("a", [claims_that("a", slow=True)])
    b = FakePeer("b", [claims_that("b", slow=False), claims_that("b", slow=True)])

    outcome, report, _ = await run(Peers(a=a, b=b), 2)

    assert outcome.result.ok
    assert (report["contradictions"], report["decision"]) == ([], "proceed")
    assert report["findings"][0]["supporters"] == ["a", "b"]
    assert report["gaps"] == []
    assert (len(a.tasks), len(b.tasks)) == (2, 2)
    assert {task.path for task in (*a.tasks, *b.tasks)} == {
        ("f", "a"), ("f", "b"), ("f#2", "a"), ("f#2", "b"),
    }  # fmt: skip
    assert "b: checkout is fine (b)" in a.tasks[1].prompt
    assert "why?" in a.tasks[1].prompt


@pytest.mark.requirement("SYN-7")
@pytest.mark.parametrize("replans", [0, 1, 2])
async def test_what_survives_is_degraded_and_never_proceeds(replans: int) -> None:
    a = FakePeer("a", [claims_that("a", slow=True)])
    b = FakePeer("b", [claims_that("b", slow=False)])

    outcome, report, _ = await run(Peers(a=a, b=b), replans)

    assert outcome.result.ok
    assert (len(a.tasks), len(b.tasks)) == (1 + replans, 1 + replans)
    assert report["degraded"] is True
    assert report["decision"] == ("replan" if replans else "regenerate")
    assert len(report["contradictions"]) == 1
    assert len(report["contradictions"][0]["sides"]) == 2


@pytest.mark.requirement("SYN-7")
async def test_what_rules_said_they_are_not_asked_again() -> None:
    a = FakePeer("a", [claims_that("a", slow=True, by="rules")])
    b = FakePeer("b", [claims_that("b", slow=False)])

    _, report, _ = await run(Peers(a=a, b=b), 1)

    assert (len(a.tasks), len(b.tasks)) == (1, 2)
    assert report["degraded"] is True


async def test_where_all_agree_nobody_is_asked_again() -> None:
    a, b = (FakePeer(name, [claims_that(name, slow=True)]) for name in "ab")

    _, report, _ = await run(Peers(a=a, b=b), 3)

    assert (len(a.tasks), len(b.tasks), report["degraded"]) == (1, 1, False)


async def test_who_fails_when_asked_again_stands_by_the_first_word() -> None:
    lost = Result.failed("peer_failed", "gone")
    a = FakePeer("a", [claims_that("a", slow=True)])
    b = FakePeer("b", [claims_that("b", slow=False), lost])

    outcome, report, _ = await run(Peers(a=a, b=b), 1)

    assert outcome.result.ok
    assert len(report["contradictions"]) == 1


@pytest.mark.requirement("PLAN-13")
async def test_whoever_goes_on_after_a_crash_asks_nobody_a_third_time() -> None:
    a = FakePeer("a", [claims_that("a", slow=True)])
    b = FakePeer("b", [claims_that("b", slow=False), claims_that("b", slow=True)])
    first, before, journal = await run(Peers(a=a, b=b), 2)
    steps = {path: outcome for path, outcome in journal.steps.items() if len(path) > 1}
    steps |= {write.path: write.outcome for write in first.unrecorded if len(write.path) > 1}

    second, after, _ = await run(Peers(a=a, b=b), 2, steps)

    assert (len(a.tasks), len(b.tasks)) == (2, 2)
    assert second.result.ok
    assert before == after


@pytest.mark.requirement("PLAN-31")
def test_the_price_counts_every_pass() -> None:
    once, thrice = (price(Plan(id="p", goal="g", root=fan_out(count))) for count in (0, 2))

    assert once.calls == 6
    assert thrice.calls == 18


def test_only_a_report_can_be_contested() -> None:
    root = Parallel(id="f", branches=(Call(id="a", peer="a"),), replans=1)

    with pytest.raises(PlanInvalidError, match="synthesize"):
        Plan.from_json(Plan(id="p", goal="g", root=root).to_json())
