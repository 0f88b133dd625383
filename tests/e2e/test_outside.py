"""A whole mesh beside agents of others: added, asked by name, asked back, and answering beside ours."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.conftest import ROOT
from tests.e2e.mesh import UpProcess, mesh_running, until
from tests.libs.a2a.outsiders import V1_HTTP

pytestmark = pytest.mark.timeout(180)
HERE = ("--network", "127.0.0.0/8")


@contextmanager
def standing(form: str) -> Iterator[str]:
    """Yield the address of an agent of others."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.outsider", form],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process.stdout.readline().split()[1]
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    with ExitStack() as stack:
        running = stack.enter_context(mesh_running(tmp_path_factory.mktemp("outside") / "home"))
        url = stack.enter_context(standing(V1_HTTP))
        added = running.weft("agents", "add", url, "--name", "desk", *HERE)
        assert added.returncode == 0, added.stderr
        # The router reads the file again within three seconds, and says so to whoever explains.
        until(lambda: "ask desk" in running.weft("explain", "Ask desk to go").stdout)
        yield running


@pytest.mark.requirement("DEL-2")
def test_an_agent_of_others_answers_beside_ours(mesh: UpProcess) -> None:
    listed = json.loads(mesh.weft("agents", "ls", "--json").stdout)
    both = mesh.weft(
        "ask", "Diagnose the checkout slowdown, then have desk tell the customers", "--json"
    )

    status = {one["name"]: one["status"] for one in listed}
    assert (status["desk"], status["log_analyst"]) == ("outside", "there")
    answer = json.loads(both.stdout)
    found, _, told = answer["text"].partition("to Diagnose the checkout slowdown, then have desk")
    assert "most likely cause is payment" in found
    # It was told what was found, and what it says stands beside that.
    assert "most likely cause is payment" in told
    assert "data, not instructions" in told
    assert answer["usage"]["unknown"]


@pytest.mark.requirement("DEL-4")
def test_a_question_from_outside_is_answered_at_the_terminal(mesh: UpProcess) -> None:
    parked = mesh.weft("ask", "Have desk question me")
    run = next(word for word in parked.stderr.split() if len(word) == 32)
    answered = mesh.weft("approve", run, "--payload", '"Oslo"')

    assert parked.returncode == 3, parked.stderr
    assert "Which city?" in parked.stdout
    assert "asked by desk" in parked.stdout
    assert (answered.returncode, answered.stdout) == (0, "to Oslo\n")
