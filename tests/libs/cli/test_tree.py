"""A run's events as lines and as a tree."""

import io

from rich.console import Console

from tests.libs.cli.told import FANOUT, LOGS, told
from weft.cli.tree import RunTree
from weft.core import JsonObject


def shown(tree: RunTree) -> list[str]:
    out = Console(file=io.StringIO(), width=100, color_system=None)
    out.print(tree.show())
    assert isinstance(out.file, io.StringIO)
    return [line.strip(" │├└─") for line in out.file.getvalue().splitlines()]


def test_a_run_is_told_in_lines_for_a_terminal_that_cannot_redraw() -> None:
    tree = RunTree("why?")

    lines = [line for event in FANOUT if (line := tree.take(event)) is not None]

    assert lines == tree.lines
    assert lines == [
        "protocol fanout for diagnose",
        "fan/logs: started by log_analyst",
        "fan/traces: started by trace_analyst",
        "fan/logs: analyze …",
        "fan/logs: analyze half\\x1b[2J way",
        "fan/logs: analyze ok 1.25 s",
        "fan/logs: finished by log_analyst 2.00 s",
        "fan/traces: failed by trace_analyst 0.01 s",
        "run completed",
    ]


def test_the_tree_shows_who_did_what_and_how_it_ended() -> None:
    tree = RunTree("why?")
    for event in FANOUT:
        tree.take(event)

    assert shown(tree) == [
        "✔ why?  fanout",
        "✔ fan",
        "✔ logs → log_analyst  2.00 s",
        "✔ analyze  1.25 s",
        "✘ traces → trace_analyst  0.01 s",
    ]


def test_a_step_that_is_asked_again_runs_again() -> None:
    tree = RunTree("why?")
    step: JsonObject = {"kind": "call", "peer": "log_analyst"}
    call: JsonObject = {"tool_name": "analyze", "tool_call_id": "c1"}
    for event in told(
        ("plan.step.started", LOGS, step),
        ("agent.tool.started", LOGS, call),
        ("agent.tool.completed", LOGS, {**call, "success": False}),
        ("plan.step.failed", LOGS, step),
        ("plan.step.started", LOGS, step),
        ("agent.tool.started", LOGS, call),
    ):
        tree.take(event)

    logs = tree.root.children["fan"].children["logs"]
    assert (logs.state, logs.children["tool:c1"].state) == ("running", "running")


def test_a_run_that_waited_shows_that_it_goes_on() -> None:
    tree = RunTree("why?")
    waiting, resumed = told(("run.interrupted", (), {}), ("run.resumed", (), {}))

    tree.take(waiting)
    assert tree.root.state == "waiting"
    tree.take(resumed)
    assert tree.root.state == "running"


def test_a_recorded_result_is_marked_as_such() -> None:
    tree = RunTree("why?")
    call: JsonObject = {"tool_name": "pay", "tool_call_id": "c1", "success": True, "replayed": True}
    (event,) = told(("agent.tool.completed", LOGS, call))

    assert tree.take(event) == "fan/logs: pay ok recorded before"
