"""Whose a run and a thread is: another's is as absent as none."""

from collections.abc import Awaitable, Callable

import anyio
import httpx
import pytest

from tests.libs.server.door import STORES, House, finished
from weft.core import new_id

Ask = Callable[[httpx.AsyncClient, str, str], Awaitable[httpx.Response]]

ROUTES: dict[str, Ask] = {
    "read": lambda c, run, _: c.get(f"/v1/runs/{run}"),
    "wait": lambda c, run, _: c.get(f"/v1/runs/{run}", headers={"prefer": "wait=1"}),
    "stream": lambda c, run, _: c.get(f"/v1/runs/{run}/stream"),
    "resumed stream": lambda c, run, _: c.get(
        f"/v1/runs/{run}/stream", headers={"last-event-id": "1"}
    ),
    "events": lambda c, run, _: c.get(f"/v1/runs/{run}/events"),
    "cancel": lambda c, run, _: c.post(f"/v1/runs/{run}/cancel"),
    "resume": lambda c, run, _: c.post(
        f"/v1/runs/{run}/resume", json={"responses": [{"interrupt_id": "a" * 32}]}
    ),
    "thread": lambda c, _, thread: c.get(f"/v1/threads/{thread}"),
    "transcript": lambda c, _, thread: c.get(f"/threads/{thread}"),
    "delete": lambda c, _, thread: c.delete(f"/threads/{thread}"),
    "start there": lambda c, _, thread: c.post(
        f"/v1/threads/{thread}/runs", json={"input": "x", "if_not_exists": "reject"}
    ),
}


def _comparable(answer: httpx.Response, *names: str) -> object:
    """Return the answer without what names the request."""
    text = answer.text
    for name in names:
        text = text.replace(name, "…")
    body = httpx.Response(200, text=text).json()
    if isinstance(body, dict):
        body.pop("trace_id", None)
    own = {"content-length", "traceparent"}
    kept = {name: value for name, value in answer.headers.items() if name not in own}
    return answer.status_code, body, kept


@pytest.mark.requirement("AUTH-7", "SEC-19", "SEC-20", "SEC-30")
@pytest.mark.parametrize("who", ["bob", "eve"])
async def test_what_is_anothers_answers_exactly_as_what_is_not_there(
    house: House, ana: httpx.AsyncClient, who: str
) -> None:
    run = (await ana.post("/invoke", json={"prompt": "ask", "thread_id": "anas"})).json()["run_id"]
    stranger, absent = await house.client(who), new_id()

    for route, ask in ROUTES.items():
        if (who, route) == ("bob", "resume"):
            continue  # who may approve in the tenant may answer
        theirs = await ask(stranger, run, "anas")
        nobodys = await ask(stranger, absent, "none")

        assert _comparable(theirs, run, "anas") == _comparable(nobodys, absent, "none")
        assert theirs.status_code == (200 if route == "delete" else 404)
    assert (await ana.get("/threads/anas")).status_code == 200
    assert (await ana.get(f"/v1/runs/{run}")).json()["status"] == "interrupted"


@STORES
@pytest.mark.requirement("GW-1", "SEC-21")
async def test_one_thread_id_of_two_subjects_names_two_threads(
    house: House,
) -> None:
    people = {who: await house.client(who) for who in ("ana", "bob", "eve")}

    for number in range(5):
        for who, client in people.items():
            body = {"prompt": f"{who} {number}", "thread_id": "shared"}
            assert (await client.post("/invoke", json=body)).json()["success"] is True

    for who, client in people.items():
        messages = (await client.get("/threads/shared")).json()["messages"]
        said = [message["content"] for message in messages if message["role"] == "user"]
        assert said == [f"{who} {number}" for number in range(5)]


@pytest.mark.requirement("SEC-31")
async def test_two_keys_interleaved_on_one_thread_id_stay_disjoint(house: House) -> None:
    people = {who: await house.client(who) for who in ("ana", "bob")}

    async def talk(who: str) -> None:
        for number in range(200):
            body = {"prompt": f"{who} {number}", "thread_id": "shared"}
            answer = (await people[who].post("/invoke", json=body)).json()
            assert answer["message"] == f"echo: {who} {number}"

    async with anyio.create_task_group() as tasks:
        for who in people:
            tasks.start_soon(talk, who)

    for who, client in people.items():
        messages = (await client.get("/threads/shared")).json()["messages"]
        said = [message["content"] for message in messages if message["role"] == "user"]
        assert said == [f"{who} {number}" for number in range(200)]


@STORES
@pytest.mark.requirement("SEC-22")
async def test_a_thread_id_that_spells_another_subject_stays_ones_own(
    house: House, ana: httpx.AsyncClient
) -> None:
    bob = await house.client("bob")
    await ana.post("/invoke", json={"prompt": "hello", "thread_id": "x"})

    for name in ("ana:x", "acme:ana:x"):
        assert (await bob.post("/invoke", json={"prompt": "hi", "thread_id": name})).is_success
        assert (await bob.get("/threads/x")).status_code == 404
        assert len((await bob.get(f"/threads/{name}")).json()["messages"]) == 2


@STORES
@pytest.mark.requirement("SEC-38")
async def test_anothers_idempotency_key_makes_ones_own_run(
    house: House, ana: httpx.AsyncClient
) -> None:
    bob = await house.client("bob")
    key = {"idempotency-key": "k"}

    mine = await ana.post("/v1/runs", json={"input": "one"}, headers=key)
    theirs = await bob.post("/v1/runs", json={"input": "two"}, headers=key)

    assert mine.json()["run_id"] != theirs.json()["run_id"]
    assert (await finished(bob, theirs.json()["run_id"]))["output"] is not None
    assert "idempotency-replayed" not in theirs.headers


@pytest.mark.requirement("AUTH-9")
async def test_a_missing_scope_is_named(house: House) -> None:
    reader = await house.client("reader")

    answer = await reader.post("/v1/runs", json={"input": "x"})
    deleted = await reader.delete("/threads/x")

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.json()["required_scope"] == "runs:write"
    assert deleted.json()["required_scope"] == "threads:write"


@pytest.mark.requirement("AUTH-9")
async def test_an_agent_outside_ones_scopes_does_not_exist(house: House) -> None:
    caller = await house.client("caller")

    refused = await caller.post("/v1/runs", json={"input": "x", "agent": "logs"})
    unknown = await caller.post("/v1/runs", json={"input": "x", "agent": "nope"})
    allowed = await caller.post("/v1/runs", json={"input": "x", "agent": "metrics"})

    for answer in (refused, unknown):
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_agent")
    assert "logs" not in refused.json()["detail"].replace("'logs'", "")
    assert allowed.status_code == 202


@pytest.mark.requirement("AUTH-5", "SEC-1", "SEC-2", "SEC-3", "SEC-4", "SEC-7", "SEC-8")
async def test_without_a_good_credential_every_route_says_the_same(house: House) -> None:
    nobody = await house.client(None)
    credentials = [
        None, b"Basic YW5hOmFuYQ==", b"Bearer", b"Bearer ", b"Bearer \xfcn", b"Bearer ana2",
        b"Bearer ana x", b"ana",
    ]  # fmt: skip
    places = [
        "POST /invoke", "POST /v1/runs", "GET /v1/me", "GET /nope", "GET /openapi.json",
        "GET /v1/me?key=ana", "GET /v1/me?authorization=Bearer%20ana", "GET /docs",
    ]  # fmt: skip

    for credential in credentials:
        for place in places:
            method, path = place.split()
            sent = [] if credential is None else [(b"authorization", credential)]
            answer = await nobody.request(method, path, headers=sent)

            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            problem = answer.json()
            assert problem["code"] == "unauthenticated"
            assert problem["detail"] == "this needs a valid bearer credential"


async def test_health_needs_no_credential_and_me_says_who_asks(house: House) -> None:
    nobody, ana = await house.client(None), await house.client("ana")

    health, me = await nobody.get("/health"), await ana.get("/v1/me")

    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert (me.json()["tenant"], me.json()["subject"], me.json()["kind"]) == ("acme", "ana", "key")
