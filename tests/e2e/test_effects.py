"""An effect and a kill -9: whatever dies, the order is charged at most once, and told truly."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.e2e.mesh import UpProcess, follow, mesh_running, until

pytestmark = pytest.mark.timeout(150)
PAYERS = ("payer", "payer_offline", "payer_wire")
ALIVE = "from tests.e2e.payer import main\n\nmain({!r})\n"
DEAD = "raise SystemExit(3)\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("payer")


def program(place: Path, name: str = "payer") -> Path:
    """Return the file that a payer's process runs when it is started again."""
    return place / "project" / "services" / name / "main.py"


@pytest.fixture(scope="module")
def mesh(place: Path) -> Iterator[UpProcess]:
    for name in PAYERS:
        program(place, name).parent.mkdir(parents=True)
        program(place, name).write_text(ALIVE.format(name))
    for part in ("router_service", "gateway"):
        (place / "project" / part).symlink_to(ROOT / part)
    os.environ["PAYER_PLACE"] = str(place)
    try:
        with mesh_running(place / "home", project=place / "project") as running:
            yield running
    finally:
        del os.environ["PAYER_PLACE"]


@pytest.fixture(autouse=True)
def nothing_left(place: Path) -> Iterator[None]:
    yield
    for note in (*place.glob("*.hang"), *place.glob("*.die_*")):
        note.unlink()
    program(place).write_text(ALIVE.format("payer"))


def charged(place: Path, name: str = "payer") -> int:
    book = place / f"{name}.txt"
    return len(book.read_text().splitlines()) if book.exists() else 0


def start(mesh: UpProcess, name: str = "payer") -> str:
    with mesh.client() as client:
        accepted = client.post("/v1/runs", json={"input": "Charge order=o-17", "agent": name})
        assert accepted.status_code == 202, accepted.text
        return str(accepted.json()["run_id"])


def run_of(mesh: UpProcess, run: str, *, wait: int = 50) -> dict[str, Any]:
    with mesh.client() as client:
        answer = client.get(f"/v1/runs/{run}", headers={"prefer": f"wait={wait}"})
        found: dict[str, Any] = answer.json()
        return found


def question(run: dict[str, Any], reason: str) -> dict[str, Any]:
    assert run["status"] == "interrupted", json.dumps(run)[:2000]
    [asked] = run["interrupts"]
    assert asked["reason"] == reason
    found: dict[str, Any] = asked
    return found


def answer(mesh: UpProcess, run: str, asked: dict[str, Any], payload: object) -> int:
    said = {"interrupt_id": asked["id"], "status": "resolved", "payload": payload}
    with mesh.client() as client:
        resumed = client.post(f"/v1/runs/{run}/resume", json={"responses": [said]})
    if resumed.status_code == 422:
        assert all(option in resumed.text for option in asked["options"]), resumed.text
    return resumed.status_code


def killed_inside(mesh: UpProcess, place: Path, name: str = "payer") -> str:
    """Return a run whose payer was killed after the charge, before anybody heard of it."""
    before = charged(place, name)
    (place / f"{name}.hang").touch()
    run = start(mesh, name)
    until(lambda: charged(place, name) == before + 1)
    mesh.child(f"services.{name}.main").kill()
    (place / f"{name}.hang").unlink()
    return run


@pytest.mark.requirement("REL-2", "FX-8")
@pytest.mark.parametrize("name", PAYERS)
@pytest.mark.parametrize(
    ("said", "text", "charges"),
    [
        ({"outcome": "done", "value": "charged by hand"}, "charged by hand", 1),
        ({"outcome": "not_done"}, "charged o-17", 2),
        ("abandon", "whether it took effect is unknown", 1),
    ],
)
def test_a_specialist_killed_inside_an_effect_asks_and_does_what_it_is_told(
    mesh: UpProcess, place: Path, name: str, said: object, text: str, charges: int
) -> None:
    before = charged(place, name)
    run = killed_inside(mesh, place, name)

    asked = question(run_of(mesh, run), "effect_unknown")
    assert charged(place, name) == before + 1
    assert answer(mesh, run, asked, said) == 202
    ended = run_of(mesh, run)

    assert ended["status"] == "completed", json.dumps(ended)[:2000]
    assert text in ended["output"]["text"]
    # The book has the line of the killed charge; what was not done by a person's word is done once.
    assert charged(place, name) == before + charges


def test_what_is_no_option_is_refused_at_the_front_door_and_the_question_stays(
    mesh: UpProcess, place: Path
) -> None:
    run = killed_inside(mesh, place)
    asked = question(run_of(mesh, run), "effect_unknown")

    wrong: tuple[object, ...] = ("maybe", {"outcome": "yes"}, {"payload": "done"}, None, {}, True)
    refused = [answer(mesh, run, asked, each) for each in wrong]

    assert refused == [422] * len(wrong)
    assert question(run_of(mesh, run), "effect_unknown") == asked
    assert answer(mesh, run, asked, "done") == 202
    assert run_of(mesh, run)["status"] == "completed"


def test_an_effect_whose_run_is_sent_twice_happens_once(mesh: UpProcess, place: Path) -> None:
    before = charged(place)
    with mesh.client() as client:
        body = {"input": "Charge order=o-17", "agent": "payer"}
        headers = {"idempotency-key": "charge-once", "prefer": "wait=30"}
        first = client.post("/v1/runs", json=body, headers=headers).json()
        again = client.post("/v1/runs", json=body, headers=headers).json()

    assert first["status"] == "completed", json.dumps(first)[:2000]
    assert first["run_id"] == again["run_id"]
    assert charged(place) == before + 1


def test_a_router_killed_during_an_effect_does_not_repeat_it(mesh: UpProcess, place: Path) -> None:
    before = charged(place)
    (place / "payer.hang").touch()
    run = start(mesh)
    until(lambda: charged(place) == before + 1)

    mesh.child("router_service.main").kill()
    mesh.child("services.payer.main").kill()
    (place / "payer.hang").unlink()
    question(run_of(mesh, run), "effect_unknown")

    assert charged(place) == before + 1
    with mesh.client() as client:
        canceled = client.post(f"/v1/runs/{run}/cancel", json={"reason": "no longer wanted"})
        assert canceled.status_code in {200, 202}
    seen: list[Any] = []
    follow(mesh, run, seen)
    assert seen[-1][1] == "run.canceled"


@pytest.mark.requirement("PLAN-15")
@pytest.mark.parametrize("point", ["before_accept", "after_accept", "after_effect"])
def test_a_specialist_that_dies_anywhere_and_restarts_costs_neither_run_nor_charge(
    mesh: UpProcess, place: Path, point: str
) -> None:
    before = charged(place)
    (place / f"payer.die_{point}").touch()

    ended = run_of(mesh, start(mesh))

    assert not (place / f"payer.die_{point}").exists()
    assert ended["status"] == "completed", json.dumps(ended)[:2000]
    assert ended["output"]["text"] == "Done: charged o-17"
    assert charged(place) == before + 1


def retried(mesh: UpProcess, run: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Say "retry" until the peer is back: on a slow machine it takes longer than the run waits."""
    assert answer(mesh, run, asked, "retry") == 202
    shown = run_of(mesh, run)
    for _ in range(5):
        if shown["status"] != "interrupted":
            break
        assert answer(mesh, run, question(shown, "outcome_unknown"), "retry") == 202
        shown = run_of(mesh, run)
    return shown


@pytest.mark.requirement("PLAN-15", "PLAN-16")
@pytest.mark.parametrize("point", ["before_accept", "after_accept", "after_effect"])
def test_one_that_stays_away_is_asked_about_and_found_again_when_it_is_back(
    mesh: UpProcess, place: Path, point: str
) -> None:
    before = charged(place)
    program(place).write_text(DEAD)
    (place / f"payer.die_{point}").touch()
    run = start(mesh)

    asked = question(run_of(mesh, run), "outcome_unknown")
    done_meanwhile = charged(place) - before
    assert answer(mesh, run, asked, "again") == 422
    program(place).write_text(ALIVE.format("payer"))
    ended = retried(mesh, run, asked)

    assert done_meanwhile == (1 if point == "after_effect" else 0)
    assert ended["status"] == "completed", json.dumps(ended)[:2000]
    assert ended["output"]["text"] == "Done: charged o-17"
    assert charged(place) == before + 1


@pytest.mark.requirement("PLAN-13")
def test_a_question_parked_at_a_peer_that_was_away_is_found_again(
    mesh: UpProcess, place: Path
) -> None:
    before = charged(place)
    program(place).write_text(DEAD)
    run = killed_inside(mesh, place)

    lost = question(run_of(mesh, run), "outcome_unknown")
    program(place).write_text(ALIVE.format("payer"))
    assert answer(mesh, run, lost, {"outcome": "retry"}) == 202
    asked = question(run_of(mesh, run), "effect_unknown")
    assert answer(mesh, run, asked, {"outcome": "done", "value": "charged by hand"}) == 202
    ended = run_of(mesh, run)

    assert ended["output"]["text"] == "Done: charged by hand"
    assert charged(place) == before + 1


def test_one_that_was_away_before_anything_was_sent_was_certainly_not_reached(
    mesh: UpProcess, place: Path
) -> None:
    before = charged(place)
    program(place).write_text(DEAD)
    mesh.child("services.payer.main").kill()

    ended = run_of(mesh, start(mesh))

    assert ended["status"] == "failed", json.dumps(ended)[:2000]
    assert ended["error"]["code"] == "peer_unavailable"
    assert charged(place) == before


def test_a_question_charges_nothing_where_a_skill_is_silent_of_its_effects(
    mesh: UpProcess, place: Path
) -> None:
    before = {name: charged(place, name) for name in PAYERS}
    question = "Why was order=o-17 charged twice?"

    with mesh.client() as client:
        accepted = client.post("/v1/runs", json={"input": question})
        run = str(accepted.json()["run_id"])
        follow(mesh, run, [])
        ended = client.get(f"/v1/runs/{run}").json()
        explained = client.post("/v1/explain", json={"input": question}).json()

    assert {name: charged(place, name) for name in PAYERS} == before
    assert (ended["status"], ended["error"]["code"]) == ("failed", "no_capability")
    assert "effects" in explained["left_out"]["payer.charge"]
