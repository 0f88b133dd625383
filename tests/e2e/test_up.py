"""`weft up` and `weft ask` as a person uses them."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from jsonschema import Draft202012Validator

from tests.conftest import ROOT
from tests.e2e.mesh import INCIDENT, UpProcess, mesh_running
from weft.local.ports import free_port

pytestmark = pytest.mark.timeout(120)
TRUTH = json.loads((INCIDENT / "labels.json").read_text())["checkout-slowdown"]
SCHEMA = ROOT / "deploy" / "schemas" / "answer.json"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    with mesh_running(tmp_path_factory.mktemp("mesh") / "home") as running:
        yield running


@pytest.mark.requirement("CLI-1")
def test_up_says_where_it_is_and_keeps_its_secrets_to_its_owner(mesh: UpProcess) -> None:
    assert mesh.until_said("gateway  http").endswith(mesh.url)
    assert mesh.key in mesh.until_said("API key")
    assert float(mesh.until_said("ready in").split("ready in ")[1].split(" s")[0]) < 15
    for name in ("credentials.json", "keys.json"):
        assert (mesh.home / name).stat().st_mode & 0o077 == 0
    assert mesh.key not in (mesh.home / "keys.json").read_text()


def test_up_says_what_it_starts_and_where_everything_is(mesh: UpProcess) -> None:
    starting = mesh.until_said("starting nats")
    assert "gateway" in starting
    assert str(mesh.home / "logs") in starting
    assert mesh.until_said(r"\[log_analyst\] ready after")
    assert mesh.until_said("state").endswith(str(mesh.home))
    assert mesh.until_said("logs  ").endswith(str(mesh.home / "logs"))
    assert f"weft --home {mesh.home} ask" in mesh.until_said("try  ")


def test_the_agents_of_the_mesh_can_be_looked_up(mesh: UpProcess) -> None:
    listed = mesh.weft("agents", "ls").stdout
    shown = mesh.weft("agents", "show", "log_analyst")
    absent = mesh.weft("agents", "show", "nobody")

    names = [line.split()[:2] for line in listed.splitlines()]
    assert names == [[f"{kind}_analyst", "there"] for kind in ("code", "log", "metrics", "trace")]
    assert "Diagnose the checkout slowdown" in shown.stdout
    assert (absent.returncode, "no such agent" in absent.stderr) == (5, True)


def test_a_file_that_is_given_with_a_question_is_what_it_is_about(
    mesh: UpProcess, tmp_path: Path
) -> None:
    log = tmp_path / "shop.log"
    lines = [
        f"2026-01-31T12:{minute:02}:00Z ERROR payment refused: no route to bank"
        for minute in range(60)
    ]
    log.write_text("\n".join(lines))

    asked = mesh.weft("ask", "Why", "do", "payments", "fail?", "-f", str(log), "--json")
    both = mesh.weft("ask", "why?", "-f", str(log), "--data", str(tmp_path))
    absent = mesh.weft("ask", "why?", "-f", str(tmp_path / "nowhere.log"))
    directory = mesh.weft("ask", "why?", "-f", str(tmp_path))

    answer = json.loads(asked.stdout)
    assert "shop.log" in json.dumps(answer["report"])
    (copies,) = (mesh.home / "attached").iterdir()
    (copy,) = copies.iterdir()
    assert copy.read_text() == log.read_text()
    assert copy.stat().st_mode & 0o077 == 0
    for refused, words in ((both, "not both"), (absent, "cannot be read"), (directory, "--data")):
        assert (refused.returncode, words in refused.stderr) == (2, True)


def test_ask_names_the_injected_service_first_with_evidence_of_two(mesh: UpProcess) -> None:
    asked = mesh.weft("ask", "Diagnose the checkout slowdown", "--json")

    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    first = answer["report"]["findings"][0]
    assert answer["status"] == "completed"
    assert first["subject"] == TRUTH["root_cause_service"]
    assert first["kind"] == "cause"
    assert len(first["supporters"]) >= 2
    assert {each["peer"] for each in first["evidence"]} >= set(first["supporters"][:2])


def test_the_json_answer_fits_the_published_schema(mesh: UpProcess) -> None:
    answer = json.loads(mesh.weft("ask", "Why is checkout slow?", "--json").stdout)
    schema = json.loads(SCHEMA.read_text())

    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(answer)
    assert json.loads(mesh.weft("schema").stdout) == schema
    facts = {
        (fact["source"], fact["predicate"]): fact
        for fact in answer["report"]["facts"]
        if fact["subject"] == TRUTH["root_cause_service"]
    }
    latency = facts["traces", "latency"]
    assert latency["unit"] == "ms"
    assert latency["value"] > latency["before"]
    assert latency["window"]["start"] < latency["window"]["end"]
    assert facts["traces", "operation"]["place"]
    assert answer["report"]["explanation"] is None


def test_ask_prints_a_report_and_shows_progress(mesh: UpProcess) -> None:
    asked = mesh.weft("ask", "Diagnose the checkout slowdown")

    assert asked.returncode == 0
    assert TRUTH["root_cause_service"] in asked.stdout.splitlines()[0]
    assert "analyze_traces" in asked.stderr
    assert "specialist_fanout" in asked.stderr


def test_a_failed_run_is_no_success(mesh: UpProcess) -> None:
    asked = mesh.weft("ask", "Diagnose the checkout slowdown", "--protocol", "no_such_protocol")

    assert asked.returncode != 0
    assert "no_such_protocol" in asked.stdout + asked.stderr


def test_data_outside_the_roots_is_refused(mesh: UpProcess, tmp_path: Path) -> None:
    asked = mesh.weft("ask", "Diagnose the slowdown", "--data", str(tmp_path), "--json")

    assert (asked.returncode, asked.stdout) == (5, "")
    assert "the gateway refused (422)" in asked.stderr
    assert "data root" in asked.stderr


def test_data_that_is_not_there_is_a_failure_and_no_good_health(mesh: UpProcess) -> None:
    here = mesh.weft("ask", "Diagnose the slowdown", "--data", str(INCIDENT / "typo"))
    with mesh.client() as client:
        body = {"input": "Diagnose the slowdown", "metadata": {"data": "typo"}}
        there = client.post("/v1/runs", json=body, headers={"prefer": "wait=30"})

    assert here.returncode == 2
    assert here.stderr.strip() == f"weft: there is no directory {INCIDENT / 'typo'}"
    assert (there.status_code, there.json()["code"]) == (422, "invalid_request")
    assert there.json()["errors"][0]["pointer"] == "/metadata/data"
    assert "nothing that can be read below a data root" in there.json()["detail"]


def test_asking_where_no_mesh_runs_says_what_to_do(mesh: UpProcess, tmp_path: Path) -> None:
    nowhere = UpProcess(tmp_path, mesh.port, mesh.process)

    asked = nowhere.weft("ask", "anything")

    assert asked.returncode == 5
    assert "weft up" in asked.stderr


def test_a_second_up_in_the_same_place_is_one_clear_sentence(mesh: UpProcess) -> None:
    second = mesh.weft("up", "--port", str(free_port()))

    assert second.returncode == 2
    assert "already" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1


def test_a_taken_port_is_one_clear_sentence(mesh: UpProcess, tmp_path: Path) -> None:
    elsewhere = UpProcess(tmp_path / "other", mesh.port, mesh.process)

    second = elsewhere.weft("up", "--port", str(mesh.port))

    assert second.returncode == 2
    assert str(mesh.port) in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1


def test_ctrl_c_stops_everything_and_leaves_nothing(tmp_path: Path) -> None:
    with mesh_running(tmp_path / "home") as mesh:
        children = mesh.children()

        seconds = mesh.stop(signal.SIGINT)

        assert len(children) >= 7
        assert seconds < 10
        assert mesh.process.returncode == 0
        assert [child for child in children if child.is_running()] == []


def test_a_killed_up_leaves_nothing_either(tmp_path: Path) -> None:
    with mesh_running(tmp_path / "home") as mesh:
        children = mesh.children()

        mesh.process.kill()
        mesh.process.wait(5)
        _, alive = psutil.wait_procs(children, timeout=10)

        assert alive == []


def test_a_question_that_needs_a_model_says_how_to_set_one(mesh: UpProcess) -> None:
    asked = mesh.weft("ask", "What is an SLO?", "--json")

    answer = json.loads(asked.stdout)
    assert asked.returncode == 0
    assert (answer["status"], answer["protocol"]) == ("completed", "guide")
    assert answer["text"].startswith("This mesh cannot answer that")
    assert "WEFT_MODEL" in answer["text"]


@pytest.mark.requirement("PLAN-30", "PLAN-32")
def test_explain_shows_what_would_be_done_and_does_nothing(mesh: UpProcess) -> None:
    lines = mesh.weft("explain", "Diagnose the checkout slowdown")
    chart = mesh.weft("explain", "Diagnose the checkout slowdown", "--draw", "mermaid")
    denied = mesh.weft("explain", "Diagnose the slowdown", "--protocol", "a2a_delegate")

    assert lines.returncode == 0, lines.stderr
    assert lines.stdout.splitlines()[0].startswith("diagnose: 4 branches at once")
    assert "log_analyze: ask log.analyze" in lines.stdout
    assert "diagnose: specialist_fanout" in lines.stderr
    assert chart.stdout.startswith("flowchart TD")
    assert denied.returncode == 1
    assert "it needs a2a_peer" in denied.stderr
