"""Lists over HTTP: pages, filters, and what is asked wrongly."""

import httpx
import pytest

from tests.libs.server.door import STORES, House, finished
from weft.checkpoint import Checkpointer

pytestmark = STORES


async def made(client: httpx.AsyncClient, *inputs: str, thread: str | None = None) -> list[str]:
    """Return the ids of runs that have ended, oldest first."""
    run_ids = []
    for text in inputs:
        body = {"input": text, "thread_id": thread}
        run = (await client.post("/v1/runs", json=body)).json()
        run_ids.append(str(run["run_id"]))
        await finished(client, run["run_id"])
    return run_ids


@pytest.mark.requirement("GW-40", "SEC-24", "AUTH-7")
async def test_a_callers_runs_come_in_pages_newest_first(
    house: House, ana: httpx.AsyncClient
) -> None:
    run_ids = await made(ana, "one", "two", "three")
    await made(await house.client("bob"), "theirs")
    await made(await house.client("eve"), "theirs, too")

    first = (await ana.get("/v1/runs?limit=2")).json()
    (added,) = await made(ana, "four")
    second = (await ana.get(f"/v1/runs?limit=2&cursor={first['next_cursor']}")).json()

    listed = [run["run_id"] for run in (*first["data"], *second["data"])]
    assert listed == run_ids[::-1]
    assert (first["has_more"], second["has_more"], second["next_cursor"]) == (True, False, None)
    assert next(run["run_id"] for run in (await ana.get("/v1/runs")).json()["data"]) == added
    assert first["data"][0]["output"]["text"] == "echo: three"
    assert first["data"][0]["input_preview"] == "three"
    whole = (await ana.get(f"/v1/runs/{run_ids[0]}")).json()
    assert second["data"][-1] == whole


@pytest.mark.requirement("GW-40")
async def test_runs_are_listed_by_status_thread_and_time(ana: httpx.AsyncClient) -> None:
    mine = await made(ana, "one", thread="t")
    failed = await made(ana, "fail")

    async def listed(query: str) -> list[str]:
        answer = await ana.get(f"/v1/runs?{query}")
        assert answer.status_code == 200, answer.text
        return [run["run_id"] for run in answer.json()["data"]]

    assert await listed("status=failed") == failed
    assert await listed("thread_id=t") == mine
    assert await listed("thread_id=t&status=failed") == []
    assert len(await listed("created_after=2020-01-01T00:00:00Z")) == 2
    assert await listed("created_after=2999-01-01T00:00:00%2B01:00") == []


@pytest.mark.requirement("GW-40")
async def test_threads_are_listed_as_they_began(ana: httpx.AsyncClient, house: House) -> None:
    for thread in ("a", "b", "a"):
        await made(ana, "hello", thread=thread)
    waiting = (await ana.post("/invoke", json={"prompt": "ask", "thread_id": "c"})).json()
    await made(await house.client("bob"), "hello", thread="theirs")

    first = (await ana.get("/v1/threads?limit=1")).json()
    rest = (await ana.get(f"/v1/threads?cursor={first['next_cursor']}")).json()

    assert [each["thread_id"] for each in (*first["data"], *rest["data"])] == ["c", "b", "a"]
    assert first["data"][0]["status"] == "interrupted"
    assert first["data"][0]["active_run_id"] == waiting["run_id"]
    assert rest["data"][0]["status"] == "idle"
    for shown in (*first["data"], *rest["data"]):
        assert shown == (await ana.get(f"/v1/threads/{shown['thread_id']}")).json()


@pytest.mark.requirement("GW-40")
@pytest.mark.parametrize("path", ["/v1/runs", "/v1/threads", "/v1/interrupts"])
@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("limit=0", 422, "invalid_request"),
        ("limit=101", 422, "invalid_request"),
        ("limit=many", 422, "invalid_request"),
        ("colour=red", 422, "invalid_request"),
        ("user=ana", 422, "invalid_request"),
        ("cursor=", 400, "invalid_cursor"),
        ("cursor=123", 400, "invalid_cursor"),
        ("cursor=%F0%9F%98%80", 400, "invalid_cursor"),
        ("cursor=cA", 400, "invalid_cursor"),
        ("cursor=cC0x", 400, "invalid_cursor"),
    ],
)
async def test_a_list_says_what_it_takes(
    ana: httpx.AsyncClient, path: str, query: str, status: int, code: str
) -> None:
    answer = await ana.get(f"{path}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "query", ["status=done", "created_after=today", "created_after=2026-01-01"]
)
async def test_a_condition_that_is_none_is_refused(ana: httpx.AsyncClient, query: str) -> None:
    answer = await ana.get(f"/v1/runs?{query}")

    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.json()["detail"]


@pytest.mark.requirement("AUTH-9")
async def test_a_list_needs_its_scope(house: House) -> None:
    reader = await house.client("caller")

    assert (await reader.get("/v1/runs")).status_code == 200
    refused = await reader.get("/v1/threads")
    assert (refused.status_code, refused.json()["required_scope"]) == (403, "threads:read")


@pytest.mark.requirement("EV-36", "SSE-6", "RS-24")
async def test_an_old_run_is_still_told_of_and_its_events_are_gone(
    checkpointer: Checkpointer, ana: httpx.AsyncClient
) -> None:
    (run_id,) = await made(ana, "secret", thread="t")
    before = (await ana.get(f"/v1/runs/{run_id}")).json()

    await checkpointer.index.prune(older_s=-1.0, forget_s=3600.0, limit=10)

    run = (await ana.get(f"/v1/runs/{run_id}")).json()
    assert (run["status"], run["success"], run["output"]) == ("completed", True, None)
    assert run["ended_at"] == before["ended_at"]
    assert run["usage"] == before["usage"]
    assert (before["input_preview"], run["input_preview"]) == ("secret", None)
    assert "secret" not in str(run)
    for path in (f"/v1/runs/{run_id}/stream", f"/v1/runs/{run_id}/events"):
        gone = await ana.get(path)
        assert (gone.status_code, gone.json()["code"]) == (410, "events_expired")
        assert gone.json()["run"] == f"/v1/runs/{run_id}"
        assert gone.json()["oldest_seq"] is None
    after = await ana.get(f"/v1/runs/{run_id}/stream?after={run['last_seq']}")
    assert after.status_code == 204
    assert (await ana.get("/v1/threads/t")).status_code == 404
    assert (await ana.get("/v1/threads")).json()["data"] == []
    assert (await ana.get("/v1/runs")).json()["data"] == [run]
    assert (await ana.delete("/v1/threads/t")).json()["deleted"] is True
    assert (await ana.get(f"/v1/runs/{run_id}")).status_code == 404


@pytest.mark.requirement("IDEM-2", "EV-36", "IDEM-7")
async def test_a_late_duplicate_finds_its_old_run_and_starts_no_other(
    house: House, checkpointer: Checkpointer, ana: httpx.AsyncClient
) -> None:
    key = {"idempotency-key": "k1"}
    first = await ana.post("/v1/runs", json={"input": "once"}, headers=key)
    run_id = first.json()["run_id"]
    await finished(ana, run_id)
    await checkpointer.index.prune(older_s=-1.0, forget_s=3600.0, limit=10)

    again = await ana.post("/v1/runs", json={"input": "once"}, headers=key | {"prefer": "wait=5"})
    stream = {"accept": "text/event-stream"}
    streams = [
        await ana.post("/v1/runs", json={"input": "once"}, headers=key | stream),
        await ana.post("/stream", json={"input": "once"}, headers=key),
    ]

    assert again.headers["idempotency-replayed"] == "true"
    assert (again.json()["run_id"], again.json()["status"]) == (run_id, "completed")
    assert [answer.status_code for answer in streams] == [410, 410]
    assert house.script.executed == ["once"]


@pytest.mark.requirement("AUTH-8")
async def test_an_administrator_reads_and_cancels_its_tenant_and_does_nothing_beyond(
    house: House, ana: httpx.AsyncClient
) -> None:
    chief = await house.client("chief")
    (done,) = await made(ana, "one", thread="talk")
    (beyond,) = await made(await house.client("eve"), "theirs")
    held = (await ana.post("/v1/runs", json={"input": "hold"})).json()["run_id"]
    asking = (
        await ana.post("/v1/runs", json={"input": "ask"}, headers={"prefer": "wait=5"})
    ).json()

    listed = (await chief.get("/v1/runs")).json()["data"]
    canceled = await chief.post(f"/v1/runs/{held}/cancel", json={"reason": "too long"})

    assert [run["run_id"] for run in listed] == [asking["run_id"], held, done]
    assert {run["subject"] for run in listed} == {"ana"}
    assert (await chief.get(f"/v1/runs/{done}")).json()["output"]["text"] == "echo: one"
    events = (await chief.get(f"/v1/runs/{done}/events")).json()["data"]
    assert events == (await ana.get(f"/v1/runs/{done}/events")).json()["data"]
    assert (canceled.status_code, canceled.json()["requested_by"]) == (200, "chief")
    threads = (await chief.get("/v1/threads")).json()["data"]
    assert ("talk", "ana") in {(thread["thread_id"], thread["subject"]) for thread in threads}
    (asked, said) = (await chief.get("/threads/talk?subject=ana")).json()["messages"]
    assert (asked["content"], said["content"]) == ("one", "echo: one")
    # Reading is not owning: nothing is begun, answered otherwise or erased in another's name.
    for path in ("", "/events", "/stream", "/interrupts"):
        assert (await chief.get(f"/v1/runs/{beyond}{path}")).status_code == 404, path
    assert (await chief.post(f"/v1/runs/{beyond}/cancel")).status_code == 404
    assert (await chief.get("/v1/threads/talk")).status_code == 404
    assert (await chief.delete("/v1/threads/talk")).json()["deleted"] is False
    bob = await house.client("bob")
    assert (await bob.get("/threads/talk?subject=ana")).status_code == 404
    assert (await bob.get("/v1/runs?subject=ana")).json()["data"] == []
    assert (await bob.get(f"/v1/runs/{done}")).status_code == 404
    answer = {"responses": [{"interrupt_id": asking["interrupts"][0]["id"], "payload": "yes"}]}
    shown = (await chief.post(f"/v1/runs/{asking['run_id']}/resume", json=answer)).json()
    assert set(shown) == {"run_id", "status", "interrupts"}


async def test_runs_are_listed_by_agent(ana: httpx.AsyncClient) -> None:
    body = {"input": "one", "agent": "metrics"}
    sent = (await ana.post("/v1/runs", json=body)).json()["run_id"]
    await made(ana, "two")

    listed = (await ana.get("/v1/runs?agent=metrics")).json()["data"]

    assert [(run["run_id"], run["agent"]) for run in listed] == [(sent, "metrics")]
    assert (await ana.get("/v1/runs?agent=coder")).json()["data"] == []
