"""Plans for people."""

import pytest

from weft.plan import (
    Call,
    Case,
    Choose,
    Gate,
    Judge,
    Loop,
    Parallel,
    Plan,
    Sequence,
    Synthesize,
    verdict_is,
)
from weft.plan.drawing import ascii as tree
from weft.plan.drawing import explain, mermaid

PLAN = Plan(
    id="p",
    goal="g",
    root=Sequence(
        id="all",
        steps=(
            Parallel(
                id="probe",
                join="synthesize",
                tolerate=1,
                branches=(
                    Call(id="logs", capability="logs.search", timeout=60),
                    Call(id="who", role="answer", fallback=Call(id="spare", peer="http://x")),
                ),
            ),
            Loop(
                id="fix",
                max=3,
                body=Sequence(
                    id="pass",
                    steps=(
                        Gate(
                            id="gate",
                            reasons=('risk "high" [a]',),
                            body=Call(id="act", role="execute"),
                        ),
                        Judge(id="check", of="act"),
                    ),
                ),
            ),
            Choose(
                id="pick",
                cases=(
                    Case(
                        when=verdict_is("check", "pass"), then=Synthesize(id="report", of=("act",))
                    ),
                ),
            ),
        ),
    ),
)


@pytest.mark.requirement("PLAN-30")
def test_an_explanation_is_one_line_per_step_in_order_and_equal_for_equal_plans() -> None:
    lines = explain(PLAN).splitlines()

    assert [line.strip().partition(":")[0] for line in lines] == [
        path[-1] for path, _ in PLAN.nodes()
    ]
    assert lines[2] == "    logs: ask logs.search, at most 60 s"
    assert explain(Plan.from_json(PLAN.to_json())) == explain(PLAN)


@pytest.mark.requirement("PLAN-32")
def test_pictures_draw_every_node_once_and_escape_labels() -> None:
    ids = [path[-1] for path, _ in PLAN.nodes()]

    chart, text = mermaid(PLAN), tree(PLAN)

    boxes = [line for line in chart.splitlines() if '["' in line]
    assert len(boxes) == len(ids) == len(text.splitlines())
    assert all(box.count('"') == 2 and box.count("[") == 1 for box in boxes)
    assert chart.count("-->") == len(ids) - 1
    assert [line.lstrip("|`- ").partition(":")[0] for line in text.splitlines()] == ids


@pytest.mark.requirement("PLAN-32")
def test_pictures_show_the_status_of_each_step_that_has_one() -> None:
    statuses = {
        ("all", "probe", "logs"): "failed",
        ("all", "fix#1", "pass", "check"): "failed",
        ("all", "fix#2", "pass", "check"): "completed",
    }

    chart, text = mermaid(PLAN, statuses), tree(PLAN, statuses)

    assert "✗ logs" in chart
    assert "✗ logs" in text
    assert "✓ check" in chart
    assert "✓ check" in text
    assert text.count("✗") == 1
