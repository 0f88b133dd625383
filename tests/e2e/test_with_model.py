"""The same diagnosis with a language model in router and specialists, and with one that is away."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.mesh import CASE, Frame, UpProcess, follow, mesh_running, until
from tests.e2e.modelled import environment, scripted
from tests.e2e.trees import checked_tree
from weft.core import Claim
from weft.local.ports import free_port
from weft.routing import GoalFrame
from weft.testing import ScriptedOpenAIServer
from weft.testing.openai_script import When, WireReply

pytestmark = pytest.mark.timeout(180)
SOURCES = ("log", "metrics", "trace", "code")
ANALYSTS = ("analyze_logs", "analyze_metrics", "analyze_traces", "analyze_code")
CAUSE = Claim(text="", subject="payment", predicate="root_cause").finding_id
READING = "result of the request"
"""Stands in what the router's model is asked about a request before anybody works on it."""


def frame(goal: str, domain: str) -> str:
    return json.dumps(GoalFrame.model_validate({"primary_goal": goal, "domain": domain}).to_json())


SCRIPT = (
    WireReply(
        text=frame("diagnose", "observability"),
        when=When(contains="Diagnose the checkout slowdown", last_contains=READING),
        repeat=True,
    ),
    WireReply(
        text=frame("answer", "general"),
        when=When(contains="Who wrote Hamlet?", last_contains=READING),
        repeat=True,
    ),
    *(WireReply(text="All is well.", when=When(tool=name), repeat=True) for name in ANALYSTS),
    WireReply(
        text=f"Payment blocks its event loop [{CAUSE}]. The database is down.",
        when=When(last_contains="result of the report"),
        repeat=True,
    ),
    WireReply(text="Shakespeare did.", when=When(), repeat=True),
)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedOpenAIServer]:
    with scripted(SCRIPT) as running:
        yield running


@pytest.fixture(scope="module")
def mesh(
    tmp_path_factory: pytest.TempPathFactory, server: ScriptedOpenAIServer
) -> Iterator[UpProcess]:
    home = tmp_path_factory.mktemp("modelled") / "home"
    with mesh_running(home, environment=environment(server.base_url)) as running:
        yield running


def test_whoever_asks_a_model_has_it_loaded_before_anybody_waits_for_it(mesh: UpProcess) -> None:
    services = ("router_service", *(f"services.{name}_analyst" for name in SOURCES))
    processes = [mesh.child(f"{service}.main") for service in services]

    # `jiter` is compiled, and comes with the provider's SDK alone.
    until(lambda: all(has_loaded(process, "jiter") for process in processes))


def has_loaded(process: psutil.Process, library: str) -> bool:
    return any(library in mapped.path for mapped in process.memory_maps())


@pytest.mark.requirement("DIAG-30", "DIAG-32")
def test_models_that_call_nothing_and_see_nothing_leave_the_diagnosis_as_it_is(
    mesh: UpProcess, server: ScriptedOpenAIServer
) -> None:
    asked = mesh.weft("ask", "Diagnose the checkout slowdown", "--json")

    answer = json.loads(asked.stdout)
    told: list[Any] = [request.body for request in server.requests]
    assert asked.returncode == 0, asked.stderr
    assert answer["report"]["findings"][0]["subject"] == "payment"
    assert f"Payment blocks its event loop [{CAUSE}].\n(1 sentence" in answer["text"]
    assert answer["report"]["explanation"] == {
        "text": f"Payment blocks its event loop [{CAUSE}].",
        "cites": [CAUSE],
        "removed": 1,
    }
    assert {fact["source"] for fact in answer["report"]["facts"]} == {"logs", "metrics", "traces"}
    assert "All is well" not in asked.stdout
    reading, *rest = told
    assert len(rest) == len(ANALYSTS) + 1
    assert "log.analyze" in json.dumps(reading["messages"])
    assert all(str(CASE) in json.dumps(body["messages"]) for body in rest[:-1])
    assert all("coverage" in json.dumps(body["messages"]) for body in rest)


@pytest.mark.requirement("GW-3", "GW-4", "CLI-5")
def test_the_tree_of_a_run_adds_up_and_its_plan_comes_out_the_same_again(
    mesh: UpProcess, server: ScriptedOpenAIServer
) -> None:
    asked = mesh.weft("ask", "Diagnose the checkout slowdown", "--json")

    run = json.loads(asked.stdout)["run_id"]
    tree = checked_tree(mesh, run)

    logs = tree["diagnose/log_analyze"]
    assert (logs["kind"], logs["name"], logs["status"]) == ("agent", "log_analyst", "completed")
    assert [child["kind"] for child in logs["children"]] == ["tool", "model"]
    assert logs["usage"]["total_tokens"] > 0
    # One more reads the request, and one puts the report into words.
    assert tree[""]["usage"]["model_calls"] == len(SOURCES) + 2
    assert logs["started_at"] <= logs["children"][0]["started_at"] <= logs["ended_at"]
    # What models said and tools brought is recorded: nobody is asked again, inside the agents neither.
    before = len(server.requests)
    again = mesh.weft("replay", run)
    assert again.stdout.startswith("It comes out the same: the plan, and inside"), again.stdout
    [logs_again] = [line for line in again.stdout.splitlines() if "diagnose/log_analyze" in line]
    assert logs_again.split(maxsplit=2)[1:] == ["log_analyst", "the same: 2 replies, 1 tool call"]
    assert (again.returncode, len(server.requests)) == (0, before)


@pytest.mark.requirement("DIAG-31")
def test_a_question_about_nothing_in_the_data_is_answered_as_such(
    mesh: UpProcess, server: ScriptedOpenAIServer
) -> None:
    before = len(server.requests)

    answer = json.loads(mesh.weft("ask", "Who wrote Hamlet?", "--json").stdout)

    _, told = [request.body for request in server.requests[before:]]
    assert answer["text"].startswith("No data was looked at for this answer.")
    assert "log_analyze" in json.dumps(told["tools"])


@pytest.mark.requirement("DIAG-33")
def test_with_the_endpoint_down_the_rules_answer_and_say_why(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}/v1"
    with mesh_running(tmp_path / "home", environment=environment(address)) as mesh:
        answers = [
            json.loads(mesh.weft("ask", "Diagnose the checkout slowdown", "--json").stdout)
            for _ in range(2)
        ]
        waits = [waited(mesh, answer["run_id"]) for answer in answers]
        logs = (mesh.home / "logs" / "log_analyst.log").read_text()

    for answer in answers:
        assert answer["status"] == "completed"
        assert answer["report"]["findings"][0]["subject"] == "payment"
        assert f"nobody answers at {address}" in answer["report"]["summary"]
    assert waits[0]
    assert max(waits[0].values()) <= 10
    assert waits[1] == {}
    assert [json.loads(line)["event"] for line in logs.splitlines() if "model.replaced" in line]


def waited(mesh: UpProcess, run: str) -> dict[str, float]:
    """Return how long each agent of a run waited to ask its model again, in seconds."""
    seen: list[Frame] = []
    follow(mesh, run, seen)
    waits: dict[str, float] = {}
    for _, kind, data in seen:
        if kind == "agent.model.retry" and not data["data"]["instead"]:
            agent = str(data["agent"])
            waits[agent] = waits.get(agent, 0.0) + data["data"]["delay_seconds"]
    return waits
