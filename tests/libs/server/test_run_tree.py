"""A run's tree from its log: every place of it; what nobody told stays unknown."""

from collections.abc import Iterator

import httpx
import pytest

from tests.libs.server.door import ANA, STORES, House, finished
from weft.checkpoint import Run
from weft.core import JsonObject, JsonValue, RunId
from weft.events import AnyData, Envelope, Event
from weft.server.run_tree import LoggedTree

ENDED: JsonObject = {"kind": "call", "peer": "logs", "attempt": 1, "duration_ms": 1500.0}


def happened(path: str, event_type: str, **data: JsonValue) -> Event:
    return Event(type=event_type, path=tuple(path.split("/")), data=AnyData.model_validate(data))


def log_of(*events: Event) -> list[Envelope]:
    return [
        Envelope(
            run_id="a" * 32,
            seq=number,
            type=event.type,
            ts=f"2026-01-31T12:00:{number:02}.000Z",
            tenant="acme",
            thread_id="t",
            path=event.path,
            agent=event.agent,
            data=event.data.to_json(),
        )
        for number, event in enumerate(events, start=1)
    ]


def nodes(node: JsonValue) -> Iterator[tuple[str, JsonObject]]:
    assert isinstance(node, dict)
    path, children = node["path"], node["children"]
    assert isinstance(path, list)
    assert isinstance(children, list)
    yield "/".join(map(str, path)), node
    for child in children:
        yield from nodes(child)


def tree_of(run: Run, *events: Event) -> dict[str, JsonObject]:
    tree = LoggedTree()
    tree.take(log_of(*events))
    return dict(nodes(tree.view(run)))


@pytest.fixture
async def run(house: House, ana: httpx.AsyncClient) -> Run:
    made = (await ana.post("/v1/runs", json={"input": "one"})).json()
    await finished(ana, made["run_id"])
    return await house.runs.read(ANA, RunId(made["run_id"]))


async def test_a_step_of_which_no_use_is_told_makes_the_use_above_it_unknown(run: Run) -> None:
    spent: JsonObject = {"total_tokens": 30, "model_calls": 1, "tool_calls": 1, "unknown": True}
    tree = tree_of(
        run,
        happened("all/logs", "plan.step.started", kind="call", peer="logs", task_id="r:all.logs"),
        happened("all/logs", "plan.step.finished", **ENDED, usage=spent),
        happened("all/traces", "plan.step.started", kind="call", peer="traces"),
    )

    usage = tree["all/logs"]["usage"]
    assert isinstance(usage, dict)
    assert (usage["total_tokens"], usage["unknown"]) == (30, True)
    assert (tree["all/traces"]["usage"], tree["all"]["usage"]) == (None, None)
    # The run is over, and nobody said what became of it.
    assert (tree["all/traces"]["status"], tree["all/logs"]["status"]) == ("unknown", "completed")
    assert tree["all/logs"]["task_id"] == "r:all.logs"
    assert (tree["all"]["kind"], tree["all"]["ended_at"]) == ("step", None)


async def test_tools_and_models_are_nodes_below_who_asked_them(run: Run) -> None:
    called: JsonObject = {"tool_name": "grep", "tool_call_id": "c1"}
    spent: JsonObject = {"total_tokens": 9}
    tree = tree_of(
        run,
        happened("logs", "agent.tool.started", **called),
        happened("logs", "agent.tool.completed", **called, success=False, error="no such file"),
        happened("logs", "agent.model.completed", model="m", usage=spent, duration_ms=500),
        happened("logs", "agent.terminate", reason="complete", usage=spent),
    )

    tool, model = tree["logs/c1"], tree["logs/model#1"]
    assert (tool["kind"], tool["name"], tool["status"]) == ("tool", "grep", "failed")
    assert (tool["error"], tool["started_at"]) == ("no such file", "2026-01-31T12:00:01.000Z")
    assert (model["name"], model["started_at"]) == ("m", "2026-01-31T12:00:02.500Z")
    # It worked before it told of anything.
    assert tree["logs"]["started_at"] == "2026-01-31T12:00:02.500Z"
    assert tree["logs"]["stop_reason"] == "complete"


async def test_what_only_groups_fails_where_it_says_so_whatever_its_steps_came_to(
    run: Run,
) -> None:
    why: JsonObject = {"code": "no_branch", "message": "a side abstained"}
    spent: JsonObject = {"total_tokens": 7}
    tree = tree_of(
        run,
        happened("debate/sides/a", "plan.step.finished", **ENDED, usage=spent),
        happened("debate/ruling", "plan.step.failed", kind="choose", reasons=[why]),
        happened("debate", "plan.step.failed", kind="sequence", reasons=[why], usage=spent),
        happened("fan/logs", "plan.step.finished", **ENDED, usage=spent),
        happened("fan/traces", "plan.step.failed", **ENDED, reasons=[why]),
    )

    assert {path: node["status"] for path, node in tree.items() if path} == {
        "debate": "failed",
        "debate/sides": "completed",
        "debate/sides/a": "completed",
        "debate/ruling": "failed",
        # One that bears losses completed, though a branch did not.
        "fan": "completed",
        "fan/logs": "completed",
        "fan/traces": "failed",
    }
    usage = tree["debate"]["usage"]
    assert isinstance(usage, dict)
    assert (usage["total_tokens"], tree["debate"]["error"]) == (7, why)


async def test_a_gate_is_as_what_it_let_through_or_as_it_was_answered(run: Run) -> None:
    def asked(gate: str, answer: str, **data: JsonValue) -> tuple[Event, Event]:
        return happened(gate, "interrupt.requested"), happened(gate, answer, **data)

    tree = tree_of(
        run,
        *asked("let/gate", "interrupt.resolved", status="resolved"),
        happened("let/gate/act", "plan.step.finished", **ENDED, usage={}),
        *asked("late/gate", "interrupt.expired"),
        *asked("gone/gate", "interrupt.resolved", status="canceled"),
    )

    ends = {path: node["status"] for path, node in tree.items() if path.endswith("gate")}
    assert ends == {"let/gate": "completed", "late/gate": "expired", "gone/gate": "canceled"}
    assert all(tree[path]["usage"] for path in ends)


@STORES
@pytest.mark.requirement("GW-3", "GW-4")
async def test_the_tree_is_served_to_whom_the_run_belongs(
    house: House, ana: httpx.AsyncClient
) -> None:
    house.script.go.set()
    made = (await ana.post("/v1/runs", json={"input": "talk"})).json()
    await finished(ana, made["run_id"])

    answer = await ana.get(f"/v1/runs/{made['run_id']}/tree")

    whole = (await ana.get(f"/v1/runs/{made['run_id']}")).json()
    tree = dict(nodes(answer.json()))
    assert (answer.json()["status"], answer.json()["usage"]) == ("completed", whole["usage"])
    assert {"", "c1", "collect", "collect/metrics"} <= set(tree)
    assert answer.json()["started_at"] == whole["started_at"]
    bob = await house.client("bob")
    assert (await bob.get(f"/v1/runs/{made['run_id']}/tree")).status_code == 404
