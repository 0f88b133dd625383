"""Runs over HTTP: created, awaited, read, cancelled, answered."""

from dataclasses import replace

import anyio
import httpx
import pytest

from tests.libs.server.door import CALLER, STORES, House, finished, opened
from weft.checkpoint import Checkpointer, Run
from weft.core import Tally, new_id
from weft.server.admission import ApiOptions

pytestmark = STORES

FIELDS = {
    "run_id", "thread_id", "subject", "status", "input_preview", "agent", "protocol", "created_at", "started_at", "ended_at",
    "output", "success", "stop_reason", "error", "usage", "budget", "deadline", "interrupts",
    "cancel", "last_seq", "metadata", "trace_id",
}  # fmt: skip


async def test_a_run_is_accepted_with_its_place_and_every_field(
    house: House, ana: httpx.AsyncClient
) -> None:
    answer = await ana.post("/v1/runs", json={"input": "hold", "metadata": {"team": "sre"}})

    run = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/runs/{run['run_id']}"
    assert set(run) == FIELDS
    assert run["status"] in {"queued", "running"}
    assert run["metadata"] == {"team": "sre"}
    house.script.go.set()
    assert set(await finished(ana, run["run_id"])) == FIELDS


async def test_preferring_to_wait_answers_with_the_finished_run(ana: httpx.AsyncClient) -> None:
    answer = await ana.post("/v1/runs", json={"input": "hello"}, headers={"prefer": "wait=5"})

    run = answer.json()
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=5"
    assert (run["status"], run["success"]) == ("completed", True)
    assert run["output"] == {
        "text": "echo: hello",
        "parts": [{"text": "echo: hello"}],
        "data": None,
    }
    assert run["stop_reason"] == "complete"
    assert run["error"] is None


async def test_waiting_ends_with_202_when_the_time_is_over(ana: httpx.AsyncClient) -> None:
    with anyio.fail_after(5):
        answer = await ana.post("/v1/runs", json={"input": "hold"}, headers={"prefer": "wait=0"})

    assert answer.status_code == 202


async def test_messages_and_a_timeout_are_taken(ana: httpx.AsyncClient) -> None:
    said = [
        {"role": "user", "content": "one"},
        {"role": "user", "content": [{"text": "two"}, {"text": "three"}]},
    ]

    answer = await ana.post(
        "/v1/runs", json={"input": said}, headers={"prefer": "wait=5", "weft-timeout-ms": "9000"}
    )

    assert answer.json()["output"]["text"] == "echo: one\n\ntwo\nthree"


@pytest.mark.requirement("GW-2")
async def test_runs_without_a_thread_get_fresh_ones(ana: httpx.AsyncClient) -> None:
    made = [(await ana.post("/v1/runs", json={"input": "hold"})).json() for _ in range(3)]

    assert len({run["thread_id"] for run in made}) == 3


@pytest.mark.requirement("GW-11")
async def test_an_accepted_run_is_in_the_store_before_its_answer(
    house: House, ana: httpx.AsyncClient, checkpointer: Checkpointer
) -> None:
    made = (await ana.post("/v1/runs", json={"input": "hold"})).json()
    streamed = await ana.post("/invoke", json={"prompt": "hello"})

    async with opened(checkpointer) as other:
        another = await other.client("ana")
        assert (await another.get(f"/v1/runs/{made['run_id']}")).status_code == 200
        seen = (await another.get(f"/v1/runs/{streamed.json()['run_id']}")).json()
        assert seen["status"] == "completed"
        house.script.go.set()
        assert (await finished(another, made["run_id"]))["status"] == "completed"


@pytest.mark.requirement("GW-12", "GW-13")
async def test_a_failed_run_is_a_good_answer_that_tells_of_a_failure(
    ana: httpx.AsyncClient,
) -> None:
    answer = await ana.post("/v1/runs", json={"input": "fail"}, headers={"prefer": "wait=5"})

    run = answer.json()
    assert answer.status_code == 200
    assert (run["status"], run["success"], run["stop_reason"]) == (
        "failed",
        False,
        "max_iterations",
    )
    assert run["output"]["text"] == "half"
    assert run["error"]["code"] == "model_failed"
    assert run["error"]["type"] == "urn:weft:problem:model_failed"
    assert run["error"]["detail"] == "the model is away"
    why, behind = run["error"]["errors"]
    assert (why["pointer"], why["code"], why["message"]) == (
        "",
        "model_failed",
        "the model is away",
    )
    assert behind["pointer"] == "/both/a~1b"
    assert (behind["code"], behind["message"]) == ("x", "so is the other")
    # Who runs the plan failed where nobody else is named.
    assert why["peer"] == behind["peer"] == "w1"
    assert run["error"]["trace_id"] == run["trace_id"]


@pytest.mark.requirement("AUTH-11", "SEC-118")
async def test_a_crash_in_a_run_tells_its_client_nothing_of_the_code(
    ana: httpx.AsyncClient,
) -> None:
    answer = await ana.post("/v1/runs", json={"input": "crash"}, headers={"prefer": "wait=5"})
    stream = await ana.get(f"/v1/runs/{answer.json()['run_id']}/stream")

    assert answer.json()["error"]["code"] == "internal"
    assert answer.json()["trace_id"]
    assert "SELECT" not in answer.text + stream.text


@pytest.mark.requirement("GW-14")
@pytest.mark.parametrize(
    "budget", [{"tokens": -1}, {"cost_usd": -0.1}, {"calls": -1}, {"tokens": 1.5}, {"tokens": True}]
)
async def test_a_budget_below_nothing_is_refused(
    ana: httpx.AsyncClient, budget: dict[str, object]
) -> None:
    refused = await ana.post("/v1/runs", json={"input": "x", "budget": budget})
    allowed = await ana.post("/v1/runs", json={"input": "x", "budget": {"tokens": 0}})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == f"/budget/{next(iter(budget))}"
    assert allowed.json()["budget"]["limit"] == {"tokens": 0, "cost_usd": None, "calls": None}


@pytest.mark.requirement("GW-17")
async def test_of_many_at_once_on_one_thread_one_is_accepted(
    ana: httpx.AsyncClient, checkpointer: Checkpointer
) -> None:
    statuses: list[int] = []
    codes: set[str] = set()

    async with opened(checkpointer) as other, anyio.create_task_group() as tasks:
        another = await other.client("ana")

        async def ask(client: httpx.AsyncClient) -> None:
            answer = await client.post("/v1/runs", json={"input": "hold", "thread_id": "t"})
            statuses.append(answer.status_code)
            if answer.status_code == 409:
                codes.add(answer.json()["code"])
                assert answer.json()["active_run_id"]
                assert int(answer.headers["retry-after"]) > 0

        for client in (ana, another) * 10:
            tasks.start_soon(ask, client)

    assert sorted(statuses) == [202] + [409] * 19
    assert codes == {"thread_busy"}


async def test_a_run_may_wait_for_its_thread_or_take_it(
    ana: httpx.AsyncClient,
) -> None:
    body = {"input": "hold", "thread_id": "t"}
    first = (await ana.post("/v1/runs", json=body)).json()

    waits = await ana.post("/v1/runs", json={**body, "on_conflict": "enqueue"})
    takes = await ana.post(
        "/v1/runs", json={"input": "now", "thread_id": "t", "on_conflict": "interrupt"}
    )

    assert waits.json()["status"] == "queued"
    assert takes.status_code == 202
    assert (await finished(ana, first["run_id"]))["status"] == "canceled"
    assert (await finished(ana, takes.json()["run_id"]))["status"] == "completed"


async def test_a_thread_may_be_required_to_exist(ana: httpx.AsyncClient) -> None:
    body = {"input": "hello", "thread_id": "t", "if_not_exists": "reject"}

    refused = await ana.post("/v1/runs", json=body)
    await ana.post("/invoke", json={"prompt": "hello", "thread_id": "t"})
    accepted = await ana.post("/v1/threads/t/runs", json={"input": "x", "if_not_exists": "reject"})

    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert (accepted.status_code, accepted.json()["thread_id"]) == (202, "t")


async def test_cancelling_reports_and_a_finished_run_conflicts(
    ana: httpx.AsyncClient,
) -> None:
    held = (await ana.post("/v1/runs", json={"input": "hold"})).json()
    done = (await ana.post("/invoke", json={"prompt": "hello"})).json()

    canceled = await ana.post(f"/v1/runs/{held['run_id']}/cancel", json={"reason": "enough"})
    again = await ana.post(f"/v1/runs/{held['run_id']}/cancel")
    late = await ana.post(f"/v1/runs/{done['run_id']}/cancel")
    wrong = await ana.post(f"/v1/runs/{held['run_id']}/cancel", json={"grace_s": 31})

    assert canceled.status_code == 200
    assert canceled.json()["reason"] == "enough"
    assert canceled.json()["requested_by"] == "ana"
    assert again.json() == canceled.json()
    assert (late.status_code, late.json()["code"]) == (409, "run_finished")
    assert wrong.status_code == 422
    run = (await ana.get(f"/v1/runs/{held['run_id']}")).json()
    assert (run["status"], run["cancel"]["reason"]) == ("canceled", "enough")


@pytest.mark.requirement("GW-31")
async def test_a_question_is_answered_once_and_the_run_goes_on(ana: httpx.AsyncClient) -> None:
    asked = await ana.post("/v1/runs", json={"input": "ask"}, headers={"prefer": "wait=5"})
    run = asked.json()

    answer = {"responses": [{"interrupt_id": run["interrupts"][0]["id"], "payload": "yes"}]}
    place = f"/v1/runs/{run['run_id']}/resume"
    resumed = await ana.post(place, json=answer, headers={"prefer": "wait=5"})
    again = await ana.post(place, json=answer)
    answer["responses"][0]["payload"] = "no"
    other = await ana.post(place, json=answer)

    assert (asked.status_code, run["status"], run["success"]) == (200, "interrupted", False)
    assert run["interrupts"][0]["message"] == "shall I?"
    assert resumed.json()["output"]["text"] == "answered: yes"
    assert again.status_code == 202
    assert again.json()["output"] == resumed.json()["output"]
    refused = other.json()
    assert (other.status_code, refused["code"]) == (409, "interrupt_already_resolved")
    (told,) = [
        event
        for event in (await ana.get(f"/v1/runs/{run['run_id']}/events")).json()["data"]
        if event["type"] == "interrupt.resolved"
    ]
    assert (refused["resolved_by"], refused["resolved_at"]) == ("ana", told["ts"])


async def test_who_asks_for_an_action_approves_it_only_where_that_is_allowed(
    checkpointer: Checkpointer,
) -> None:
    answer = {"responses": [{"interrupt_id": "a" * 32, "payload": {"approved": True}}]}
    statuses = []

    for allowed in (False, True):
        async with opened(checkpointer, options=ApiOptions(self_approval=allowed)) as house:
            ana = await house.client("ana")
            run = (await ana.post("/invoke", json={"prompt": "ask approval"})).json()
            said = await ana.post(f"/v1/runs/{run['run_id']}/resume", json=answer)
            statuses.append((said.status_code, said.json().get("code")))

    assert statuses == [(403, "approval_not_allowed"), (202, None)]


async def test_a_question_that_came_up_after_the_check_is_not_answered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    cal = await house.client("caller")
    run = (await cal.post("/invoke", json={"prompt": "ask approval"})).json()
    asked = await house.runs.read(CALLER, run["run_id"])

    async def read_before(*_: object) -> Run:
        return replace(asked, status="running", interrupts=())

    with monkeypatch.context() as patched:
        patched.setattr(house.runs, "read", read_before)
        answer = {"responses": [{"interrupt_id": "a" * 32, "payload": {"approved": True}}]}
        said = await cal.post(f"/v1/runs/{run['run_id']}/resume", json=answer)

    assert (said.status_code, said.json()["code"]) == (409, "run_not_interrupted")
    assert (await cal.get(f"/v1/runs/{run['run_id']}")).json()["status"] == "interrupted"


@pytest.mark.requirement("GW-29", "GW-35")
async def test_answers_must_be_whole_and_hold_no_credentials(ana: httpx.AsyncClient) -> None:
    run = (await ana.post("/invoke", json={"prompt": "ask twice"})).json()
    first, second = (each["id"] for each in run["interrupts"])
    place = f"/v1/runs/{run['run_id']}/resume"

    def answered(interrupt_id: str, payload: object) -> dict[str, object]:
        return {"interrupt_id": interrupt_id, "payload": payload}

    short = await ana.post(place, json={"responses": [answered(first, 1)]})
    secret = [answered(first, 1), answered(second, "hunter2")]
    told = await ana.post(place, json={"responses": secret})
    part = await ana.post(place, json={"responses": [answered(first, 1)], "partial": True})
    rest = {"responses": [answered(second, None)]}
    whole = await ana.post(place, json=rest, headers={"prefer": "wait=5"})

    assert (short.status_code, short.json()["code"]) == (422, "interrupts_incomplete")
    assert short.json()["open"] == [second]
    assert (told.status_code, told.json()["code"]) == (422, "invalid_request")
    assert "hunter2" not in (await ana.get(f"/v1/runs/{run['run_id']}/events")).text
    assert [each["id"] for each in part.json()["interrupts"]] == [second]
    assert whole.json()["status"] == "completed"


async def test_events_come_in_pages(ana: httpx.AsyncClient) -> None:
    run = (await ana.post("/invoke", json={"prompt": "hello"})).json()
    place = f"/v1/runs/{run['run_id']}/events"

    first = (await ana.get(place, params={"limit": 2})).json()
    rest = (await ana.get(place, params={"after": first["next_after"]})).json()
    wrong = await ana.get(place, params={"limit": 1001})

    assert [event["seq"] for event in first["data"]] == [1, 2]
    assert (first["next_after"], first["last_seq"], first["terminal"]) == (2, 3, False)
    assert [event["type"] for event in rest["data"]] == ["run.completed"]
    assert rest["terminal"] is True
    assert wrong.status_code == 422


async def test_an_unknown_run_is_not_found_everywhere(ana: httpx.AsyncClient) -> None:
    place = f"/v1/runs/{new_id()}"

    for answer in (
        await ana.get(place),
        await ana.get(f"{place}/stream"),
        await ana.get(f"{place}/events"),
        await ana.post(f"{place}/cancel"),
        await ana.post(f"{place}/resume", json={"responses": [{"interrupt_id": "x"}]}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.requirement("RT-34")
async def test_a_rating_is_kept_of_what_counts_and_is_the_owners(
    house: House, ana: httpx.AsyncClient
) -> None:
    prefer = {"prefer": "wait=5"}
    run = (await ana.post("/v1/runs", json={"input": "count it"}, headers=prefer)).json()
    rating = f"/v1/runs/{run['run_id']}/rating"

    said = await ana.post(rating, json={"rating": "bad"})
    odd = await ana.post(rating, json={"rating": "so-so"})
    other = await ana.post(
        rating, json={"rating": "good"}, headers={"authorization": "Bearer chief"}
    )

    book = house.runs.checkpointer.book
    tallies = await book.tallies("acme", "answer", "general", ["direct_response"])
    assert (said.status_code, said.json()) == (200, {"run_id": run["run_id"], "rating": "bad"})
    assert (odd.status_code, other.status_code) == (422, 404)
    assert tallies == {"direct_response": Tally(1, 0)}
