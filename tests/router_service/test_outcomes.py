"""What a run says of its protocols: each part for itself, and a verdict that lets nothing pass."""

import pytest

from router_service.outcomes import PlannedPart, entries_of, planned_parts
from router_service.routes import Chosen
from tests.libs.plan.doubles import FakePeer, Journal, Peers, done, failed, interpreter
from tests.libs.routing.frames import compiler, frame
from weft.core import Result
from weft.plan import Call, Judge, Loop, Plan, Sequence, verdict_is
from weft.routing import GoalRequest

TWO = frame("answer", secondary_goals=["plan"], domain="general")
PASS, FAIL = (done(data={"choice": choice}) for choice in ("pass", "fail"))
ABSTAINS = done("not validated: nobody could")


async def told(**peers: Result) -> list[tuple[str, str, bool]]:
    """Return what is kept of two goals, planned and carried out by `peers`."""
    routed = compiler().route(TWO, GoalRequest(goal="g"))
    assert routed.plan is not None
    parts = planned_parts(Chosen(None, (), plan=routed.plan, routed=routed))
    everybody = {"answer": done(), "plan": done(), "execute": done(), "validate": PASS, **peers}
    journal = Journal()
    walked = interpreter(Peers(**{n: FakePeer(n, [r]) for n, r in everybody.items()}), journal)
    outcome = await walked.run(routed.plan)
    entries = entries_of(
        parts, routed.plan, outcome.result, steps=journal.steps, last=outcome.unrecorded
    )
    assert {entry.domain for entry in entries} <= {"general"}
    return [(entry.goal, entry.protocol, entry.success) for entry in entries]


ANSWERED = ("answer", "direct_response", True)
PLANNED = ("plan", "plan_execute_validate", True)


def fell(entry: tuple[str, str, bool]) -> tuple[str, str, bool]:
    return (*entry[:2], False)


@pytest.mark.requirement("RT-34")
async def test_each_part_counts_for_its_own_protocol() -> None:
    assert sorted(await told()) == [ANSWERED, PLANNED]


@pytest.mark.requirement("RT-34")
async def test_a_part_that_fails_counts_and_what_comes_behind_it_does_not() -> None:
    first, second = (await told(plan=failed()), await told(answer=failed()))

    assert second == [fell(ANSWERED)]
    assert first == [ANSWERED, fell(PLANNED)]


@pytest.mark.requirement("RT-34")
async def test_a_part_that_an_outage_ends_is_left_out_and_the_other_counts() -> None:
    assert await told(execute=failed("peer_unavailable")) == [ANSWERED]


@pytest.mark.requirement("RT-34")
async def test_a_plan_that_no_validator_lets_pass_is_no_success() -> None:
    assert await told(validate=FAIL) == [ANSWERED, fell(PLANNED)]
    assert await told(validate=ABSTAINS) == [ANSWERED, PLANNED]


@pytest.mark.requirement("RT-34")
@pytest.mark.parametrize(
    ("verdicts", "success"), [([FAIL, FAIL], False), ([FAIL, PASS], True), ([ABSTAINS], True)]
)
async def test_the_last_verdict_decides_also_where_the_work_is_kept(
    verdicts: list[Result],
    success: bool,  # noqa: FBT001 - a column of the table
) -> None:
    work = Sequence(id="pass", steps=(Call(id="do", role="answer"), Judge(id="check", of="do", role="validate")))  # fmt: skip
    loop = Loop(id="work", body=work, until=verdict_is("check", "pass", "abstain"), max=2, on_exhausted="return")  # fmt: skip
    plan = Plan(id="p", goal="g", root=loop)
    part = PlannedPart(goal="answer", domain="general", protocol="mine", path=("work",))
    journal = Journal()
    peers = Peers(answer=done(), validate=FakePeer("validate", list(verdicts)))

    outcome = await interpreter(peers, journal).run(plan)

    assert outcome.result.status == "completed"
    [entry] = entries_of([part], plan, outcome.result, steps=journal.steps, last=outcome.unrecorded)
    assert entry.success is success


@pytest.mark.requirement("RT-34")
@pytest.mark.parametrize("status", ["interrupted", "canceled", "skipped"])
def test_what_did_not_end_by_itself_says_nothing(status: str) -> None:
    plan = Plan(id="p", goal="g", root=Call(id="do", role="answer"))
    part = PlannedPart(goal="answer", domain="general", protocol="mine", path=("do",))

    assert entries_of([part], plan, Result.model_validate({"status": status}), steps={}) == ()


@pytest.mark.requirement("RT-34")
def test_a_fan_out_that_lost_everybody_counts_only_if_one_failed_at_its_work() -> None:
    plan = Plan(id="p", goal="g", root=Call(id="do", role="answer"))
    part = PlannedPart(
        goal="diagnose", domain="general", protocol="specialist_fanout", path=("do",)
    )

    def kept(*codes: str) -> int:
        reasons = [{"code": code, "message": "m"} for code in ("fan_out_failed", *codes)]
        result = Result.model_validate({"status": "failed", "reasons": reasons})
        return len(entries_of([part], plan, result, steps={}))

    assert kept("peer_unavailable", "model_timeout") == 0
    assert kept("peer_unavailable", "peer_failed") == 1
