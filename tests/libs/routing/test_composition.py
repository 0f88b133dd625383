"""Gates, validators and parts around a protocol."""

import pytest

from tests.libs.routing.frames import (
    FOUR,
    ONE,
    RISKY,
    capability,
    compiler,
    frame,
    kinds,
    only,
    plan_for,
)
from weft.plan import Call, Gate, Judge, Loop, Sequence
from weft.routing import (
    TaskType,
)


@pytest.mark.requirement("RT-16")
def test_a_part_riskier_than_its_protocol_is_gated_and_validated() -> None:
    plan = plan_for(frame("answer", risk="medium", complexity="medium"))

    gate = plan.root
    assert isinstance(gate, Gate)
    assert isinstance(gate.body, Loop)
    assert gate.body.max == 3
    judge = only(plan, "judge")
    assert isinstance(judge, Judge)
    assert (judge.role, judge.of) == ("validate", "answer")
    call = only(plan, "call")
    assert isinstance(call, Call)
    assert "{feedback}" in call.prompt


@pytest.mark.requirement("RT-16")
def test_a_part_that_ends_in_a_validator_gets_the_gate_only() -> None:
    plan = plan_for(frame("build", risk="high"))

    assert (plan.root.kind, kinds(plan).count("judge"), kinds(plan).count("loop")) == ("gate", 1, 1)


@pytest.mark.requirement("RT-17")
def test_a_part_has_one_gate_with_all_reasons() -> None:
    risky = plan_for(frame("answer", risk="high", approval_required=True))
    gated = plan_for(frame("remediate", risk="high", approval_required=True))

    first, own = only(risky, "gate"), only(gated, "gate")
    assert isinstance(first, Gate)
    assert isinstance(own, Gate)
    assert len(first.reasons) == 2
    assert [("above" in reason, "approval required" in reason) for reason in first.reasons] == [
        (True, False), (False, True),
    ]  # fmt: skip
    assert len(own.reasons) == 2


@pytest.mark.requirement("RT-17")
def test_in_a_mixed_frame_approval_gates_the_first_acting_part() -> None:
    plan = plan_for(frame("explain", secondary_goals=["build", "modify"], approval_required=True))

    assert [part.kind for part in plan.root.children()] == ["call", "gate", "sequence"]


@pytest.mark.requirement("RT-18")
def test_parts_follow_the_listed_order_but_prepare_before_they_act() -> None:
    wanted = frame("remediate", secondary_goals=["explain", "diagnose", "build", "research"])

    plan = plan_for(wanted)

    assert [part.value for part in wanted.goals()] == [
        "diagnose", "research", "remediate", "explain", "build",
    ]  # fmt: skip
    assert isinstance(plan.root, Sequence)
    [last] = [n for path, n in plan.nodes() if path[-1] == "outline" and path[1] == "build"]
    assert isinstance(last, Call)
    assert "{step.diagnose}{step.research}{step.remediate}{step.explain}" in last.prompt


@pytest.mark.requirement("RT-19")
def test_diagnose_and_remediate_is_fan_out_gate_execution() -> None:
    plan = plan_for(frame("diagnose", secondary_goals=["remediate"], risk="high"), *FOUR, RISKY)

    diagnose, remediate = plan.root.children()
    gate = only(plan, "gate")
    assert isinstance(gate, Gate)
    assert diagnose.kind == "parallel"
    assert gate.shows == ("diagnose", "proposal")
    before = [node for path, node in plan.nodes() if isinstance(node, Call) and gate.id not in path]
    assert all(call.role == "plan" or call.risk == "low" for call in before)
    assert remediate.kind == "sequence"


@pytest.mark.requirement("RT-22")
def test_a_review_by_the_author_is_said_so() -> None:
    worker = capability("do", roles=["execute", "validate"], providers=["solo"])
    reviewer = capability("check", roles=["validate"], providers=["other"])

    alone = compiler(ONE, worker).explain(frame("build"))
    shared = compiler(ONE, worker, reviewer).explain(frame("build"))

    assert "self_review" in {modifier.kind for modifier in alone.parts[0].modifiers}
    assert "self_review" not in {modifier.kind for modifier in shared.parts[0].modifiers}


@pytest.mark.requirement("RT-23")
def test_no_prompt_claims_an_approval() -> None:
    for goal in TaskType:
        for _, node in plan_for(frame(goal, risk="high", approval_required=True)).nodes():
            if isinstance(node, Call):
                assert "approv" not in node.prompt.lower()


def test_a_reading_part_beside_an_acting_one_is_as_risky_as_what_it_may_call() -> None:
    wanted = frame("explain", secondary_goals=["build"], risk="high")
    probing = capability("db.dump", risk="medium")

    quiet, _ = plan_for(wanted, *FOUR).root.children()
    risky, _ = plan_for(wanted, *FOUR, probing).root.children()

    assert (quiet.kind, risky.kind) == ("call", "gate")
