"""A run that was, in the terminal: its tree, its flowchart, and where its time went."""

import re

from weft.cli.run_tree import drawn, flowchart
from weft.cli.trace import trace_lines
from weft.core import JsonObject, JsonValue

NOTHING: JsonObject = {"total_tokens": 0, "model_calls": 0, "cost_usd": 0.0, "unknown": False}


def node(
    place: str, began: float, ended: float | None, *below: JsonObject, **more: JsonValue
) -> JsonObject:
    children: list[JsonValue] = [*below]
    taken = None if ended is None else (ended - began) * 1000
    return {
        "path": [place],
        "kind": "agent",
        "name": place,
        "status": "completed",
        "started_at": moment(began),
        "ended_at": None if ended is None else moment(ended),
        "duration_ms": taken,
        "usage": NOTHING,
        "error": None,
        "children": children,
        **more,
    }  # fmt: skip


def moment(second: float) -> str:
    return f"2026-01-31T12:00:{second:06.3f}Z"


SPENT: JsonObject = {"total_tokens": 120, "model_calls": 2, "cost_usd": 0.5, "unknown": True}
TREE = node(
    "run", 1, 10,
    node("both", 1, 8,
         node("logs", 1, 3, usage=SPENT, kind="agent", name="log_analyst"),
         node("traces", 1, 8, node("read", 2, 7), usage=None, status="failed",
              error={"code": "peer_away"})),
    node("words", 8, 10),
)  # fmt: skip


def test_a_tree_shows_who_how_it_ended_how_long_and_what_it_took() -> None:
    assert list(drawn(TREE)) == [
        "✔ run  9.00 s",
        "├── ✔ both  7.00 s",
        "│   ├── ✔ logs → log_analyst  2.00 s, 120 tokens, 2 model calls, $0.5, and more unknown",
        "│   └── ✘ traces  failed, 7.00 s, use unknown, peer_away",
        "│       └── ✔ read  5.00 s",
        "└── ✔ words  2.00 s",
    ]


def test_a_use_is_called_by_who_was_used_and_not_by_its_id() -> None:
    used, lost = "0" * 31 + "a", "0" * 31 + "b"
    tree = node("answer", 1, 4, node(used, 1, 2, name="log_analyst"), node(lost, 2, 3))

    assert [line.partition("✔ ")[2] for line in drawn(tree)][1:] == [
        "log_analyst  1.00 s",
        "a use  1.00 s",
    ]


def test_a_flowchart_has_every_node_once_and_nothing_of_a_name_is_read_as_one() -> None:
    odd = node('a"]; click x', 0, 1, node("b", 0, 1))

    lines = list(flowchart(odd))

    assert lines[0] == "flowchart TD"
    assert [line for line in lines if "-->" in line] == ["  n --> n_0"]
    boxes = [line for line in lines if "[" in line]
    assert len(boxes) == 2
    assert all(re.fullmatch(r'  n(_0)?\["[^"\[\]]*"\]', box) for box in boxes)


def test_a_trace_tells_what_the_end_waited_for_and_who_was_waited_for() -> None:
    lines = trace_lines(TREE, moment(0))

    began = lines.index("What the end of it waited for:") + 1
    path = [line.split() for line in lines[began : lines.index("", began)]]
    assert [(row[0], row[1], row[3]) for row in path] == [
        ("1.00", "1.00", "traces"),
        ("2.00", "5.00", "read"),
        ("7.00", "1.00", "traces"),
        ("8.00", "2.00", "words"),
    ]
    assert lines[-1] == "  logs → log_analyst was done 5.00 s before traces"
    assert "waited to be begun" in lines[1]
    assert sum(float(row[1]) for row in path) == 9


def test_a_run_that_goes_on_is_not_told_as_one_that_took_a_time() -> None:
    assert trace_lines(node("run", 1, None), moment(0)) == [
        "The run has not ended: `weft runs tail` shows what it does."
    ]
    queued = {**node("run", 1, None), "started_at": None}
    assert trace_lines(queued, None) == ["The run has not begun."]
