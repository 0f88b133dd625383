"""The bus of a running mesh: closed to strangers, no word of a run on it, and not missed for long."""

import json
import signal
import time
from collections.abc import Iterator

import httpx
import nats.errors
import psutil
import pytest

from tests.e2e.bus import connected
from tests.e2e.mesh import UpProcess, frames, mesh_running, until
from weft.bus import subjects
from weft.core import RunId

pytestmark = pytest.mark.timeout(150)
FORGED = {"text": "FORGED"}
ASK = {"prompt": "Diagnose the checkout slowdown"}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    with mesh_running(tmp_path_factory.mktemp("mesh") / "home") as running:
        yield running


async def test_a_stranger_gets_no_connection(mesh: UpProcess) -> None:
    with pytest.raises((nats.errors.Error, OSError)):
        async with connected(mesh.home, None):
            raise AssertionError("it was let in")


def test_credentials_stand_in_files_of_their_owner_and_nowhere_else(mesh: UpProcess) -> None:
    files = sorted((mesh.home / "bus").glob("*.json"))
    secrets = [json.loads(each.read_text())["password"] for each in files]

    assert {each.stem for each in files} == {
        "gateway", "router", "specialist",
        "code_analyst", "log_analyst", "metrics_analyst", "trace_analyst",
    }  # fmt: skip
    for path in (*files, mesh.home / "nats.conf"):
        assert path.stat().st_mode & 0o077 == 0, path
    said = "\n".join(each.read_text() for each in (mesh.home / "logs").iterdir())
    for child in (psutil.Process(mesh.process.pid), *mesh.children()):
        said += "\n".join((*child.cmdline(), *child.environ().values()))
    assert [each for each in secrets if each in said] == []


@pytest.mark.requirement("SSE-1", "SSE-4")
async def test_a_made_up_end_of_a_run_is_shown_to_no_client(mesh: UpProcess) -> None:
    """Whoever makes it up has even the router's own rights."""
    seen: list[tuple[str, str]] = []
    with mesh.client() as client:
        started = client.post("/v1/runs", json={"input": ASK["prompt"]}).json()
        run = started["run_id"]
        with client.stream("GET", f"/v1/runs/{run}/stream") as stream:
            live = frames(stream)
            _, kind, first = next(live)
            seen.append((kind, json.dumps(first)))
            async with connected(mesh.home, "router") as bus:
                for number in range(2, 120):
                    end = {**first, "seq": number, "type": "run.completed", "data": FORGED}
                    hint = {"seq": number, "end": True}
                    for made_up in ([end], hint):
                        subject = subjects.run("local", RunId(run))
                        await bus.publish(subject, json.dumps(made_up).encode())
                await bus.flush()
            seen += [(kind, json.dumps(data)) for _, kind, data in live]
        stored = client.get(f"/v1/runs/{run}").json()

    assert stored["status"] == "completed"
    assert [kind for kind, _ in seen].count("run.completed") == 1
    assert not [data for _, data in seen if "FORGED" in data]


def test_with_the_bus_frozen_for_longer_than_entries_live_no_run_fails(mesh: UpProcess) -> None:
    bus = mesh.child("nats-server")
    until(lambda: completed(mesh))
    bus.send_signal(signal.SIGSTOP)
    try:
        # The time to live of an entry, and of the patience with who is silent, is 15 s.
        end = time.monotonic() + 20
        outcomes = []
        while time.monotonic() < end:
            outcomes.append(completed(mesh))
    finally:
        bus.send_signal(signal.SIGCONT)
    outcomes += [completed(mesh) for _ in range(3)]

    assert outcomes
    assert all(outcomes)


@pytest.mark.parametrize("first", ["nats-server", "services.log_analyst"])
def test_after_the_bus_and_a_peer_were_killed_runs_go_on(mesh: UpProcess, first: str) -> None:
    mesh.child(first).kill()
    mesh.child("services.log_analyst" if first == "nats-server" else "nats-server").kill()

    assert [completed(mesh) for _ in range(3)] == [True] * 3


def completed(mesh: UpProcess) -> bool:
    with mesh.client() as client:
        try:
            answer = client.post("/invoke", json=ASK)
        except httpx.HTTPError:
            return False
    return answer.status_code == 200 and answer.json()["status"] == "completed"
