"""Two keys of one mesh: neither reaches what is the other's."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.e2e.mesh import UpProcess, mesh_running

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    with mesh_running(tmp_path_factory.mktemp("mesh") / "home") as running:
        yield running


@dataclass
class Two:
    """Alice has a finished run on a thread; Bob has a key."""

    alice: httpx.Client
    bob: httpx.Client
    thread: str
    run: str


@pytest.fixture(scope="module")
def two(mesh: UpProcess) -> Iterator[Two]:
    with mesh.client(mesh.new_key("alice")) as alice, mesh.client(mesh.new_key("bob")) as bob:
        said = alice.post(
            "/invoke", json={"prompt": "Diagnose the checkout slowdown", "thread_id": "shared"}
        )
        assert said.json()["status"] == "completed", said.text
        yield Two(alice, bob, "shared", said.json()["run_id"])


@pytest.mark.requirement("AUTH-7", "SEC-19")
def test_neither_reads_the_others_thread(two: Two) -> None:
    absent = two.bob.get("/threads/never-was")
    found = two.bob.get(f"/threads/{two.thread}")

    assert two.alice.get(f"/threads/{two.thread}").status_code == 200
    assert (found.status_code, absent.status_code) == (404, 404)
    assert found.json()["code"] == absent.json()["code"] == "not_found"


@pytest.mark.requirement("SEC-30")
def test_neither_follows_the_others_run(two: Two) -> None:
    for path in ("", "/stream", "/events"):
        answer = two.bob.get(f"/v1/runs/{two.run}{path}", headers={"last-event-id": "1"})
        assert answer.status_code == 404, path


@pytest.mark.requirement("SEC-20")
def test_neither_deletes_the_others_thread(two: Two) -> None:
    answer = two.bob.delete(f"/threads/{two.thread}")

    assert answer.status_code == 404 or answer.json()["deleted"] is False
    assert two.alice.get(f"/threads/{two.thread}").status_code == 200


@pytest.mark.requirement("GW-1", "SEC-21")
def test_continuing_a_thread_of_the_same_name_is_ones_own(two: Two) -> None:
    mine = two.bob.post(
        "/invoke", json={"prompt": "Diagnose the checkout slowdown", "thread_id": two.thread}
    )

    assert mine.json()["status"] == "completed", mine.text
    assert len(two.bob.get(f"/threads/{two.thread}").json()["messages"]) == 2
    assert len(two.alice.get(f"/threads/{two.thread}").json()["messages"]) == 2


@pytest.mark.requirement("SEC-38")
def test_an_idempotency_key_is_ones_own(two: Two) -> None:
    body = {"input": "Diagnose the checkout slowdown"}
    headers = {"idempotency-key": "the-same", "prefer": "wait=30"}

    first = two.alice.post("/v1/runs", json=body, headers=headers)
    again = two.alice.post("/v1/runs", json=body, headers=headers)
    others = two.bob.post("/v1/runs", json=body, headers=headers)

    assert first.json()["run_id"] == again.json()["run_id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert others.json()["run_id"] != first.json()["run_id"]


@pytest.mark.requirement("GW-5")
def test_explain_runs_nothing_and_agrees_with_what_a_run_does(two: Two) -> None:
    told = two.alice.post("/v1/explain", json={"input": "Diagnose the checkout slowdown"})

    assert told.status_code == 200, told.text
    assert told.json()["parts"][0]["selected_protocol"] == "specialist_fanout"
    assert two.alice.get(f"/v1/runs/{two.run}").json()["protocol"] == "specialist_fanout"


def test_a_refused_question_is_one_clear_problem(two: Two) -> None:
    answer = two.alice.post("/invoke", json={"prompt": "hi", "tempreature": 1})

    assert answer.status_code == 422
    assert "tempreature" in answer.text
