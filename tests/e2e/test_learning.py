"""A mesh that learns, under rules of its own: policies and outcomes as a person sees and sets them."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.e2e.asking import asked
from tests.e2e.mesh import CASE, INCIDENT, UpProcess, mesh_running

pytestmark = pytest.mark.timeout(150)
RESEARCH = {"primary_goal": "research", "complexity": "high", "domain": "observability"}
COMPARE = {"primary_goal": "compare"}
POLICIES = {"tenants": {"local": {"denied_protocols": ["debate"], "max_risk": "medium"}}}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    place = tmp_path_factory.mktemp("learning")
    (place / "policies.json").write_text(json.dumps(POLICIES))
    (place / "project" / "services").mkdir(parents=True)
    (place / "project" / "services" / "log_analyst").symlink_to(ROOT / "services" / "log_analyst")
    for name in ("router_service", "gateway"):
        (place / "project" / name).symlink_to(ROOT / name)
    environment = {
        "ROUTER_POLICIES": str(place / "policies.json"),
        "ROUTER_LEARNING": "true",
    }
    options = ["--data-root", str(INCIDENT), "--data", str(CASE)]
    with mesh_running(
        place / "home",
        data=None,
        project=place / "project",
        environment=environment,
        options=options,
    ) as running:
        yield running


def explained(mesh: UpProcess, **goal: str) -> Any:  # noqa: ANN401 - JSON
    body = {"input": "Look into checkout", "goal": goal}
    deadline = time.monotonic() + 20
    with mesh.client() as client:
        answer = client.post("/v1/explain", json=body)
        while answer.status_code == 503 and time.monotonic() < deadline:
            answer = client.post("/v1/explain", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def first(shown: Any) -> tuple[str, int, int]:  # noqa: ANN401 - JSON
    [best, *_] = shown["learning"]
    return best["protocol_id"], best["runs"], best["successes"]


@pytest.mark.requirement("RT-8", "RT-9", "RT-10")
def test_a_tenants_policy_denies_and_says_so_before_and_after(mesh: UpProcess) -> None:
    shown = explained(mesh, **COMPARE)
    run = asked(mesh, "Look into checkout", goal=COMPARE)
    risky = explained(mesh, primary_goal="answer", risk="high")
    other = asked(mesh, "Look into checkout", goal=COMPARE, protocol="specialist_fanout")

    assert shown["error"]["code"] == "policy_denied"
    assert shown["parts"][0]["policy"] == {
        "allow": False, "require_approval": False, "reason": "protocol debate is denied",
    }  # fmt: skip
    assert (run["status"], run["error"]["code"]) == ("failed", "policy_denied")
    assert "risk high is above the limit medium" in risky["error"]["message"]
    assert other["status"] == "completed"
    words = mesh.weft("explain", "--protocol", "debate", "Why is checkout slow?").stderr
    assert "policy: denied: protocol debate is denied" in words


@pytest.mark.requirement("RT-34", "RT-35")
def test_what_came_of_a_run_is_shown_rated_and_outlives_the_router(mesh: UpProcess) -> None:
    before = explained(mesh, **RESEARCH)
    run = asked(mesh, "Look into checkout", goal=RESEARCH)
    after = explained(mesh, **RESEARCH)

    assert run["status"] == "completed"
    assert (first(before), first(after)) == (
        ("specialist_fanout", 0, 0), ("specialist_fanout", 1, 1),
    )  # fmt: skip
    with mesh.client() as client:
        log = client.get(f"/v1/runs/{run['run_id']}/events?limit=1000").json()["data"]
    [plan] = [event["data"]["plan"] for event in log if event["type"] == "plan.compiled"]
    assert plan == before["plan"]

    rated = mesh.weft("rate", run["run_id"], "bad")
    router = mesh.child("router_service.main")
    router.kill()
    router.wait(10)
    # A run waits for a router; the gateway may hear of it a moment later.
    again = asked(mesh, "Look into checkout", goal=RESEARCH)
    later = explained(mesh, **RESEARCH)

    assert rated.stdout == "Rated bad.\n"
    assert again["status"] == "completed"
    assert first(later) == ("specialist_fanout", 2, 1)


def test_a_router_with_looser_rules_says_what_to_change(tmp_path: Path) -> None:
    file = tmp_path / "policies.json"
    file.write_text('{"tenants": {"acme": {"require_approval_above": "high"}}}')
    started = subprocess.run(
        [sys.executable, "-m", "router_service.main"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={"ROUTER_HOME": str(tmp_path), "ROUTER_POLICIES": str(file), "PYTHONPATH": str(ROOT)},
    )

    assert started.returncode != 0
    assert "the policy of tenant 'acme' is looser than the default" in started.stderr
