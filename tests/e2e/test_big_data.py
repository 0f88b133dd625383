"""Data that costs too much ends its own analysis; the specialist answers everybody else."""

import json
import lzma
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.mesh import UpProcess, frames, mesh_running
from tests.services import bombs

pytestmark = pytest.mark.timeout(200)
MODULE = "services.trace_analyst.main"
LOGS = "services.log_analyst.main"
TERMINAL = ("run.completed", "run.failed", "run.canceled", "run.expired")
CARD = "/.well-known/agent-card.json"
MOST_RESIDENT = 200 << 20


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    place = tmp_path_factory.mktemp("big")
    bombs.empty_objects(place / "data" / "bomb")
    much(place / "data" / "logs")
    with mesh_running(place / "home", data=place / "data") as running:
        yield running


def address(process: psutil.Process) -> str:
    (port,) = {one.laddr.port for one in process.net_connections() if one.status == "LISTEN"}
    return f"http://127.0.0.1:{port}"


def much(place: Path) -> None:
    """Write a log of 300 MB; packed it is small."""
    line = '{{"time":"2026-03-02T10:{0:02d}:{1:02d}Z","level":"INFO","service":"cart","msg":"sold {1}"}}\n'
    text = "".join(line.format(n // 60 % 60, n % 60) for n in range(40_000))
    place.mkdir(parents=True)
    packed = lzma.compress(text.encode(), preset=0)
    (place / "shop.jsonl.xz").write_bytes(packed * (300_000_000 // len(text)))


def started(client: httpx.Client, data: str = "bomb") -> str:
    order = {"input": "Diagnose the checkout slowdown", "metadata": {"data": data}}
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

    asked = mesh.weft("ask", "Diagnose the checkout slowdown", "--json")

    assert answer["status"] in ("completed", "failed"), answer
    assert "traces.json.xz: has no row" in json.dumps(answer["error"])
    assert mesh.child(MODULE).pid == specialist.pid, "it was not started again"
    assert resident < MOST_RESIDENT
    assert sorted(waits)[len(waits) // 2] < 1.0, waits
    assert "payment" in asked.stdout


def reading(mesh: UpProcess, client: httpx.Client) -> tuple[str, list[float], list[float]]:
    """Start a run and return it in the midst of its reading: what it told, how its analyst answered."""
    run = started(client, "logs")
    told: list[float] = []
    waits: list[float] = []
    url = address(mesh.child(LOGS))
    with (
        httpx.Client(base_url=url, timeout=10) as direct,
        client.stream("GET", f"/v1/runs/{run}/stream") as stream,
    ):
        for _, kind, data in frames(stream):
            assert kind not in TERMINAL, data
            if kind == "agent.tool.progress" and "MB read" in json.dumps(data):
                told.append(float(data["data"]["progress"]))
            if len(told) == 3:
                break
            for _ in range(10 if told else 0):
                began = time.monotonic()
                assert direct.get(CARD).status_code == 200
                waits.append(time.monotonic() - began)
    return run, told, waits


@pytest.mark.requirement("DIAG-12")
def test_an_analyst_that_reads_much_tells_of_it_answers_and_ends_when_it_is_cancelled(
    mesh: UpProcess,
) -> None:
    ends = []
    for _ in range(3):  # a slow moment of the machine is no slow end
        with mesh.client() as client:
            run, told, waits = reading(mesh, client)
            busy = [one for one in calls(mesh.child(LOGS)) if one.cpu_times().user > 0.5]
            began = time.monotonic()
            client.post(f"/v1/runs/{run}/cancel")
            _, alive = psutil.wait_procs(busy, timeout=20)
            ends.append(time.monotonic() - began)
            answer = client.get(f"/v1/runs/{run}", headers={"prefer": "wait=20"}).json()

        assert busy
        assert alive == []
        assert answer["status"] == "canceled"
        assert "analyze_logs" not in json.dumps(answer.get("report") or {}), "it only read"
        assert told == sorted(told)
        assert told[-1] - told[0] < 10
        assert sorted(waits)[len(waits) // 2] < 0.1, waits
        if ends[-1] < 1:
            return
    pytest.fail(f"it went on for {ends} seconds")
