"""What every frame routes to: goals by complexity by risk, computed from the registry."""

from collections import Counter
from itertools import product

import pytest

from tests.libs.routing.frames import FOUR, ONE, capability, compiler, frame
from weft.core import JsonObject
from weft.plan import Plan
from weft.routing import (
    BUILTINS,
    CognitiveCompiler,
    GoalFrame,
    GoalRequest,
    Level,
    NoCapabilityError,
    Protocol,
    Routed,
    TaskType,
    View,
)

SHORT = {
    "direct": "direct_response", "plan-execute": "plan_execute_validate",
    "fan-out": "specialist_fanout", "gated": "approval_gated_execution",
    "codegen": "codegen_test_validate", "debate": "debate", "handoff": "handoff_chain",
}  # fmt: skip
TABLE = """
answer explain      | *          | direct       | direct G V  | direct G V
plan build modify   | *          | plan-execute | plan-execute | plan-execute G
diagnose monitor    | *          | fan-out      | fan-out     | fan-out G V
remediate escalate  | *          | gated G      | gated G     | gated G
generate_code       | *          | codegen      | codegen     | codegen G
compare             | *          | debate       | debate G V  | debate G V
research            | low        | direct       | direct G V  | direct G V
research            | medium     | handoff      | handoff     | handoff G V
research coordinate | high       | fan-out      | fan-out     | fan-out G V
coordinate          | low medium | handoff      | handoff     | handoff G V
"""
LEVELS = ("low", "medium", "high")
FRAMES = [
    frame(goal, complexity=complexity, risk=risk)
    for goal, complexity, risk in product(TaskType, LEVELS, LEVELS)
]


def expected() -> dict[tuple[str, str, str], str]:
    rows = {}
    for line in TABLE.strip().splitlines():
        goals, complexities, *cells = (part.strip() for part in line.split("|"))
        listed = LEVELS if complexities == "*" else complexities.split()
        for goal, complexity, (risk, cell) in product(
            goals.split(), listed, zip(LEVELS, cells, strict=True)
        ):
            rows[goal, complexity, risk] = cell
    return rows


def cell(routed: Routed) -> str:
    assert routed.plan is not None, routed.error
    [part] = routed.parts
    assert part.selection is not None
    name = next(short for short, full in SHORT.items() if full == part.selection.protocol.id)
    added = {modifier.kind for modifier in part.modifiers}
    return " ".join(
        [name, *(["G"] if "gate" in added else []), *(["V"] if "validator" in added else [])]
    )


def key(wanted: GoalFrame) -> tuple[str, str, str]:
    return wanted.primary_goal, wanted.complexity, wanted.risk


@pytest.mark.requirement("RT-24")
def test_every_frame_routes_as_the_table_says() -> None:
    mesh = compiler(ONE)

    found = {key(each): cell(mesh.route(each, GoalRequest(goal="do it"))) for each in FRAMES}

    assert len(found) == 117
    assert found == expected()
    protocols = Counter(name.split()[0] for name in found.values())
    assert protocols == {
        "plan-execute": 27, "fan-out": 24, "direct": 21, "gated": 18,
        "codegen": 9, "debate": 9, "handoff": 9,
    }  # fmt: skip
    assert sum("G" in name.split() for name in found.values()) == 61


@pytest.mark.requirement("RT-24")
def test_the_gates_of_the_table_stand_in_the_plans() -> None:
    mesh = compiler(ONE)

    for wanted in FRAMES:
        plan = mesh.compile(wanted, GoalRequest(goal="do it"))
        gates = [node for _, node in plan.nodes() if node.kind == "gate"]
        judges = [node for _, node in plan.nodes() if node.kind == "judge"]
        assert len(gates) == ("G" in expected()[key(wanted)].split())
        if "V" in expected()[key(wanted)].split():
            assert any(getattr(judge, "role", "") == "validate" for judge in judges)


@pytest.mark.requirement("RT-13")
@pytest.mark.parametrize("wanted", FRAMES, ids=lambda each: ".".join(key(each)))
def test_every_frame_yields_a_valid_plan(wanted: GoalFrame) -> None:
    plan = compiler(ONE).compile(wanted, GoalRequest(goal="do {it} now"))

    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.requirement("RT-24")
@pytest.mark.requirement("PROTO-3")
def test_without_anything_eligible_27_frames_have_no_capability() -> None:
    mesh = CognitiveCompiler(compiler().capabilities)
    dead, research = [], {}

    for wanted in FRAMES:
        routed = mesh.route(wanted)
        if routed.error is not None:
            assert isinstance(routed.error, NoCapabilityError)
            dead.append(wanted.primary_goal)
        elif wanted.primary_goal is TaskType.RESEARCH and wanted.risk is Level.LOW:
            research[wanted.complexity] = cell(routed)

    assert Counter(dead) == {TaskType.DIAGNOSE: 9, TaskType.MONITOR: 9, TaskType.COORDINATE: 9}
    assert research == {"low": "direct", "medium": "direct", "high": "debate"}


def test_a_delegate_takes_over_coordination() -> None:
    routed = compiler(ONE).route(frame("coordinate"), GoalRequest(delegate="partner"))

    assert routed.plan is not None
    assert (routed.plan.protocol, routed.plan.root.kind) == ("a2a_delegate", "call")


@pytest.mark.requirement("RT-12")
def test_risk_alone_never_changes_the_protocol() -> None:
    mesh = compiler(*FOUR)
    chosen: dict[tuple[str, str], set[str | None]] = {}

    for wanted in FRAMES:
        plan = mesh.compile(wanted)
        chosen.setdefault((wanted.primary_goal, wanted.complexity), set()).add(plan.protocol)

    assert {len(protocols) for protocols in chosen.values()} == {1}


@pytest.mark.requirement("PROTO-1")
@pytest.mark.parametrize("protocol", BUILTINS, ids=lambda each: each.id)
def test_every_builtin_builds_a_valid_plan_for_every_frame_it_handles(protocol: Protocol) -> None:
    capabilities = (
        capability("log.analyze"),
        capability("9/odd Name", risk="high"),
        capability("9.odd.name"),
        capability("x" * 60),
        capability("tests", roles=["test"], domains=["qa"]),
        capability("pytest", roles=["test"], domains=["qa"], tool_name="run_tests"),
    )
    extras: list[JsonObject] = [
        {}, {"requires_memory": True}, {"requires_code_generation": True},
        {"requires_multi_agent": True}, {"success_criteria": ["fast {braces}"]},
        {"required_capabilities": ["log.analyze", "9/odd Name"]}, {"approval_required": True},
    ]  # fmt: skip
    mesh = compiler(*capabilities)

    for wanted, extra in product(FRAMES, extras):
        if wanted.primary_goal in protocol.handles:
            asked = GoalRequest(goal="g", protocol=protocol.id, delegate="partner")
            plan = mesh.compile(GoalFrame.model_validate({**wanted.to_json(), **extra}), asked)
            assert plan.protocol == protocol.id
            assert Plan.from_json(plan.to_json()) == plan


def test_a_view_needs_no_more_than_a_goal_and_a_name() -> None:
    assert View(TaskType.ANSWER, "answer").working == ()
