"""HTTP+JSON over a real socket: the same operations as JSON-RPC, in its own form."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import pytest
from a2a.client import ClientConfig, ClientFactory
from a2a.helpers import new_text_message
from a2a.types import GetTaskRequest, Role, SendMessageRequest, TaskState

from tests.libs.a2a.harness import Mesh, ScriptedPeer, ScriptedRun, Served, agent, message
from weft.a2a.wire.extensions import BUDGET, EVENTS
from weft.core import Interrupt, JsonObject, JsonValue, Result, new_id
from weft.events import Event

JSON = "application/a2a+json"


async def asked(
    served: Served,
    method: str,
    path: str,
    body: JsonValue | bytes = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """Return the status and the JSON of an answer."""
    sent = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    kind = {"content-type": JSON} if sent else {}
    url = served.url.rstrip("/") + path
    async with served.session.request(
        method, url, data=sent, headers={**kind, **(headers or {})}
    ) as response:
        assert response.content_type == JSON, await response.text()
        return response.status, await response.json(content_type=JSON)


async def events(response: aiohttp.ClientResponse) -> list[tuple[int | None, JsonObject]]:
    """Return the numbers and the values of a whole stream."""
    assert response.content_type == "text/event-stream", await response.text()
    numbered: list[tuple[int | None, JsonObject]] = []
    for block in (await response.text()).split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if line and line[0] != ":")
        if "data" in lines:
            number = int(lines["id"]) if "id" in lines else None
            numbered.append((number, json.loads(lines["data"])))
    return numbered


async def waits(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    if run.task.prompt == "ask" and not run.task.answers:
        question = Interrupt(id="q", reason="question", message="Which one?")
        yield Result(status="interrupted", interrupts=(question,))
        return
    if run.task.prompt == "wait":
        await run.go.wait()
    yield Result(status="completed", text=f"echo: {run.task.prompt}")


@asynccontextmanager
async def patient() -> AsyncIterator[Served]:
    async with agent(ScriptedPeer(waits)) as served:
        yield served


def bare(value: Any) -> Any:  # noqa: ANN401 - a test looks at JSON as it comes
    """Return the value without what differs between two tasks."""
    if isinstance(value, dict):
        ids = {"id", "taskId", "contextId", "messageId", "artifactId", "timestamp"}
        return {name: bare(member) for name, member in value.items() if name not in ids}
    return [bare(entry) for entry in value] if isinstance(value, list) else value


async def test_both_bindings_give_equal_results() -> None:
    async with patient() as served:
        rpc = (await served.call("SendMessage", message("hello")))["result"]
        status, rest = await asked(served, "POST", "/message:send", message("hello"))
        task_id = rest["task"]["id"]
        read = await asked(served, "GET", f"/tasks/{task_id}?historyLength=0")
        read_by_rpc = await served.call("GetTask", {"id": task_id, "historyLength": 0})

    assert status == 200
    assert bare(rest) == bare(rpc)
    assert read == (200, read_by_rpc["result"])
    assert "history" not in read[1]


async def test_both_bindings_give_equal_streams() -> None:
    async with patient() as served:
        stream = await served.stream("SendStreamingMessage", message("hello"))
        by_rpc = await stream.all()
        async with served.session.post(
            served.url + "message:stream", json=message("hello")
        ) as response:
            by_http = await events(response)

    assert [bare(value) for _, value in by_http] == [bare(value) for _, value in by_rpc]
    assert [number for number, _ in by_http] == [number for number, _ in by_rpc]


@pytest.mark.requirement("A2A-5")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("body", [None, b"null", b"{}", b"  "])
async def test_a_subscription_by_get_or_post_and_a_cancel_with_nothing_in_its_body(
    method: str, body: bytes | None
) -> None:
    async with patient() as served:
        at_once: JsonObject = {**message("wait"), "configuration": {"returnImmediately": True}}
        _, sent = await asked(served, "POST", "/message:send", at_once)
        task_id = sent["task"]["id"]
        async with served.session.request(
            method, f"{served.url}tasks/{task_id}:subscribe"
        ) as subscription:
            status, canceled = await asked(served, "POST", f"/tasks/{task_id}:cancel", body)
            shown = await events(subscription)

    assert (status, canceled["status"]["state"]) == (200, "TASK_STATE_CANCELED")
    assert canceled["id"] == task_id
    states = [value["statusUpdate"]["status"]["state"] for _, value in shown[-1:]]  # type: ignore[index,call-overload]
    assert states == ["TASK_STATE_CANCELED"]


async def test_what_was_missed_of_a_stream_comes_after_its_last_event_id() -> None:
    async with patient() as served:
        async with served.session.post(served.url + "message:stream", json=message("a")) as first:
            whole = await events(first)
        task_id = whole[0][1]["task"]["id"]  # type: ignore[index,call-overload]
        cursor = {"Last-Event-ID": str(whole[-1][0])}
        numbers = [number for number, _ in whole]
        begun = next(place for place, number in enumerate(numbers) if number is not None)
        async with served.session.get(
            f"{served.url}tasks/{task_id}:subscribe", headers={"Last-Event-ID": str(numbers[begun])}
        ) as rest:
            missed = await events(rest)
        async with served.session.get(
            f"{served.url}tasks/{task_id}:subscribe", headers=cursor
        ) as nothing:
            assert await events(nothing) == []

    assert missed == whole[begun + 1 :]


@pytest.mark.requirement("A2A-39")
@pytest.mark.parametrize("kind", [JSON, "application/json", "application/json; charset=utf-8"])
async def test_a_body_is_json_by_either_name(kind: str) -> None:
    async with patient() as served:
        status, sent = await asked(
            served, "POST", "/message:send", message("a"), {"content-type": kind}
        )

    assert (status, sent["task"]["status"]["state"]) == (200, "TASK_STATE_COMPLETED")


@pytest.mark.requirement("A2A-39")
async def test_another_type_of_body_is_refused_as_one_on_both_bindings() -> None:
    async with patient() as served:
        kind = {"content-type": "text/plain"}
        status, refused = await asked(served, "POST", "/message:send", message("a"), kind)
        async with await served.post(message("a"), kind) as response:
            by_rpc = await response.json()

    assert (status, refused["error"]["code"]) == (400, 400)
    assert refused["error"]["details"][0]["reason"] == "CONTENT_TYPE_NOT_SUPPORTED"
    assert by_rpc["error"]["data"][0]["reason"] == "CONTENT_TYPE_NOT_SUPPORTED"


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "status", "reason"),
    [
        ("GET", "/tasks/none", None, 404, "NOT_FOUND", "TASK_NOT_FOUND"),
        ("POST", "/tasks/none:cancel", None, 404, "NOT_FOUND", "TASK_NOT_FOUND"),
        ("GET", "/tasks/none:subscribe", None, 404, "NOT_FOUND", "TASK_NOT_FOUND"),
        ("POST", "/message:send", b"{", 400, "INVALID_ARGUMENT", "PARSE_ERROR"),
        ("POST", "/message:send", b"[]", 400, "INVALID_ARGUMENT", "INVALID_PARAMS"),
        ("POST", "/message:send", {}, 400, "INVALID_ARGUMENT", "INVALID_PARAMS"),
        ("GET", "/tasks/x?historyLength=-1", None, 400, "INVALID_ARGUMENT", "INVALID_PARAMS"),
        ("GET", "/other/tasks/none", None, 400, "INVALID_ARGUMENT", "INVALID_PARAMS"),
        ("GET", "/extendedAgentCard", None, 400, "FAILED_PRECONDITION", "UNSUPPORTED_OPERATION"),
        (
            "POST", "/tasks/x/pushNotificationConfigs", {}, 400,
            "FAILED_PRECONDITION", "PUSH_NOTIFICATION_NOT_SUPPORTED",
        ),
        ("GET", "/nothing/of/the/kind", None, 404, "UNIMPLEMENTED", "METHOD_NOT_FOUND"),
        ("DELETE", "/tasks/x", None, 405, "UNIMPLEMENTED", "METHOD_NOT_FOUND"),
    ],
)  # fmt: skip
async def test_an_error_has_a_status_a_name_and_a_reason(
    method: str, path: str, body: JsonValue | bytes, code: int, status: str, reason: str
) -> None:
    async with patient() as served:
        given, answer = await asked(served, method, path, body)

    error = answer["error"]
    assert (given, error["code"], error["status"]) == (code, code, status)
    assert error["details"][0]["reason"] == reason
    assert error["details"][0]["domain"] == "a2a-protocol.org"
    assert error["message"]


async def test_the_path_may_name_the_callers_own_tenant() -> None:
    mesh = Mesh()
    async with agent(mesh=mesh) as served:
        own = await asked(served, "POST", "/t/message:send", message("a"), mesh.bearer())
        other = await asked(served, "POST", "/u/message:send", message("a"), mesh.bearer())

    assert own[0] == 200
    assert other[1]["error"]["details"][0]["reason"] == "INVALID_PARAMS"


async def test_a_version_that_is_not_served_is_refused_on_every_route() -> None:
    async with patient() as served:
        by_header = await asked(served, "GET", "/tasks/x", None, {"a2a-version": "9.0"})
        by_query = await asked(served, "GET", "/tasks/x?A2A-Version=9.0")
        served_one = await asked(served, "GET", "/tasks/x?A2A-Version=1.0.7")

    for status, answer in (by_header, by_query):
        assert status == 400
        details = answer["error"]["details"][0]
        assert details["reason"] == "VERSION_NOT_SUPPORTED"
        assert details["metadata"]["supportedVersions"] == "1.0"
    assert served_one[1]["error"]["details"][0]["reason"] == "TASK_NOT_FOUND"


async def test_callers_are_told_apart_as_on_the_other_binding() -> None:
    mesh = Mesh()
    async with agent(mesh=mesh) as served:
        made = await served.call("SendMessage", message("mine"), mesh.bearer("alice"))
        task_id = made["result"]["task"]["id"]
        own = await asked(served, "GET", f"/tasks/{task_id}", None, mesh.bearer("alice"))
        foreign = await asked(served, "GET", f"/tasks/{task_id}", None, mesh.bearer("bob"))
        absent = await asked(served, "GET", f"/tasks/{new_id()}", None, mesh.bearer("bob"))
        nobody, refused = await asked(served, "GET", f"/tasks/{task_id}")
        bound = mesh.bearer_with(body="a-digest-of-another-body")
        replayed, _ = await asked(served, "GET", f"/tasks/{task_id}", None, bound)

    assert own[0] == 200
    assert foreign == absent
    assert (nobody, replayed) == (401, 401)
    assert refused["error"]["status"] == "UNAUTHENTICATED"


@pytest.mark.requirement("A2A-41")
async def test_the_card_lists_both_bindings_on_its_own_origin() -> None:
    async with (
        patient() as served,
        served.session.get(served.url + ".well-known/agent-card.json") as card,
    ):
        interfaces = (await card.json())["supportedInterfaces"]

    # Clients of 0.3 find theirs behind those of 1.0.
    assert [(entry["protocolBinding"], entry["protocolVersion"]) for entry in interfaces] == [
        ("JSONRPC", "1.0"),
        ("HTTP+JSON", "1.0"),
        ("JSONRPC", "0.3"),
    ]
    assert {entry["url"] for entry in interfaces} == {served.url}


async def test_the_reference_client_speaks_it() -> None:
    async with patient() as served, httpx.AsyncClient(timeout=20) as http:
        config = ClientConfig(httpx_client=http, supported_protocol_bindings=["HTTP+JSON"])
        client = await ClientFactory(config).create_from_url(served.url)
        sent = SendMessageRequest(message=new_text_message("ask", role=Role.ROLE_USER))
        first = [event async for event in client.send_message(sent)]
        answer = new_text_message("that", role=Role.ROLE_USER)
        answer.task_id = first[0].task.id
        second = [event async for event in client.send_message(SendMessageRequest(message=answer))]
        task = await client.get_task(GetTaskRequest(id=first[0].task.id))

    assert first[-1].status_update.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
    assert second[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
    assert task.status.state == TaskState.TASK_STATE_COMPLETED
    assert [message.role for message in task.history][:1] == [Role.ROLE_USER]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (['"none", W/{tag}'], 304),
        (['"none"', "{tag}"], 304),
        (["*"], 304),
        (['"none"'], 200),
        (['W/"none", "x"'], 200),
    ],
)
async def test_a_card_is_compared_with_every_tag_that_is_named(
    fields: list[str], status: int
) -> None:
    async with patient() as served:
        url = served.url + ".well-known/agent-card.json"
        async with served.session.get(url) as first:
            tag = first.headers["ETag"]
        sent = [("If-None-Match", field.replace("{tag}", tag)) for field in fields]
        async with served.session.get(url, headers=sent) as second:
            assert second.status == status


@pytest.mark.requirement("A2A-6")
async def test_extensions_may_stand_on_several_lines_of_the_header() -> None:
    lines = [("A2A-Extensions", BUDGET), ("A2A-Extensions", f"urn:unheard, {EVENTS}")]
    async with patient() as served:
        url = served.url + "message:send"
        async with served.session.post(url, json=message("a"), headers=lines) as answer:
            echoed = answer.headers["A2A-Extensions"]

    assert set(echoed.split(",")) == {BUDGET, EVENTS}
