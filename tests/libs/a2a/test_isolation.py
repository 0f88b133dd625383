"""Callers are told apart by tenant and subject: what is another's looks like nothing at all."""

import asyncio
import json
from collections.abc import AsyncIterator

import anyio
import pytest

from tests.libs.a2a.harness import CARD, Mesh, ScriptedPeer, ScriptedRun, Served, agent, message
from weft.a2a.server import A2AServer
from weft.core import JsonObject, Result, new_id
from weft.core.errors import ConfigError
from weft.events import Event

ABSENT = "e" * 32


async def waits(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    await run.go.wait()
    yield Result(status="completed", text="secret of alice")


async def raw(
    served: Served, method: str, params: JsonObject, headers: dict[str, str]
) -> tuple[int, bytes]:
    body: JsonObject = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with await served.post(body, headers) as response:
        return response.status, await response.read()


def operations(task_id: str) -> dict[str, JsonObject]:
    return {
        "GetTask": {"id": task_id},
        "CancelTask": {"id": task_id},
        "SubscribeToTask": {"id": task_id},
        "SendMessage": message("hi", message_id="a" * 32, taskId=task_id),
        "SendStreamingMessage": message("hi", message_id="a" * 32, taskId=task_id),
    }


@pytest.mark.requirement("A2A-26")
@pytest.mark.parametrize(
    "method",
    [
        pytest.param("GetTask", marks=pytest.mark.requirement("SEC-23")),
        pytest.param("CancelTask", marks=pytest.mark.requirement("SEC-25")),
        pytest.param("SubscribeToTask", marks=pytest.mark.requirement("SEC-26")),
        pytest.param("SendMessage", marks=pytest.mark.requirement("SEC-27")),
        "SendStreamingMessage",
    ],
)
@pytest.mark.parametrize(("subject", "tenant"), [("bob", "t"), ("alice", "other")])
async def test_anothers_task_answers_in_the_same_bytes_as_none(
    method: str, subject: str, tenant: str
) -> None:
    mesh, peer = Mesh(), ScriptedPeer(waits)
    async with agent(peer, mesh=mesh) as served:
        at_once: JsonObject = {"configuration": {"returnImmediately": True}}
        sent = {**message("mine"), **at_once}
        made = await served.call("SendMessage", sent, mesh.bearer("alice"))
        task_id = made["result"]["task"]["id"]
        stranger = mesh.bearer(subject, tenant)

        foreign = await raw(served, method, operations(task_id)[method], stranger)
        absent = await raw(served, method, operations(ABSENT)[method], stranger)
        peer.go.set()
        kept = await served.call("GetTask", {"id": task_id}, mesh.bearer("alice"))

    assert foreign == absent
    assert json.loads(foreign[1])["error"]["code"] == -32001
    assert kept["result"]["id"] == task_id


@pytest.mark.requirement("A2A-47")
@pytest.mark.requirement("SEC-29")
async def test_a_context_id_belongs_to_who_uses_it() -> None:
    mesh, peer = Mesh(), ScriptedPeer()
    async with agent(peer, mesh=mesh) as served:
        same = [
            await served.call("SendMessage", message("a", contextId="ours"), mesh.bearer(name))
            for name in ("alice", "bob")
        ]

    assert [each["result"]["task"]["contextId"] for each in same] == ["ours", "ours"]
    assert len({each["result"]["task"]["id"] for each in same}) == 2


@pytest.mark.requirement("A2A-22")
async def test_a_message_id_is_unique_per_caller_only() -> None:
    mesh, peer, used = Mesh(), ScriptedPeer(), new_id()
    async with agent(peer, mesh=mesh) as served:
        for name in ("alice", "bob", "alice"):
            await served.call("SendMessage", message("a", message_id=used), mesh.bearer(name))

    assert len(peer.runs) == 2


@pytest.mark.requirement("A2A-61")
async def test_another_tenant_in_the_request_is_refused() -> None:
    mesh = Mesh()
    async with agent(mesh=mesh) as served:
        own = {**message("a"), "tenant": "t"}
        other = {**message("a"), "tenant": "other"}
        taken = await served.call("SendMessage", own, mesh.bearer())
        refused = await served.call("SendMessage", other, mesh.bearer())

    assert "result" in taken
    assert refused["error"]["code"] == -32602


async def test_without_a_token_nothing_is_served_but_the_card() -> None:
    mesh, peer = Mesh(), ScriptedPeer()
    async with agent(peer, mesh=mesh) as served:
        body: JsonObject = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {}}
        for headers in ({}, {"authorization": "Basic eDp5"}, {"authorization": "Bearer "}):
            async with await served.post(body, headers) as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"] == "Bearer"
                assert (await response.json())["error"]["data"][0]["reason"] == "UNAUTHENTICATED"
        async with served.session.get(served.url + ".well-known/agent-card.json") as card:
            assert card.status == 200


@pytest.mark.requirement("A2A-64")
async def test_a_replayed_token_finds_the_task_it_made() -> None:
    mesh, peer = Mesh(), ScriptedPeer()
    bearer, sent = mesh.bearer(), message("once")
    async with agent(peer, mesh=mesh) as served:
        answers = [await served.call("SendMessage", sent, bearer) for _ in range(2)]

    assert answers[0]["result"]["task"]["id"] == answers[1]["result"]["task"]["id"]
    assert len(peer.runs) == 1


@pytest.mark.requirement("A2A-62")
async def test_without_an_authenticator_only_loopback_is_bound_and_answered() -> None:
    mesh = Mesh()
    async with agent() as served, agent(mesh=mesh) as guarded:
        for host in ("127.0.0.1", "::1", "localhost"):
            served.server.check_bind(host)
        for host in ("0.0.0.0", "10.0.0.1", "::", "example.com"):  # noqa: S104 - never bound
            with pytest.raises(ConfigError, match="loopback only"):
                served.server.check_bind(host)
            guarded.server.check_bind(host)
        status = await status_for(served.server, client="10.0.0.7")

    assert status == 401


@pytest.mark.requirement("A2A-62", "SEC-71")
async def test_without_an_authenticator_only_the_names_of_this_machine_are_answered_to() -> None:
    async with agent() as served:
        for host in ("127.0.0.1:80", "localhost", "[::1]:9", "LOCALHOST:1"):
            answer = await served.call("SendMessage", message("hi"), {"host": host})
            assert "result" in answer, host
        heard = len(served.peer.runs)
        for host in ("evil.example", "localhost.evil.example:80", "10.0.0.7", "[::1", ""):
            answer = await served.call("SendMessage", message("hi"), {"host": host})
            assert answer["error"]["data"][0]["metadata"] == {"code": "invalid_host"}, host

    assert len(served.peer.runs) == heard


async def status_for(server: A2AServer, *, client: str) -> int:
    """Return what a caller from another machine is answered."""
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"{}"}

    async def send(told: object) -> None:
        await asyncio.sleep(0)
        assert isinstance(told, dict)
        sent.append(told)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [],
        "client": (client, 1),
    }
    with anyio.fail_after(5):
        await server.app()(scope, receive, send)
    status = sent[0]["status"]
    assert isinstance(status, int)
    return status


def test_the_card_of_these_tests_names_the_audience() -> None:
    assert CARD.name == "echo"
