"""Data that costs too much ends its own analysis; the specialist answers everybody else."""

import json
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.e2e.mesh import UpProcess, mesh_running
from tests.services import bombs

pytestmark = pytest.mark.timeout(200)
MODULE = "services.trace_analyst.main"
CARD = "/.well-known/agent-card.json"
MOST_RESIDENT = 200 << 20


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    place = tmp_path_factory.mktemp("big")
    bombs.empty_objects(place / "data" / "bomb")
    with mesh_running(place / "home", data=place / "data") as running:
        yield running


def address(process: psutil.Process) -> str:
    (port,) = {one.laddr.port for one in process.net_connections() if one.status == "LISTEN"}
    return f"http://127.0.0.1:{port}"


def started(client: httpx.Client) -> str:
    order = {"input": "Diagnose the checkout slowdown", "metadata": {"data": "bomb"}}
    accepted = client.post("/v1/runs", json=order)
    assert accepted.status_code == 202, accepted.text
    return str(accepted.json()["run_id"])


def calls(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes below the specialist's fork server."""
    return [each for server in process.children() for each in server.children()]


def test_the_specialist_answers_while_and_after_an_analysis_bursts(mesh: UpProcess) -> None:
    specialist = mesh.child(MODULE)
    waits, resident = [], 0
    with mesh.client() as client, httpx.Client(base_url=address(specialist), timeout=10) as direct:
        run = started(client)
        while True:
            began = time.monotonic()
            assert direct.get(CARD).status_code == 200
            waits.append(time.monotonic() - began)
            resident = max(resident, specialist.memory_info().rss)
            answer = client.get(f"/v1/runs/{run}", headers={"prefer": "wait=1"}).json()
            if answer["status"] not in ("queued", "running"):
                break
        events = client.get(f"/v1/runs/{run}/events").text

    asked = mesh.weft("ask", "Diagnose the checkout slowdown", "--json")

    assert answer["status"] in ("completed", "failed"), answer
    assert "has no traces of the incident" in json.dumps(answer) + events
    assert mesh.child(MODULE).pid == specialist.pid, "it was not started again"
    assert resident < MOST_RESIDENT
    assert sorted(waits)[len(waits) // 2] < 1.0, waits
    assert "payment" in asked.stdout


def test_cancelling_a_run_ends_its_analysis(mesh: UpProcess) -> None:
    specialist = mesh.child(MODULE)
    with mesh.client() as client:
        run = started(client)
        deadline = time.monotonic() + 30
        busy: list[psutil.Process] = []
        while not busy and time.monotonic() < deadline:
            busy = [one for one in calls(specialist) if one.cpu_times().user > 0.2]
        client.post(f"/v1/runs/{run}/cancel")
        _, alive = psutil.wait_procs(busy, timeout=20)
        answer = client.get(f"/v1/runs/{run}", headers={"prefer": "wait=20"}).json()

    assert busy
    assert alive == []
    assert answer["status"] == "canceled"
    assert "analyze_traces" not in json.dumps(answer.get("report") or {}), "it only read"
