"""What a call was granted, over the whole mesh with a model behind the wire, and a kill -9."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.e2e.mesh import Frame, UpProcess, follow, mesh_running, until
from tests.e2e.modelled import environment, scripted
from tests.e2e.trees import checked_tree
from weft.testing import ScriptedOpenAIServer
from weft.testing.openai_script import When, WireCall, WireReply

pytestmark = pytest.mark.timeout(150)
PROGRAM = "from tests.e2e.sleeper import main\n\nmain()\n"
LOOK = WireCall(name="sleep_look", arguments={"task": "Look at the checkout"})
SCRIPT = (
    WireReply(calls=(LOOK,), when=When(last_contains="Tell me about the checkout"), repeat=True),
    WireReply(text="It is slow.", when=When(last_contains="checkout is slow"), repeat=True),
)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("book") / "looks.txt"


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedOpenAIServer]:
    with scripted(SCRIPT) as running:
        yield running


@pytest.fixture(scope="module")
def mesh(
    tmp_path_factory: pytest.TempPathFactory, book: Path, server: ScriptedOpenAIServer
) -> Iterator[UpProcess]:
    project = tmp_path_factory.mktemp("project")
    (project / "services" / "sleeper").mkdir(parents=True)
    (project / "services" / "sleeper" / "main.py").write_text(PROGRAM)
    for part in ("router_service", "gateway"):
        (project / part).symlink_to(ROOT / part)
    asking = environment(server.base_url, service="ROUTER")
    settings = {"SLEEPER_BOOK": str(book), "ROUTER_EXTRACTION": "rules", **asking}
    with mesh_running(project / "home", project=project, environment=settings) as running:
        yield running


def looks(book: Path) -> int:
    return len(book.read_text().splitlines()) if book.exists() else 0


def started(mesh: UpProcess) -> str:
    with mesh.client() as client:
        accepted = client.post("/v1/runs", json={"input": "Tell me about the checkout"})
        assert accepted.status_code == 202, accepted.text
        return str(accepted.json()["run_id"])


def ended(mesh: UpProcess, run: str) -> dict[str, Any]:
    with mesh.client() as client:
        found: dict[str, Any] = client.get(f"/v1/runs/{run}").json()
        return found


def assert_found(run: dict[str, Any]) -> None:
    """Check that the answer is what was found: the model cites nothing, so its own words go."""
    text = run["output"]["text"]
    assert text.startswith("- checkout is slow [f_")
    assert text.endswith("(1 sentence of the model removed: no finding carries what was said.)")


def test_a_model_answers_by_what_a_specialist_of_the_mesh_found(
    mesh: UpProcess, server: ScriptedOpenAIServer
) -> None:
    seen: list[Frame] = []
    run = started(mesh)
    follow(mesh, run, seen)

    peers = {
        data["data"]["peer"]: len(data["path"])
        for _, kind, data in seen
        if kind == "plan.step.finished"
    }
    offered: Any = server.requests[0].body["tools"]
    assert_found(ended(mesh, run))
    assert [each["function"]["name"] for each in offered] == ["sleep_look"]
    assert peers == {"builtin_answer": 1, "sleeper": 2}
    tree = checked_tree(mesh, run)
    (granted,) = [node for node in tree.values() if node["name"] == "sleeper"]
    assert (granted["kind"], granted["path"][0]) == ("agent", "explain")
    assert mesh.weft("replay", run).stdout.startswith("It comes out the same: the plan, and inside")


@pytest.mark.requirement("PLAN-12", "PLAN-13")
def test_a_router_that_dies_during_a_use_asks_the_specialist_no_second_time(
    mesh: UpProcess, book: Path
) -> None:
    before = looks(book)
    hold = book.with_suffix(".hold")
    hold.touch()
    seen: list[Frame] = []
    run = started(mesh)
    until(lambda: looks(book) == before + 1)

    mesh.child("router_service.main").kill()
    hold.unlink()
    follow(mesh, run, seen)

    assert_found(ended(mesh, run))
    assert looks(book) == before + 1


def test_a_cancelled_run_stops_the_specialist_in_use_and_reports_it(
    mesh: UpProcess, book: Path
) -> None:
    before = looks(book)
    hold = book.with_suffix(".hold")
    hold.touch()
    seen: list[Frame] = []
    try:
        run = started(mesh)
        until(lambda: looks(book) == before + 1)
        with mesh.client() as client:
            client.post(f"/v1/runs/{run}/cancel", json={"reason": "enough"})
        follow(mesh, run, seen)
    finally:
        hold.unlink()

    _, kind, last = seen[-1]
    report = last["data"]["report"]
    assert kind == "run.canceled"
    assert {each["agent"]: each["outcome"] for each in report["peers"]}["sleeper"] == "canceled"
