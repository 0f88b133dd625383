"""What a user sees when a process of the mesh is killed while a run is under way."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.mesh import Frame, UpProcess, follow, mesh_running

pytestmark = pytest.mark.timeout(150)
GOAL = {"input": "Diagnose the checkout slowdown"}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    with mesh_running(tmp_path_factory.mktemp("mesh") / "home") as running:
        yield running


def started(mesh: UpProcess) -> str:
    with mesh.client() as client:
        accepted = client.post("/v1/runs", json=GOAL)
        assert accepted.status_code == 202, accepted.text
        return str(accepted.json()["run_id"])


def numbers(seen: list[Frame]) -> list[int]:
    return [number for number, _, _ in seen if number is not None]


@pytest.mark.requirement("REL-1", "REL-3", "REL-4", "PLAN-10", "PLAN-13", "SSE-1", "SSE-2")
def test_a_killed_router_loses_no_run_repeats_no_step_and_no_event(mesh: UpProcess) -> None:
    seen: list[Frame] = []
    run = started(mesh)
    follow(mesh, run, seen, until="plan.step.finished")

    mesh.child("router_service.main").kill()
    follow(mesh, run, seen)

    kinds = [kind for _, kind, _ in seen]
    finished = Counter(
        tuple(data["path"]) for _, kind, data in seen if kind == "plan.step.finished"
    )
    tools = Counter(tuple(data["path"]) for _, kind, data in seen if kind == "agent.tool.started")
    assert kinds[-1] == "run.completed"
    assert numbers(seen) == list(range(1, len(numbers(seen)) + 1))
    assert set(finished.values()) == {1}
    assert set(tools.values()) == {1}
    assert "run.recovered" in kinds


@pytest.mark.requirement("GW-11")
def test_a_killed_gateway_loses_no_run_and_its_reader_sees_every_number_once(
    mesh: UpProcess,
) -> None:
    seen: list[Frame] = []
    run = started(mesh)
    follow(mesh, run, seen, until="plan.step.started")

    mesh.child("gateway.main").kill()
    follow(mesh, run, seen)

    assert seen[-1][1] == "run.completed"
    assert numbers(seen) == list(range(1, len(numbers(seen)) + 1))


def test_a_killed_specialist_is_asked_again_and_the_run_completes(mesh: UpProcess) -> None:
    seen: list[Frame] = []
    run = started(mesh)
    follow(mesh, run, seen, until="agent.tool.started")

    mesh.child("services.trace_analyst.main").kill()
    follow(mesh, run, seen)

    assert seen[-1][1] == "run.completed"
    finished = [data["data"]["peer"] for _, kind, data in seen if kind == "plan.step.finished"]
    assert "trace_analyst" in finished


def test_a_killed_bus_costs_no_run(mesh: UpProcess) -> None:
    mesh.child("nats-server").kill()

    seen: list[Frame] = []
    run = started(mesh)
    follow(mesh, run, seen)

    assert seen[-1][1] == "run.completed"
    assert numbers(seen) == list(range(1, len(numbers(seen)) + 1))


@pytest.mark.requirement("RT-4")
def test_a_specialist_started_later_is_used_without_restarting_anything(
    tmp_path: Path,
) -> None:
    project = tmp_path / "project"
    (project / "services").mkdir(parents=True)
    for part in ("router_service", "gateway"):
        (project / part).symlink_to(ROOT / part)
    (project / "services" / "log_analyst").symlink_to(ROOT / "services" / "log_analyst")
    with mesh_running(tmp_path / "home", project=project) as mesh:
        assert peers_of(mesh) == {"log_analyst"}

        with mesh.specialist("trace_analyst"):
            assert peers_of(mesh) == {"log_analyst", "trace_analyst"}

        assert peers_of(mesh) == {"log_analyst"}


def peers_of(mesh: UpProcess) -> set[str]:
    with mesh.client() as client:
        answer = client.post("/v1/runs", json=GOAL, headers={"prefer": "wait=60"}).json()
        assert answer["status"] == "completed", json.dumps(answer)[:2000]
        events = client.get(f"/v1/runs/{answer['run_id']}/events?limit=1000").json()["data"]
    return {
        event["data"]["peer"]
        for event in events
        if event["type"] == "plan.step.finished" and event["data"]["kind"] == "call"
    }


def test_many_readers_of_one_run_see_the_same(mesh: UpProcess) -> None:
    run = started(mesh)
    views: list[list[Frame]] = [[] for _ in range(3)]
    readers = [
        threading.Thread(target=follow, args=(mesh, run, view), daemon=True) for view in views
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)

    told = [[(number, kind) for number, kind, _ in view if number] for view in views]
    assert told[0][-1][1] == "run.completed"
    assert told[0] == told[1] == told[2]
