"""One key, one run, whatever is repeated."""

from contextlib import aclosing

import anyio
import httpx
import pytest

from tests.libs.server.door import STORES, House, finished, frames, opened
from weft.checkpoint import Checkpointer, Faults
from weft.checkpoint.memory import memory_checkpointer
from weft.core.errors import StoreUnavailableError

KEY = {"idempotency-key": "order-66"}


@STORES
@pytest.mark.requirement("IDEM-1", "IDEM-5")
async def test_fifty_duplicates_over_two_replicas_make_one_run(
    house: House, ana: httpx.AsyncClient, checkpointer: Checkpointer
) -> None:
    answers: list[httpx.Response] = []

    async with opened(checkpointer) as other:
        another = await other.client("ana")

        async def ask(client: httpx.AsyncClient) -> None:
            body = {"input": "once", "thread_id": "t"}
            answers.append(await client.post("/v1/runs", json=body, headers=KEY))

        async with anyio.create_task_group() as tasks:
            for client in (ana, another) * 25:
                tasks.start_soon(ask, client)
        await finished(ana, answers[0].json()["run_id"])

        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["run_id"] for answer in answers}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
        assert house.script.executed + other.script.executed == ["once"]


@STORES
@pytest.mark.requirement("IDEM-2")
async def test_a_repeat_gets_the_same_run_however_it_asks(
    house: House, ana: httpx.AsyncClient
) -> None:
    first = await ana.post("/invoke", json={"prompt": "once"}, headers=KEY)
    run_id = first.json()["run_id"]

    invoked = await ana.post("/invoke", json={"prompt": "once"}, headers=KEY)
    posted = await ana.post("/v1/runs", json={"input": "once"}, headers=KEY)
    sse = {**KEY, "accept": "text/event-stream"}
    streamed = await ana.post("/v1/runs", json={"input": "once"}, headers=sse)
    resumed = await ana.post(
        "/v1/runs", json={"input": "once"}, headers={**sse, "last-event-id": "2"}
    )

    assert first.headers["idempotency-key"] == "order-66"
    assert "idempotency-replayed" not in first.headers
    for answer in (invoked, posted, streamed, resumed):
        assert answer.headers["idempotency-replayed"] == "true"
    assert invoked.json()["message"] == "echo: once"
    assert posted.json()["run_id"] == run_id
    assert [frame.id for frame in frames(streamed.text)] == [1, 2, None, 3]
    assert [frame.id for frame in frames(resumed.text)] == [None, 3]
    assert house.script.executed == ["once"]


@pytest.mark.requirement("IDEM-3")
@pytest.mark.parametrize(
    "other",
    [
        {"input": "twice"},
        {"input": "once", "thread_id": "t"},
        {"input": "once", "metadata": {"a": "b"}},
        {"input": "once", "budget": {"tokens": 5}},
        {"input": "once", "timeout_s": 9.5},
    ],
)
async def test_a_key_is_not_taken_for_another_request(
    ana: httpx.AsyncClient, other: dict[str, object]
) -> None:
    await ana.post("/v1/runs", json={"input": "once"}, headers=KEY)

    answer = await ana.post("/v1/runs", json=other, headers=KEY)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_spelled_out_defaults_and_remaining_time_make_no_other_request(
    ana: httpx.AsyncClient,
) -> None:
    first = await ana.post("/v1/runs", json={"input": "once"}, headers=KEY)
    same = {
        "input": "once", "thread_id": None, "if_not_exists": "create", "agent": None,
        "goal": None, "protocol": None, "on_conflict": "reject", "on_disconnect": "continue",
        "budget": {"tokens": None, "cost_usd": None, "calls": None}, "timeout_s": None,
        "interrupt_ttl_s": 86400, "webhook_id": None, "metadata": {},
    }  # fmt: skip

    again = await ana.post("/v1/runs", json=same, headers={**KEY, "weft-timeout-ms": "1234"})

    assert again.json()["run_id"] == first.json()["run_id"]


@STORES
@pytest.mark.requirement("IDEM-4")
async def test_a_repeat_is_found_before_its_thread_is_busy(
    ana: httpx.AsyncClient,
) -> None:
    body = {"input": "hold", "thread_id": "t"}
    first = await ana.post("/v1/runs", json=body, headers=KEY)

    again = await ana.post("/v1/runs", json=body, headers=KEY)
    other = await ana.post("/v1/runs", json=body)

    assert again.json()["run_id"] == first.json()["run_id"]
    assert other.status_code == 409


@STORES
@pytest.mark.requirement("IDEM-6")
async def test_a_refused_request_leaves_its_key_unused(
    ana: httpx.AsyncClient,
) -> None:
    await ana.post("/v1/runs", json={"input": "hold", "thread_id": "t"})
    body = {"input": "later", "thread_id": "t"}
    busy = await ana.post("/v1/runs", json=body, headers=KEY)
    unknown = await ana.post("/v1/runs", json={**body, "agent": "nope"}, headers=KEY)

    accepted = await ana.post("/v1/runs", json={"input": "free"}, headers=KEY)

    assert (busy.status_code, unknown.status_code, accepted.status_code) == (409, 422, 202)
    assert "idempotency-replayed" not in accepted.headers


class Down(Faults):
    """Loses what every commit would keep, once told to."""

    down = False

    def before_commit(self) -> None:
        if self.down:
            raise StoreUnavailableError("the database is away")


@pytest.mark.requirement("GW-11", "IDEM-8")
async def test_nothing_is_answered_with_success_that_the_store_did_not_take() -> None:
    faults = Down()
    async with aclosing(memory_checkpointer(faults=faults)) as store, opened(store) as house:
        ana = await house.client("ana")
        faults.down = True

        for path, body in (("/v1/runs", {"input": "x"}), ("/invoke", {"prompt": "x"})):
            answer = await ana.post(path, json=body, headers=KEY)
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
            assert int(answer.headers["retry-after"]) in range(1, 6)

        faults.down = False
        assert house.script.executed == []
        again = await ana.post("/invoke", json={"prompt": "y"}, headers=KEY)
        assert again.json()["message"] == "echo: y"


@pytest.mark.requirement("IDEM-9")
@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 129, "k\u00e9y", "a\tb"])
async def test_a_malformed_key_is_refused(ana: httpx.AsyncClient, key: str) -> None:
    sent = {"idempotency-key": key.encode("latin-1")}

    answer = await ana.post("/v1/runs", json={"input": "x"}, headers=sent)  # type: ignore[arg-type]

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")


async def test_the_server_makes_a_key_where_none_came(ana: httpx.AsyncClient) -> None:
    first = await ana.post("/v1/runs", json={"input": "x"})
    key = {"idempotency-key": first.headers["idempotency-key"]}

    again = await ana.post("/v1/runs", json={"input": "x"}, headers=key)

    assert again.json()["run_id"] == first.json()["run_id"]
