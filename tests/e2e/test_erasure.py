"""A deleted thread is gone from every database of the mesh, also of one that was away."""

import signal
from pathlib import Path

import pytest

from tests.e2e.mesh import UpProcess, mesh_running, until

pytestmark = pytest.mark.timeout(180)

MARK = "Xylophone-Quartz-7731"
PROMPT = f"Diagnose the checkout slowdown that {MARK} told us of"
SPECIALISTS = {"code_analyst", "log_analyst", "metrics_analyst", "trace_analyst"}


def holders(home: Path) -> set[str]:
    """Return the files below `home` in which the prompt can be read."""
    return {
        path.name
        for path in home.rglob("*")
        if path.is_file() and MARK.encode() in path.read_bytes()
    }


def asked(mesh: UpProcess, thread: str) -> None:
    with mesh.client() as client:
        said = client.post("/invoke", json={"prompt": PROMPT, "thread_id": thread})
    assert said.json()["status"] == "completed", said.text


@pytest.mark.requirement("GW-6")
def test_what_was_asked_on_a_deleted_thread_is_in_no_file_of_the_mesh(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with mesh_running(home) as mesh, mesh.client() as client:
        asked(mesh, "gone")
        assert {name.partition(".")[0] for name in holders(home)} >= {"runs", *SPECIALISTS}

        deleted = client.delete("/threads/gone").json()
        assert deleted["deleted"] is True
        until(lambda: holders(home) == set())
        assert client.delete("/threads/gone").json() == {"deleted": False, "pending": []}

        asked(mesh, "gone while one is away")
        away = mesh.child("services.log_analyst.main")
        away.send_signal(signal.SIGSTOP)
        deleted = client.delete("/threads/gone while one is away").json()
        assert (deleted["deleted"], deleted["pending"].count("log_analyst")) == (True, 1)
        mesh.child("router_service.main").kill()
        until(lambda: {name.partition(".")[0] for name in holders(home)} == {"log_analyst"})
        away.send_signal(signal.SIGCONT)
        until(lambda: holders(home) == set(), seconds=90)
