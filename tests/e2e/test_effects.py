"""An effect and a kill -9: whatever dies, the order is charged at most once."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.e2e.mesh import UpProcess, follow, mesh_running, until

pytestmark = pytest.mark.timeout(150)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("payer")


@pytest.fixture(scope="module")
def mesh(place: Path) -> Iterator[UpProcess]:
    payer = place / "project" / "services" / "payer"
    payer.mkdir(parents=True)
    (payer / "main.py").write_text("from tests.e2e.payer import main\n\nmain()\n")
    for part in ("router_service", "gateway"):
        (place / "project" / part).symlink_to(ROOT / part)
    os.environ["PAYER_BOOK"] = str(place / "book.txt")
    try:
        with mesh_running(place / "home", project=place / "project") as running:
            yield running
    finally:
        del os.environ["PAYER_BOOK"]


def charged(place: Path) -> list[str]:
    book = place / "book.txt"
    return book.read_text().splitlines() if book.exists() else []


def start(mesh: UpProcess) -> str:
    with mesh.client() as client:
        accepted = client.post("/v1/runs", json={"input": "Charge order o-17", "agent": "payer"})
        assert accepted.status_code == 202, accepted.text
        return str(accepted.json()["run_id"])


def run_of(mesh: UpProcess, run: str, *, wait: int = 30) -> dict[str, Any]:
    with mesh.client() as client:
        answer = client.get(f"/v1/runs/{run}", headers={"prefer": f"wait={wait}"})
        found: dict[str, Any] = answer.json()
        return found


@pytest.mark.requirement("REL-2")
def test_a_specialist_killed_inside_an_effect_never_repeats_it_and_asks(
    mesh: UpProcess, place: Path
) -> None:
    (place / "book.hang").touch()
    run = start(mesh)
    until(lambda: charged(place) == ["o-17"])

    mesh.child("services.payer.main").kill()
    (place / "book.hang").unlink()
    asked = run_of(mesh, run)

    assert asked["status"] == "interrupted", json.dumps(asked)[:2000]
    assert [each["reason"] for each in asked["interrupts"]] == ["effect_unknown"]
    assert charged(place) == ["o-17"]

    answer = {
        "interrupt_id": asked["interrupts"][0]["id"],
        "status": "resolved",
        "payload": {"outcome": "done", "value": "charged o-17"},
    }
    with mesh.client() as client:
        resumed = client.post(f"/v1/runs/{run}/resume", json={"responses": [answer]})
        assert resumed.status_code == 202, resumed.text
    ended = run_of(mesh, run)

    assert ended["status"] == "completed", json.dumps(ended)[:2000]
    assert charged(place) == ["o-17"]


def test_an_effect_whose_run_is_sent_twice_happens_once(mesh: UpProcess, place: Path) -> None:
    before = len(charged(place))
    with mesh.client() as client:
        body = {"input": "Charge order o-17", "agent": "payer"}
        headers = {"idempotency-key": "charge-once", "prefer": "wait=30"}
        first = client.post("/v1/runs", json=body, headers=headers).json()
        again = client.post("/v1/runs", json=body, headers=headers).json()

    assert first["status"] == "completed", json.dumps(first)[:2000]
    assert first["run_id"] == again["run_id"]
    assert len(charged(place)) == before + 1


def test_a_router_killed_during_an_effect_does_not_repeat_it(mesh: UpProcess, place: Path) -> None:
    before = len(charged(place))
    (place / "book.hang").touch()
    run = start(mesh)
    until(lambda: len(charged(place)) == before + 1)

    mesh.child("router_service.main").kill()
    mesh.child("services.payer.main").kill()
    (place / "book.hang").unlink()
    asked = run_of(mesh, run)

    assert asked["status"] == "interrupted", json.dumps(asked)[:2000]
    assert len(charged(place)) == before + 1
    with mesh.client() as client:
        canceled = client.post(f"/v1/runs/{run}/cancel", json={"reason": "no longer wanted"})
        assert canceled.status_code in {200, 202}
    seen: list[Any] = []
    follow(mesh, run, seen)
    assert seen[-1][1] == "run.canceled"
