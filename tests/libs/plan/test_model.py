"""Plans as data: round trips, schemas, and all faults at once."""

from typing import cast

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core import JsonObject, dumps
from weft.plan import (
    Call,
    Case,
    Choose,
    Gate,
    Judge,
    Loop,
    Node,
    Parallel,
    Plan,
    PlanInvalidError,
    Sequence,
    Synthesize,
    verdict_is,
)

EXAMPLE: JsonObject = {
    "version": 1,
    "id": "p1",
    "goal": "why is checkout slow?",
    "protocol": "specialist_fanout",
    "root": {
        "kind": "parallel",
        "id": "probe",
        "join": "synthesize",
        "tolerate": 1,
        "branches": [
            {"kind": "call", "id": "logs", "capability": "logs.search", "timeout": 60},
            {"kind": "call", "id": "metrics", "capability": "metrics.query", "prompt": "{goal}"},
        ],
    },
}
SCHEMA = jsonschema.Draft202012Validator(Plan.json_schema())
names = st.sampled_from(["a", "b", "c1", "probe", "x_y"])
texts = st.text(alphabet="abc {}.", max_size=12).map(lambda text: text.replace("{", "{{"))


def calls(name: str) -> st.SearchStrategy[Node]:
    return st.builds(
        Call,
        id=st.just(name),
        capability=st.sampled_from(["logs.search", "x"]),
        prompt=texts,
        retries=st.integers(0, 5),
        timeout=st.none() | st.floats(0.1, 100),
        arguments=st.none() | st.just({"n": None, "k": [1, {"a": True}]}),
        fallback=st.none() | st.just(Call(id="spare", role="answer")),
    )


def branches(name: str, inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    children = st.lists(inner, min_size=1, max_size=3).map(_apart)
    judged = children.map(
        lambda steps: Sequence(id="judged", steps=(*steps, Judge(id="v", of=steps[-1].id)))
    )
    return st.one_of(
        st.builds(Sequence, id=st.just(name), steps=children),
        st.builds(Parallel, id=st.just(name), branches=children, join=st.sampled_from(["all"])),
        st.builds(Gate, id=st.just(name), body=inner, reasons=st.just(("risk",))),
        st.builds(
            Loop,
            id=st.just(name),
            body=judged,
            max=st.integers(1, 50),
            until=st.just(verdict_is("v", "pass", "abstain")),
        ),
        children.map(
            lambda steps: Sequence(
                id=name, steps=(*steps, Synthesize(id="report", of=(steps[0].id,)))
            )
        ),
        judged.map(
            lambda first: Sequence(
                id=name,
                steps=(
                    first,
                    Choose(
                        id="pick",
                        cases=(Case(when=verdict_is("v", "pass"), then=Call(id="y", role="r")),),
                    ),
                ),
            )
        ),
    )


def _apart(nodes: list[Node]) -> tuple[Node, ...]:
    """Give siblings ids of their own."""
    return tuple(node.model_copy(update={"id": f"n{index}"}) for index, node in enumerate(nodes))


trees = st.recursive(
    names.flatmap(calls),
    lambda inner: names.flatmap(lambda name: branches(name, inner)),
    max_leaves=6,
)


@pytest.mark.requirement("PLAN-1")
@settings(max_examples=60, deadline=None)
@given(trees, st.none() | st.just({"domain": "shop", "success_criteria": ["fast"]}))
def test_a_plan_equals_what_its_json_says(root: Node, frame: JsonObject | None) -> None:
    plan = Plan(id="p", goal="do it", root=root, frame=frame)

    assert Plan.from_json(plan.to_json()) == plan
    assert Plan.from_json(dumps(plan.to_json())) == plan
    SCHEMA.validate(plan.to_json())


@pytest.mark.requirement("PLAN-1")
def test_the_schema_is_2020_12_and_refuses_unknown_properties() -> None:
    jsonschema.Draft202012Validator.check_schema(Plan.json_schema())
    SCHEMA.validate(EXAMPLE)

    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate({**EXAMPLE, "colour": "red"})


def root(**node: object) -> JsonObject:
    return cast(JsonObject, {"version": 1, "id": "p", "goal": "g", "root": node})


def call(name: str = "a", **fields: object) -> JsonObject:
    return cast(JsonObject, {"kind": "call", "id": name, "role": "answer", **fields})


def nested(depth: int) -> JsonObject:
    node = call()
    for level in range(depth - 1):
        node = {"kind": "sequence", "id": f"s{level}", "steps": [node]}
    return node


@pytest.mark.requirement("PLAN-2")
@pytest.mark.parametrize(
    ("raw", "pointer", "words"),
    [
        (root(**call(kind="dance")), "/root", "dance"),
        (root(**call(colour=1)), "/root/colour", "Extra"),
        ({**root(**call()), "version": 2}, "/version", "1"),
        (root(**call(prompt="{stars}")), "/root/prompt", "unknown placeholder {stars}"),
        (
            root(kind="sequence", id="s", steps=[call(), call()]),
            "/root",
            "duplicate id 'a'",
        ),
        (
            root(kind="sequence", id="s", steps=[call(prompt="{step.b}"), call("b")]),
            "/root/steps/0/prompt",
            "cannot have finished",
        ),
        (
            root(kind="parallel", id="s", branches=[call(), call("b", prompt="{step.a}")]),
            "/root/branches/1/prompt",
            "cannot have finished",
        ),
        (root(kind="sequence", id="s", steps=[]), "/root/steps", "at least 1"),
        (root(kind="loop", id="l", max=51, body=call()), "/root/max", "50"),
        (root(**call(retries="2")), "/root/retries", "integer"),
        (root(**call(timeout=0)), "/root/timeout", "greater than 0"),
        (root(kind="judge", id="j", of="nobody"), "/root/of", "cannot have finished"),
        (
            root(kind="sequence", id="s", steps=[call(f"n{i}") for i in range(201)]),
            "/root",
            "at most 200",
        ),
        (root(**nested(13)), "/root" + "/steps/0" * 12, "deeper than 12"),
        (root(**call(prompt="x" * 256_001)), "", "larger than"),
        (root(kind="call", id="c"), "/root", "needs a capability"),
        (root(kind="synthesize", id="s", of=["a"], mode="model"), "/root/mode", "not permitted"),
    ],
)
def test_each_fault_is_named_with_its_place(raw: JsonObject, pointer: str, words: str) -> None:
    with pytest.raises(PlanInvalidError) as caught:
        Plan.from_json(raw)

    assert any(
        fault.pointer == pointer and words in fault.message for fault in caught.value.faults
    ), caught.value.faults


@pytest.mark.requirement("PLAN-2")
def test_all_faults_are_listed_at_once_with_the_ids_on_their_way() -> None:
    raw = root(
        kind="sequence",
        id="s",
        steps=[
            call(prompt="{step.later} {nonsense}", colour="red"),
            {"kind": "loop", "id": "l", "max": 99, "body": call("b"), "until": {"not": {
                "verdict": "ghost", "is": "pass"}}},
        ],
    )  # fmt: skip

    with pytest.raises(PlanInvalidError) as caught:
        Plan.from_json(raw)

    found = {(fault.path, fault.pointer) for fault in caught.value.faults}
    assert found == {
        (("s", "a"), "/root/steps/0/colour"),
        (("s", "a"), "/root/steps/0/prompt"),
        (("s", "l"), "/root/steps/1/max"),
        (("s", "l"), "/root/steps/1/until"),
    }
    assert len(caught.value.faults) == 5


@pytest.mark.requirement("PLAN-2")
def test_depth_12_and_200_nodes_are_allowed() -> None:
    Plan.from_json(root(**nested(12)))
    Plan.from_json(root(kind="sequence", id="s", steps=[call(f"n{i}") for i in range(199)]))


def test_a_plan_built_in_code_is_checked_the_same_way() -> None:
    plan = Plan(id="p", goal="g", root=Call(id="a", role="answer", prompt="{step.ghost}"))

    with pytest.raises(PlanInvalidError):
        plan.checked_json()
