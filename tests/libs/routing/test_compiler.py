"""Selection, purity and explanations."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.libs.routing.frames import (
    FOUR,
    ONE,
    RISKY,
    capability,
    compiler,
    frame,
)
from weft.core import JsonObject
from weft.core.errors import WeftError
from weft.plan import Call
from weft.routing import (
    BUILTINS,
    CapabilityIndex,
    CognitiveCompiler,
    GoalFrame,
    GoalRequest,
    Level,
    NoCapabilityError,
    NoMatchingProtocolError,
    Protocol,
    ProtocolRegistry,
    TaskType,
    UnknownProtocolError,
    events_of,
)


@pytest.mark.requirement("RT-1")
@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({"primary_goal": "answer"}, {"primary_goal": "compare"}),
        ({"primary_goal": "answer"}, {"secondary_goals": ["explain"]}),
        ({"primary_goal": "diagnose"}, {"domain": "db"}),
        ({"primary_goal": "plan"}, {"complexity": "high"}),
        ({"primary_goal": "answer"}, {"risk": "medium"}),
        ({"primary_goal": "answer", "domain": "none"}, {"requires_tools": True}),
        ({"primary_goal": "answer"}, {"requires_memory": True}),
        ({"primary_goal": "build"}, {"requires_code_generation": True}),
        ({"primary_goal": "answer"}, {"requires_multi_agent": True}),
        ({"primary_goal": "answer"}, {"approval_required": True}),
        ({"primary_goal": "answer"}, {"success_criteria": ["short"]}),
        ({"primary_goal": "diagnose"}, {"required_capabilities": ["log.analyze"]}),
    ],
)
def test_each_field_changes_what_is_planned_or_said(base: JsonObject, change: JsonObject) -> None:
    mesh = compiler(
        capability("log.analyze", domains=["web"]), capability("db.query", domains=["db"])
    )

    def said(fields: JsonObject) -> JsonObject:
        shown = mesh.explain(GoalFrame.model_validate(fields), GoalRequest(goal="g")).to_json()
        plan = shown["plan"]
        return {
            "parts": shown["parts"],
            "error": shown["error"],
            "root": plan["root"] if isinstance(plan, dict) else None,
        }

    assert said({**base, **change}) != said(base)


SKILLED = (
    capability("log.analyze", tags=["logs", "errors"], description="Finds errors in logs."),
    capability("metric.read", examples=["is checkout slow?"], providers=["scout"]),
    capability("incident.look", description="Diagnose an incident."),
    capability("weather.tell", tags=["weather"], description="Tells the weather."),
    RISKY,
)
WORDS = (
    "logs",
    "errors",
    "checkout",
    "slow",
    "weather",
    "shop 7",
    "diagnose",
    "Turin",
    "in",
    "scout",
)
wishes = st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join)
READING = ("diagnose", "monitor", "research")
frames = st.builds(
    GoalFrame,
    primary_goal=st.sampled_from(TaskType),
    secondary_goals=st.lists(st.sampled_from(TaskType), max_size=4).map(tuple),
    complexity=st.sampled_from(Level),
    risk=st.sampled_from(Level),
    requires_tools=st.booleans(),
    requires_code_generation=st.booleans(),
    requires_multi_agent=st.booleans(),
    approval_required=st.booleans(),
    success_criteria=st.sampled_from([(), ("fast",)]),
    required_capabilities=st.sampled_from([(), ("log.analyze",), ("db.restart", "log.analyze")]),
)
shelves = st.lists(st.sampled_from([*FOUR, RISKY]), unique=True)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(READING),
    st.lists(wishes, min_size=2, max_size=6),
    st.sampled_from([None, "specialist_fanout"]),
)
@example("research", ["shop 7", "in"], "specialist_fanout")
def test_what_was_asked_before_in_other_words_changes_no_plan(
    kind: str, goals: list[str], protocol: str | None
) -> None:
    wanted, busy = frame(kind), compiler(*SKILLED)

    for goal in goals:
        request = GoalRequest(goal=goal, protocol=protocol)
        alone = compiler(*SKILLED)
        assert busy.explain(wanted, request) == alone.explain(wanted, request)
        events, others = (events_of(mesh.route(wanted, request)) for mesh in (busy, alone))
        assert events == others


def test_a_protocol_that_comes_later_counts_from_the_next_request() -> None:
    registry = ProtocolRegistry()
    registry.register_many(BUILTINS[:1])
    mesh = CognitiveCompiler(CapabilityIndex([ONE]), protocols=registry)
    assert mesh.route(frame("research"), GoalRequest(goal="logs")).plan is not None

    registry.register_many(BUILTINS[1:])
    part = mesh.route(frame("research"), GoalRequest(goal="logs")).parts[0]

    assert part.selection is not None
    assert part.selection.runners_up


@pytest.mark.requirement("RT-11")
@settings(max_examples=150, deadline=None)
@given(frames, shelves, st.randoms(use_true_random=False))
def test_routing_is_a_pure_function_of_frame_view_registry_and_request(
    wanted: GoalFrame, shelf: list[object], random: object
) -> None:
    shuffled, protocols = list(shelf), list(BUILTINS)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    random.shuffle(protocols)  # type: ignore[attr-defined]
    registry = ProtocolRegistry()
    registry.register_many(protocols)

    first = CognitiveCompiler(CapabilityIndex(shelf)).explain(wanted, GoalRequest(goal="g"))  # type: ignore[arg-type]
    second = CognitiveCompiler(CapabilityIndex(shuffled), protocols=registry).explain(  # type: ignore[arg-type]
        wanted, GoalRequest(goal="g")
    )

    assert first == second
    assert (first.plan is None) is (first.error is not None)


@pytest.mark.requirement("RT-14")
def test_a_dead_end_lists_every_protocol_with_gate_and_reason() -> None:
    with pytest.raises(NoCapabilityError) as caught:
        compiler().compile(frame("diagnose"))

    gates = {each.protocol_id: each.gate for each in caught.value.rejected}
    shown = compiler().explain(frame("diagnose"))
    assert {each.protocol_id: each.gate for each in shown.parts[0].rejected} == gates
    assert caught.value.code == "no_capability"
    assert set(gates) == {each.id for each in BUILTINS}
    assert gates["specialist_fanout"] == "capabilities"
    assert gates["debate"] == "goal"
    lonely = ProtocolRegistry()
    lonely.register(BUILTINS[0])
    with pytest.raises(NoMatchingProtocolError) as goal:
        CognitiveCompiler(CapabilityIndex([ONE]), protocols=lonely).compile(frame("build"))
    assert (goal.value.code, [each.gate for each in goal.value.rejected]) == (
        "no_protocol",
        ["goal"],
    )


@pytest.mark.requirement("RT-15")
def test_a2a_peer_as_a_required_capability_is_met_by_the_delegate() -> None:
    wanted = frame("coordinate", required_capabilities=["a2a_peer"])

    root = compiler(ONE).compile(wanted, GoalRequest(delegate="https://partner.example")).root

    assert isinstance(root, Call)
    assert root.peer == "https://partner.example"


def test_a_request_may_name_its_protocol() -> None:
    shown = compiler(*FOUR).explain(frame("compare"), GoalRequest(protocol="specialist_fanout"))

    assert shown.parts[0].method == "requested"
    with pytest.raises(UnknownProtocolError, match="specialist_fanout"):
        compiler(*FOUR).compile(frame("compare"), GoalRequest(protocol="specialist_fan"))


def test_a_registry_refuses_duplicates_and_strays() -> None:
    registry = ProtocolRegistry()
    registry.register(BUILTINS[0])

    with pytest.raises(ValueError, match="already"):
        registry.register(BUILTINS[0])
    with pytest.raises(ValueError, match="without handling"):
        registry.register(
            Protocol(
                id="odd",
                description="",
                handles=frozenset({TaskType.PLAN}),
                primary_for=frozenset({TaskType.BUILD}),
                build=BUILTINS[0].build,
            )
        )


def test_every_decision_has_its_event_in_order() -> None:
    mesh = compiler(*FOUR)
    wanted = frame("diagnose")
    good = events_of(mesh.route(wanted, GoalRequest(goal="g")))
    dead = events_of(compiler().route(wanted))

    assert [event.type for event in good] == [
        "router.frame.extracted",
        "router.protocol.selected",
        "router.policy.verdict",
        "router.runnable.compiled",
        "plan.compiled",
    ]
    assert [event.type for event in dead] == ["router.frame.extracted", "router.protocol.no_match"]
    assert (
        good[-1].data.model_dump()["plan"] == mesh.compile(wanted, GoalRequest(goal="g")).to_json()
    )


@pytest.mark.requirement("RT-35")
@settings(max_examples=60, deadline=None)
@given(frames)
def test_an_explanation_shows_what_a_compilation_does(wanted: GoalFrame) -> None:
    mesh = compiler(*FOUR, RISKY)
    shown = mesh.explain(wanted, GoalRequest(goal="g"))

    if shown.error is None:
        assert shown.plan == mesh.compile(wanted, GoalRequest(goal="g")).to_json()
    else:
        with pytest.raises(WeftError) as caught:
            mesh.compile(wanted, GoalRequest(goal="g"))
        assert shown.error["code"] == caught.value.code
