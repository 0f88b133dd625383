"""Whoever reaches the mesh's NATS server may say anything there; nobody dies of it."""

import json
import re
from pathlib import Path

import psutil
import pytest

from tests.e2e.mesh import UpProcess, mesh_running
from tests.stranger import odd_messages, publish_oddly
from weft.bus import subjects
from weft.core import new_run_id

pytestmark = pytest.mark.timeout(180)

SPECIALISTS = ("log_analyst", "metrics_analyst", "trace_analyst", "code_analyst")


def prefixes() -> list[bytes]:
    """Return every beginning of a subject that some process of the mesh listens to."""
    whole = [subjects.run("local", new_run_id()), "weft.run.x.y"]
    for name in ("router", *SPECIALISTS):
        whole += [subjects.cancel(name, new_run_id()), subjects.task(name, new_run_id())]
    spoken = {subject.rpartition(".")[0] for subject in whole}
    spoken |= {subjects.work(name).rpartition(".")[0] for name in ("router", *SPECIALISTS)}
    spoken |= {"$KV.weft_agents", "$KV.weft_agents.0123456789abcdef"}
    return [subject.encode() for subject in sorted(spoken)]


def pids(mesh: UpProcess) -> set[int]:
    """Return the mesh's own processes; what they start themselves comes and goes."""
    children = psutil.Process(mesh.process.pid).children()
    return {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}


def test_a_stranger_at_the_bus_ends_no_process_and_spoils_no_answer(tmp_path: Path) -> None:
    with mesh_running(tmp_path / "home") as mesh:
        listens = re.search(r'listen: "([^"]+)"', (mesh.home / "nats.conf").read_text())
        assert listens is not None
        before = pids(mesh)

        sent = publish_oddly(f"nats://{listens[1]}", odd_messages(prefixes()))
        asked = mesh.weft("ask", "Diagnose the checkout slowdown", "--json")
        answers: list[dict[str, object]] = [json.loads(asked.stdout)]

        assert sent > 500
        assert asked.returncode == 0, asked.stderr
        assert answers[0]["status"] == "completed"
        assert pids(mesh) == before
        assert not any("starting it again" in line for line in mesh.words)
