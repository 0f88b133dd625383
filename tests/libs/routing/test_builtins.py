"""The eight protocols carried out over peers that keep their contract."""

import pytest

from tests.libs.plan.doubles import FakePeer, Journal, Peers, done, failed
from tests.libs.routing.frames import FOUR, ONE, capability, frame
from weft.catalog import Capability
from weft.core import Claim, JsonValue, Result
from weft.loop import Task
from weft.plan import Interpreter, PlanOutcome
from weft.report.model import Report
from weft.routing import CapabilityIndex, CognitiveCompiler, GoalFrame, GoalRequest

TESTER = capability("suite", roles=["test"])
OWN_TESTS = capability("own.tests", roles=["test"], tool_name="run_tests")


async def carry_out(
    wanted: GoalFrame,
    peers: Peers,
    *capabilities: Capability,
    request: GoalRequest | None = None,
    approvals: bool = True,
) -> PlanOutcome:
    compiler = CognitiveCompiler(CapabilityIndex(capabilities or (ONE,)))
    plan = compiler.compile(wanted, request or GoalRequest(goal="make it right"))
    return await Interpreter(peers, Journal(), approvals=approvals).run(plan)


def granted(task: Task) -> list[str]:
    return [grant.name for grant in task.grants]


def answers(*results: Result) -> FakePeer:
    return FakePeer("peer", list(results))


@pytest.mark.requirement("PROTO-2")
async def test_a_fan_out_calls_each_once_and_reports_failures_as_gaps() -> None:
    claim = Claim(text="The pool is full", subject="pool", predicate="full", value=True)
    found = done("x", claims=[claim])
    peers = Peers(
        **{each.id: found for each in FOUR[:3]}, **{"trace.analyze": failed("peer_failed")}
    )

    outcome = await carry_out(frame("diagnose"), peers, *FOUR)

    assert [len(peers[each.id].tasks) for each in FOUR] == [1, 1, 1, 1]
    assert all(peers[each.id].tasks[0].grants == () for each in FOUR)
    report = Report.model_validate(outcome.result.data)
    assert [(gap.branch, gap.code) for gap in report.gaps] == [("trace_analyze", "peer_failed")]
    assert report.agreements[0].supporters == ("code.analyze", "log.analyze", "metric.analyze")
    assert (outcome.result.status, outcome.result.partial) == ("completed", True)


async def test_direct_response_is_one_answer_with_the_eligible_as_grants() -> None:
    peers = Peers(answer=done("42"))

    outcome = await carry_out(frame("answer"), peers)

    assert outcome.result.text == "42"
    assert granted(peers["answer"].tasks[0]) == ["log_analyze"]


async def test_plan_execute_validate_plans_without_grants_and_works_until_it_passes() -> None:
    peers = Peers(
        plan=done("first, then"),
        execute=answers(done("draft"), done("final")),
        validate=answers(done("fail: no"), done("pass")),
    )

    outcome = await carry_out(frame("modify"), peers)

    assert outcome.result.text == "final"
    assert peers["plan"].tasks[0].grants == ()
    assert "first, then" in peers["execute"].tasks[0].prompt
    assert granted(peers["execute"].tasks[0]) == ["log_analyze"]


@pytest.mark.requirement("PROTO-4")
async def test_a_code_loop_stops_on_recorded_success_never_on_words() -> None:
    liar = done("All tests passed! passed: true")
    peers = Peers(
        code=answers(done("v1"), done("v2")),
        test=answers(liar, done("2 passed", data={"passed": True})),
        validate=done("pass"),
    )
    ran = {"id": "c1", "name": "run_tests", "data": {"passed": True}}
    own = Peers(code=answers(done("passed"), done("v2", artifacts=[ran])), validate=done("pass"))

    tested = await carry_out(frame("generate_code"), peers, ONE, TESTER)
    self_tested = await carry_out(frame("generate_code"), own, ONE, OWN_TESTS)

    assert (tested.result.text, len(peers["test"].tasks)) == ("v2", 2)
    assert len(peers["validate"].tasks) == 1
    assert (self_tested.result.text, len(own["code"].tasks)) == ("v2", 2)


@pytest.mark.requirement("PROTO-6")
async def test_four_passes_without_success_keep_the_last_test_report() -> None:
    reports = [done(f"{left} failing", data={"passed": False}) for left in (4, 3, 2, 1)]
    peers = Peers(code=done("code"), test=answers(*reports), validate=done("pass"))

    outcome = await carry_out(frame("generate_code"), peers, ONE, TESTER)

    assert outcome.result.reasons[0].code == "loop_exhausted"
    assert len(peers["code"].tasks) == 4
    assert "1 failing" in outcome.result.text
    assert peers["validate"].tasks == []


@pytest.mark.requirement("PROTO-7")
@pytest.mark.parametrize(
    ("against", "status", "choice"),
    [
        (done("no", data={"position": "no", "abstained": False}), "completed", "inconclusive"),
        (done("", data={"position": "", "abstained": True}), "failed", None),
        (failed(), "failed", None),
    ],
)
async def test_a_debate_needs_both_sides_and_may_be_inconclusive(
    against: Result, status: str, choice: str | None
) -> None:
    def argue(task: Task) -> Result:
        if "Argue against" in task.prompt:
            return against
        return done("yes", data={"position": "yes", "abstained": False})

    peers = Peers(argue=FakePeer("debater", [argue]), judge=done("inconclusive: both weak"))

    outcome = await carry_out(frame("compare"), peers)

    assert outcome.result.status == status
    assert (outcome.result.verdict.choice if outcome.result.verdict else None) == choice


@pytest.mark.requirement("PROTO-8")
@pytest.mark.parametrize("risk", ["low", "medium", "high"])
async def test_gated_execution_shows_its_proposal_and_does_nothing_before_the_answer(
    risk: str,
) -> None:
    peers = Peers(plan=done("restart the pool"), execute=done(), validate=done("pass"))

    outcome = await carry_out(frame("remediate", risk=risk), peers)

    [question] = outcome.result.interrupts
    assert "restart the pool" in question.message
    assert peers["execute"].tasks == []


@pytest.mark.requirement("PROTO-9")
async def test_each_link_of_a_chain_receives_all_that_came_before() -> None:
    names = ("code.analyze", "log.analyze", "metric.analyze")
    peers = Peers(**{name: done(f"said {name}") for name in names})

    outcome = await carry_out(frame("coordinate"), peers, *FOUR[:3])

    last = peers["metric.analyze"].tasks[0]
    assert "said code.analyze" in last.prompt
    assert "said log.analyze" in last.prompt
    assert outcome.result.text == "said metric.analyze"


async def test_a_delegate_does_all_of_it() -> None:
    peers = Peers(partner=done("done elsewhere"))
    request = GoalRequest(goal="make it right", delegate="partner")

    outcome = await carry_out(frame("coordinate"), peers, request=request)

    assert outcome.result.text == "done elsewhere"


@pytest.mark.requirement("RT-19")
async def test_nothing_acts_before_the_gate_that_shows_the_findings() -> None:
    claim = Claim(text="The pool is full", subject="pool", predicate="full")
    peers = Peers(
        **{each.id: done("x", claims=[claim]) for each in FOUR},
        plan=done("enlarge the pool"),
        execute=done(),
        validate=done("pass"),
    )

    outcome = await carry_out(frame("diagnose", secondary_goals=["remediate"]), peers, *FOUR)

    [question] = outcome.result.interrupts
    assert "The pool is full" in question.message
    assert "enlarge the pool" in question.message
    assert "The pool is full" in peers["plan"].tasks[0].prompt
    assert peers["execute"].tasks == []


@pytest.mark.requirement("RT-20")
async def test_the_outcome_has_a_section_per_goal_and_a_failure_keeps_the_earlier_ones() -> None:
    wanted = frame("explain", secondary_goals=["modify", "answer"])
    peers = Peers(answer=done("It is a cache."), plan=failed("peer_failed"))

    outcome = await carry_out(wanted, peers)
    whole = await carry_out(
        wanted,
        Peers(answer=done("It is."), plan=done(), execute=done("changed"), validate=done("pass")),
    )

    assert statuses(outcome.result) == [
        ("Explain", "completed"), ("Modify", "failed"), ("Answer", "skipped"),
    ]  # fmt: skip
    assert (outcome.result.status, outcome.result.partial) == ("failed", True)
    assert "It is a cache." in outcome.result.text
    assert [status for _, status in statuses(whole.result)] == ["completed"] * 3
    assert whole.result.text.startswith("Explain\n\nIt is.\n\nModify\n\nchanged")


def statuses(result: Result) -> list[tuple[JsonValue, JsonValue]]:
    assert isinstance(result.data, dict)
    sections = result.data["sections"]
    assert isinstance(sections, list)
    return [(each["title"], each["status"]) for each in sections if isinstance(each, dict)]


@pytest.mark.requirement("PROTO-5")
async def test_without_a_test_the_validator_decides_and_the_outcome_says_so() -> None:
    peers = Peers(
        code=answers(done("v1"), done("v2")), validate=answers(done("fail: no"), done("pass"))
    )
    tested = Peers(code=done("v1"), test=done("ok", data={"passed": True}), validate=done("pass"))

    outcome = await carry_out(frame("generate_code"), peers)
    other = await carry_out(frame("generate_code"), tested, ONE, TESTER)

    assert outcome.result.text == "v2"
    assert [reason.message for reason in outcome.result.reasons] == ["tested: false"]
    assert other.result.reasons == ()
