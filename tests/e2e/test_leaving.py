"""Leaving in order: people at the terminal with Ctrl-C, processes at SIGTERM."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import ROOT
from tests.e2e.mesh import Frame, UpProcess, follow, frames, mesh_running, until
from weft.local.ports import free_port

pytestmark = pytest.mark.timeout(150)
GOAL = "Diagnose the checkout slowdown"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sleeper")


@pytest.fixture(scope="module")
def mesh(place: Path) -> Iterator[UpProcess]:
    sleeper = place / "project" / "services" / "sleeper"
    sleeper.mkdir(parents=True)
    (sleeper / "main.py").write_text("from tests.e2e.sleeper import main\n\nmain()\n")
    for part in ("router_service", "gateway"):
        (place / "project" / part).symlink_to(ROOT / part)
    os.environ["SLEEPER_BOOK"] = str(place / "looks.txt")
    try:
        with mesh_running(place / "home", project=place / "project") as running:
            yield running
    finally:
        del os.environ["SLEEPER_BOOK"]


def looks(place: Path) -> int:
    book = place / "looks.txt"
    return len(book.read_text().splitlines()) if book.exists() else 0


@contextmanager
def held(place: Path) -> Iterator[int]:
    """Make the specialist look until the block ends; yield how often it looked before."""
    hold = place / "looks.hold"
    hold.touch()
    try:
        yield looks(place)
    finally:
        hold.unlink(missing_ok=True)


@contextmanager
def asking(mesh: UpProcess) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "weft.cli.main", "--home", str(mesh.home), "ask", GOAL]
    with subprocess.Popen(
        [*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: "subprocess.Popen[str]", pattern: str) -> re.Match[str]:
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        if (found := re.search(pattern, line)) is not None:
            return found
        lines.append(line)
    raise AssertionError(f"it never said {pattern!r}; it said:\n{''.join(lines)}")


def started(mesh: UpProcess) -> str:
    with mesh.client() as client:
        accepted = client.post("/v1/runs", json={"input": GOAL})
        assert accepted.status_code == 202, accepted.text
        return str(accepted.json()["run_id"])


def terminated(mesh: UpProcess, module: str) -> float:
    """Send SIGTERM to a process of the mesh and return the seconds it took to leave."""
    process = mesh.child(module)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    gone, _ = psutil.wait_procs([process], timeout=12)
    assert gone, f"{module} did not leave"
    return time.monotonic() - began


@pytest.mark.requirement("CLI-2")
def test_ctrl_c_detaches_from_a_run_that_goes_on(mesh: UpProcess, place: Path) -> None:
    with held(place), asking(mesh) as process:
        said(process, "look …")
        process.send_signal(signal.SIGINT)
        run = said(process, r"detaching from (\w{32}); press Ctrl-C again")[1]
        out, err = process.communicate(timeout=10)

        with mesh.client() as client:
            status = client.get(f"/v1/runs/{run}").json()["status"]
        assert (process.returncode, out, status) == (130, "", "running")
        assert f"`weft --home {mesh.home} runs tail {run}` shows it" in err

    tailed = mesh.weft("runs", "tail", run, "--json")
    assert tailed.returncode == 0, tailed.stderr
    assert json.loads(tailed.stdout)["run_id"] == run


@pytest.mark.requirement("CLI-2")
def test_a_second_ctrl_c_cancels_the_run(mesh: UpProcess, place: Path) -> None:
    with held(place), asking(mesh) as process:
        said(process, "look …")
        process.send_signal(signal.SIGINT)
        said(process, "press Ctrl-C again")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=15)

    assert (process.returncode, json.loads(out)["status"]) == (4, "canceled")


@pytest.mark.requirement("CLI-2")
def test_ask_reconnects_to_a_gateway_that_was_killed(mesh: UpProcess, place: Path) -> None:
    with held(place), asking(mesh) as process:
        said(process, "look …")
        mesh.child("gateway.main").kill()
        (place / "looks.hold").unlink()
        out, err = process.communicate(timeout=40)

    assert process.returncode == 0, err
    assert json.loads(out)["status"] == "completed"
    assert len(re.findall("look ok", err)) == 1


@pytest.mark.requirement("OPS-2")
def test_a_router_told_to_leave_hands_its_run_over(mesh: UpProcess, place: Path) -> None:
    with held(place) as before:
        run = started(mesh)
        until(lambda: looks(place) == before + 1)

        seconds = terminated(mesh, "router_service.main")
        mesh.until_said(r"\[router\] died \(exit code 0\)")
    seen: list[Frame] = []
    follow(mesh, run, seen)

    kinds = Counter(kind for _, kind, _ in seen)
    assert seconds < 10
    assert seen[-1][1] == "run.completed", seen[-1]
    assert "plan.step.canceled" not in kinds
    assert looks(place) == before + 1, "the specialist was left to its work"


@pytest.mark.requirement("OPS-2")
def test_a_specialist_told_to_leave_goes_on_when_it_is_back(mesh: UpProcess, place: Path) -> None:
    with held(place) as before:
        run = started(mesh)
        until(lambda: looks(place) == before + 1)

        seconds = terminated(mesh, "services.sleeper.main")
        mesh.until_said(r"\[sleeper\] died \(exit code 0\)")
    seen: list[Frame] = []
    follow(mesh, run, seen)

    assert seconds < 10
    assert seen[-1][1] == "run.completed", seen[-1]


def is_ready(client: httpx.Client, gateway: psutil.Process) -> bool:
    """Ask the process that is leaving, not the one that is started in its place."""
    try:
        answer = client.get("/readiness")
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and gateway.is_running()


@pytest.mark.requirement("OPS-2")
def test_a_gateway_told_to_leave_says_so_to_its_readers(mesh: UpProcess, place: Path) -> None:
    with held(place) as before:
        run = started(mesh)
        until(lambda: looks(place) == before + 1)
        with mesh.client() as client, client.stream("GET", f"/v1/runs/{run}/stream") as stream:
            assert client.get("/readiness").status_code == 200
            read = frames(stream)
            next(read)

            gateway = mesh.child("gateway.main")
            began = time.monotonic()
            gateway.send_signal(signal.SIGTERM)
            kinds = [kind for _, kind, _ in read]
            ready = is_ready(client, gateway)
            psutil.wait_procs([gateway], timeout=12)
            seconds = time.monotonic() - began

        mesh.until_said(r"\[gateway\] died \(exit code 0\)")
    seen: list[Frame] = []
    follow(mesh, run, seen)

    assert seconds < 10
    assert not ready
    assert kinds[-1] == "server.draining"
    assert seen[-1][1] == "run.completed"


def test_a_refusal_while_it_drains_is_no_lost_run(mesh: UpProcess) -> None:
    run = started(mesh)
    process = mesh.child("router_service.main")

    process.send_signal(signal.SIGTERM)
    with mesh.client() as client:
        answer = client.get(f"/v1/runs/{run}", headers={"prefer": "wait=30"}).json()

    assert answer["status"] == "completed", json.dumps(answer)[:1000]
    psutil.wait_procs([process], timeout=12)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_mesh_started_for_one_question_leaves_nothing_when_it_is_interrupted(
    mesh: UpProcess, place: Path, tmp_path: Path, number: signal.Signals
) -> None:
    del mesh  # it made the project
    command = [sys.executable, "-m", "weft.cli.main", "--home", str(tmp_path), "up"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WEFT_MODEL": "offline:rules"}
    with (
        held(place),
        subprocess.Popen(
            [*command, "--port", str(free_port()), "--ask", GOAL],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=place / "project",
            env=environment,
        ) as process,
    ):
        said(process, "look …")
        children = psutil.Process(process.pid).children(recursive=True)
        began = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=15)

    _, alive = psutil.wait_procs(children, timeout=1)
    assert time.monotonic() - began < 10
    assert (process.returncode, out, alive) == (4, "", [])
    assert "Traceback" not in err
