"""`weft explain`: the plan as lines or as a picture, and what led to it."""

import pytest

from tests.libs.routing.frames import FOUR, RISKY, compiler, frame
from weft.cli.explain import Drawing, drawn, why
from weft.core import JsonObject
from weft.routing import CapabilityIndex, CognitiveCompiler


def explanation(goal: str, **fields: object) -> JsonObject:
    return compiler(*FOUR, RISKY).explain(frame(goal, **fields)).to_json()


@pytest.mark.parametrize(
    ("drawing", "begins"),
    [
        ("steps", "diagnose: 4 branches at once"),
        ("tree", "diagnose: 4 branches"),
        ("mermaid", "flowchart TD"),
    ],
)
def test_a_plan_is_shown_in_each_form_whole(drawing: Drawing, begins: str) -> None:
    shown = drawn(explanation("diagnose"), drawing)

    assert shown.startswith(begins)
    assert all(name in shown for name in ("code.analyze", "metric.analyze"))


def test_what_led_to_the_plan_is_said_in_a_line_each() -> None:
    lines = why(explanation("diagnose", risk="high"))

    assert lines[0] == "goal: primary_goal diagnose, domain general, complexity low, risk high"
    assert lines[1] == "diagnose: specialist_fanout (single_candidate)"
    assert "policy: needs a yes: risk high is above medium" in lines
    assert any(line.startswith("left out: db.restart: ") for line in lines)
    assert any(line.startswith("at most: calls ") for line in lines)


def test_what_else_could_be_done_and_what_cannot_is_said_with_what_to_note() -> None:
    index = CapabilityIndex(FOUR, problems=["card of x: skill 'y': malformed tag 'risk:lwo'"])
    shown = CognitiveCompiler(index).explain(frame("research", complexity="high")).to_json()
    nothing = compiler().explain(frame("research", complexity="high")).to_json()

    assert "also possible: debate, handoff_chain, direct_response (--protocol chooses)" in why(
        shown
    )
    assert "note: card of x: skill 'y': malformed tag 'risk:lwo'" in why(shown)
    assert any(line.startswith("not specialist_fanout: ") for line in why(nothing))


def test_where_nothing_would_run_the_reason_is_said_and_nothing_drawn() -> None:
    nothing = compiler().explain(frame("diagnose")).to_json()

    assert drawn(nothing, "tree") == ""
    assert why(nothing)[-1].startswith("no_capability: ")


def test_an_odd_answer_breaks_nothing() -> None:
    assert why({"parts": [1, {"policy": 7, "modifiers": "x"}], "left_out": []}) == [
        "None: None (None)"
    ]
