"""What was not looked at is named: over HTTP, in the JSON document and in the terminal."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.mesh import INCIDENT, UpProcess, mesh_running

pytestmark = pytest.mark.timeout(240)
WHY = "Diagnose the checkout slowdown"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled incident, with some odd ones beside it."""
    place = tmp_path_factory.mktemp("data") / "root"
    shutil.copytree(INCIDENT, place)
    (place / "empty").mkdir()
    leaving = shutil.ignore_patterns("case.json", "source")
    shutil.copytree(INCIDENT / "checkout-slowdown", place / "alone" / "case", ignore=leaving)
    return place


@pytest.fixture(scope="module")
def mesh(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    with mesh_running(tmp_path_factory.mktemp("home"), data=root) as running:
        yield running


@pytest.mark.requirement("DIAG-2")
def test_data_that_is_not_there_is_refused_before_there_is_a_run(
    mesh: UpProcess, root: Path
) -> None:
    with mesh.client() as client:
        body = {"input": WHY, "metadata": {"data": str(root / "typo")}}
        answer = client.post("/v1/runs", json=body)

    asked = mesh.weft("ask", WHY, "--data", str(root / "typo"))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/metadata/data"
    assert "checkout-slowdown" in answer.json()["errors"][0]["message"]
    assert asked.returncode != 0
    assert asked.stdout == ""


@pytest.mark.requirement("DIAG-2")
def test_a_directory_that_holds_nothing_fails_the_run_as_no_data(
    mesh: UpProcess, root: Path
) -> None:
    asked = mesh.weft("ask", WHY, "--data", str(root / "empty"), "--json")

    answer = json.loads(asked.stdout)
    assert (answer["status"], answer["error"]["code"]) == ("failed", "no_data")
    assert asked.returncode == 1
    assert {each["verdict"] for each in answer["report"]["coverage"]} == {"not_read"}
    assert "normal" not in answer["text"].lower()


@pytest.mark.requirement("DIAG-2")
def test_a_specialist_asked_by_name_that_read_nothing_is_no_success(
    mesh: UpProcess, root: Path
) -> None:
    body = {"input": WHY, "agent": "trace_analyst", "metadata": {"data": str(root / "empty")}}

    with mesh.client() as client:
        run = client.post("/v1/runs", json=body, headers={"prefer": "wait=30"}).json()

    assert (run["status"], run["error"]["code"]) == ("failed", "no_data")
    assert "traces" in run["error"]["detail"]


@pytest.mark.requirement("DIAG-1", "DIAG-29")
def test_the_terminal_shows_what_was_read_under_an_answer_of_a_page(mesh: UpProcess) -> None:
    asked = mesh.weft("ask", WHY)

    lines = asked.stdout.splitlines()
    assert len(lines) <= 60
    table = lines[lines.index("What was read:") :]
    assert {row.split()[0] for row in table[2:6]} == {"traces", "code", "logs", "metrics"}
    assert all("found" in row for row in table[2:6])


@pytest.mark.requirement("DIAG-3")
def test_a_specialist_that_hangs_is_a_named_gap(mesh: UpProcess) -> None:
    hung = mesh.child("services.log_analyst.main")
    hung.send_signal(signal.SIGSTOP)
    try:
        asked = mesh.weft("ask", WHY, "--json", timeout=120)
    finally:
        hung.send_signal(signal.SIGCONT)

    answer = json.loads(asked.stdout)
    gaps = [(gap["peer"], gap["code"]) for gap in answer["report"]["gaps"]]
    assert answer["status"] == "completed"
    assert "log_analyst" in [peer for peer, _ in gaps], gaps
    assert "of 4 sources agree" in answer["text"]
    assert "logs" not in [each["source"] for each in answer["report"]["coverage"]]
    assert mesh.weft("replay", answer["run_id"]).returncode == 0
    tree = json.loads(mesh.weft("runs", "tree", answer["run_id"], "--json").stdout)
    (hung_call,) = [
        call for call in tree["children"][0]["children"] if call["name"] == "log_analyst"
    ]
    # Eight seconds where the machine is quiet, and more than thirty as long as only silence counted.
    assert hung_call["duration_ms"] < 28_000
    assert (hung_call["status"], hung_call["error"]["code"]) == ("failed", "outcome_unknown")


@pytest.mark.requirement("DIAG-1", "DIAG-24")
def test_one_recording_alone_is_held_against_what_was_before_its_change_or_the_time_asked_about(
    mesh: UpProcess, root: Path
) -> None:
    data = str(root / "alone" / "case")
    changed = json.loads(mesh.weft("ask", WHY, "--data", data, "--json").stdout)
    since = json.loads(
        mesh.weft("ask", "Why is it slow since 09:28:30?", "--data", data, "--json").stdout
    )

    words = "the part before the change at 2026-11-20 09:28:24, found in the traces"
    read = [each for each in changed["report"]["coverage"] if each["source"] != "code"]
    assert len(read) == 3
    assert all(each["normal_times"].startswith(words) for each in read)
    assert all(each["baseline_window"]["end"] < each["window"]["start"] for each in read)
    assert changed["report"]["findings"][0]["subject"] == "payment"
    assert f"Normal times: {words}" in changed["text"]
    assert since["text"].startswith("The time looked at, after 09:28:30: 2026-11-20 09:28:30 to ")
    read = [each for each in since["report"]["coverage"] if each["source"] != "code"]
    assert {each["verdict"] for each in read} == {"found"}
    assert "what lies before the time asked about" in since["text"]
