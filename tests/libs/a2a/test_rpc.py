"""JSON-RPC over a real socket: what is well-formed, and what is refused in which words."""

import asyncio
from io import BytesIO
from typing import Any

import anyio
import pytest

from tests.libs.a2a.harness import Served, message
from weft.core import JsonObject

GET = b'"method": "GetTask", "params": {"id": "x"}'


async def refused(served: Served, body: bytes, **headers: str) -> dict[str, Any]:
    async with await served.post(body, headers) as response:
        answer: dict[str, Any] = await response.json()
    return {"status": response.status, "id": answer["id"], **answer["error"]}


@pytest.mark.requirement("A2A-40")
@pytest.mark.parametrize(
    ("body", "code", "call_id"),
    [
        (b"{", -32700, None),
        (b"", -32700, None),
        (b"\xff\xfe", -32700, None),
        (b"[1, 2", -32700, None),
        (b"[" * 32, -32700, None),
        (b"\xef\xbb\xbf{}", -32700, None),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "\xff"}', -32700, None),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": NaN}', -32600, None),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": 1e999}', -32600, None),
        (b'{"jsonrpc": "2.0", "id": 1, "id": 1, ' + GET + b"}", -32600, None),
        (b'{"jsonrpc": "2.0", "id": "\\ud800", ' + GET + b"}", -32600, None),
        (b'{"jsonrpc": "2.0", "id": "\\u0000", ' + GET + b"}", -32600, None),
        (b'{"jsonrpc": "2.0", "id": 123456789012345678901, ' + GET + b"}", -32600, None),
        (b"[" * 100_000, -32600, None),
        (b"[" + b"1," * 500_000 + b"1]", -32600, None),
        pytest.param(
            b"[" + b'{"jsonrpc": "2.0"},' * 9_999 + b"{}]", -32600, None,
            marks=pytest.mark.requirement("SEC-92"),
        ),
        (b"null", -32600, None),
        (b'{"jsonrpc": "2.0", ' + GET + b"}", -32600, None),
        pytest.param(
            b'{"jsonrpc": "2.0", "id": {}, ' + GET + b"}", -32600, None,
            marks=pytest.mark.requirement("SEC-93"),
        ),
        pytest.param(
            b'{"jsonrpc": "2.0", "id": 1.5, ' + GET + b"}", -32600, None,
            marks=pytest.mark.requirement("SEC-93"),
        ),
        (b'{"jsonrpc": "2.0", "id": null, ' + GET + b"}", -32600, None),
        (b'{"jsonrpc": "2.0", "id": true, ' + GET + b"}", -32600, None),
        (b'{"jsonrpc": "1.0", "id": 7, ' + GET + b"}", -32600, 7),
        (b'{"id": 7, ' + GET + b"}", -32600, 7),
        (b'{"jsonrpc": "2.0", "id": 7, "method": 3}', -32600, 7),
        (b'{"jsonrpc": "2.0", "id": "q", "method": "NoSuch"}', -32601, "q"),
        (b'{"jsonrpc": "2.0", "id": "q", "method": "tasks/list", "params": {}}', -32601, "q"),
        pytest.param(
            b'{"jsonrpc": "2.0", "id": "q", "method": "__init__"}', -32601, "q",
            marks=pytest.mark.requirement("SEC-94"),
        ),
    ],
)  # fmt: skip
async def test_what_is_no_call_gets_the_code_json_rpc_has_for_it(
    served: Served, body: bytes, code: int, call_id: object
) -> None:
    error = await refused(served, body)

    assert (error["status"], error["code"], error["id"]) == (200, code, call_id)


@pytest.mark.requirement("SEC-95")
@pytest.mark.parametrize("asked", ["9.9", "1.5", "99.0", "0.3", "1.0.x", "nonsense"])
async def test_another_version_is_refused_and_the_served_one_named(
    served: Served, asked: str
) -> None:
    body = b'{"jsonrpc": "2.0", "id": 1, ' + GET + b"}"

    error = await refused(served, body, **{"a2a-version": asked})

    assert error["code"] == -32009
    assert error["data"][0]["reason"] == "VERSION_NOT_SUPPORTED"
    assert error["data"][0]["metadata"]["supportedVersions"] == "1.0"


@pytest.mark.parametrize("asked", ["1.0", "1.0.7", ""])
async def test_only_major_and_minor_count(served: Served, asked: str) -> None:
    body = b'{"jsonrpc": "2.0", "id": 1, ' + GET + b"}"

    error = await refused(served, body, **{"a2a-version": asked})

    assert error["code"] == -32001


async def test_a_refusal_says_what_why_and_where_it_is_specified(served: Served) -> None:
    error = await refused(served, b'{"jsonrpc": "2.0", "id": 1, ' + GET + b"}")

    assert error["data"] == [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "TASK_NOT_FOUND",
            "domain": "a2a-protocol.org",
            "metadata": {"code": "not_found"},
        }
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-encoding": "gzip"},
    ],
)
async def test_another_media_type_is_refused(served: Served, headers: dict[str, str]) -> None:
    error = await refused(served, b"{}", **headers)

    assert error["code"] == -32005


@pytest.mark.requirement("A2A-28")
async def test_a_body_is_read_up_to_its_limit_only(served: Served) -> None:
    sent = 0

    async def endless() -> Any:  # noqa: ANN401 - an async generator of bytes
        nonlocal sent
        while sent < 64 * 1024 * 1024:
            sent += 65_536
            yield b"x" * 65_536

    with anyio.fail_after(5):
        try:
            async with served.session.post(
                served.url, data=endless(), headers={"content-type": "application/json"}
            ) as response:
                assert response.status == 413
        except ConnectionError:
            """The server may hang up on what it does not read."""

    assert sent < 16 * 1024 * 1024
    async with served.session.post(
        served.url,
        data=BytesIO(b" " * (1024 * 1024 + 1)),
        headers={"content-type": "application/json"},
    ) as response:
        assert response.status == 413


@pytest.mark.requirement("A2A-28")
async def test_json_is_nested_up_to_32_deep(served: Served) -> None:
    def nested(depth: int) -> bytes:
        inner = b'{"a":' * depth + b"1" + b"}" * depth
        return b'{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":"x","m":%b}}' % inner

    assert (await refused(served, nested(30)))["code"] == -32001
    assert (await refused(served, nested(31)))["code"] == -32600


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"parts": []}, "message.parts"),
        ({"parts": [{}]}, "message.parts.0"),
        ({"parts": [{"text": "a", "data": {}}]}, "message.parts.0"),
        ({"parts": [{"text": "a", "url": "http://x/"}]}, "message.parts.0"),
        ({"role": "ROLE_BOGUS"}, "message.role"),
        ({"messageId": ""}, "message.messageId"),
        ({"contextId": "a\r\nPUB evil"}, "message.contextId"),
        ({"contextId": "c" * 257}, "message.contextId"),
        ({"metadata": {"tokens": "many"}}, "message.metadata.tokens"),
        ({"metadata": {"seconds": -1}}, "message.metadata.seconds"),
    ],
)
async def test_wrong_params_are_named_by_field(
    served: Served, change: dict[str, Any], field: str
) -> None:
    sent = message("hello", **change)
    headers = {"a2a-extensions": "urn:weft:a2a:budget:v1"}

    error = (await served.call("SendMessage", sent, headers))["error"]

    assert error["code"] == -32602
    assert error["data"][1]["fieldViolations"][0]["field"] == field
    assert served.peer.runs == []


async def test_every_wrong_field_is_named_in_words_of_the_protocol(served: Served) -> None:
    several = (await served.call("SendMessage", message("x", parts=[], role="?")))["error"]
    nothing = await refused(served, b'{"jsonrpc":"2.0","id":1,"method":"GetTask","params":[1]}')

    named = [each["field"] for each in several["data"][1]["fieldViolations"]]
    assert sorted(named) == ["message.parts", "message.role"]
    assert nothing["data"][1]["fieldViolations"] == [
        {"field": "params", "description": "this must be an object"}
    ]
    assert "Request" not in nothing["message"]


async def test_a_part_of_a_type_nobody_declared_is_refused(served: Served) -> None:
    for part in ({"text": "a", "mediaType": "text/html"}, {"raw": "AAAA"}, {"url": "http://x/"}):
        answer = await served.call("SendMessage", message("hello", parts=[dict(part)]))

        assert answer["error"]["code"] == -32005


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("CreateTaskPushNotificationConfig", -32003),
        ("GetTaskPushNotificationConfig", -32003),
        ("ListTaskPushNotificationConfigs", -32003),
        ("DeleteTaskPushNotificationConfig", -32003),
        ("GetExtendedAgentCard", -32004),
        ("ListTasks", -32004),
    ],
)
async def test_what_is_not_served_is_refused_by_name(
    served: Served, method: str, code: int
) -> None:
    assert (await served.call(method, {"taskId": "x"}))["error"]["code"] == code


async def test_a_push_config_with_the_message_is_refused(served: Served) -> None:
    config: JsonObject = {"taskPushNotificationConfig": {"url": "https://example.com/hook"}}

    answer = await served.call("SendMessage", {**message("hello"), "configuration": config})

    assert answer["error"]["code"] == -32003
    assert served.peer.runs == []


async def test_extensions_in_force_are_echoed_and_unknown_ones_ignored(served: Served) -> None:
    asked = "urn:other:v1, urn:weft:a2a:events:v1,urn:weft:a2a:budget:v1"
    body: JsonObject = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "SendMessage",
        "params": message("hello"),
    }

    async with await served.post(body, {"a2a-extensions": asked}) as response:
        echoed = response.headers["A2A-Extensions"]

    assert echoed == "urn:weft:a2a:budget:v1,urn:weft:a2a:events:v1"


async def test_a_bug_shows_an_id_and_nothing_of_itself(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def explode(*_: object) -> None:
        await asyncio.sleep(0)
        raise RuntimeError("SELECT secret FROM keys")

    monkeypatch.setattr(served.server.tasks, "read", explode)

    error = (await served.call("GetTask", {"id": "x"}))["error"]

    assert error["code"] == -32603
    assert "secret" not in str(error)
    correlation = error["data"][0]["metadata"]["correlationId"]
    assert any(getattr(record, "correlation_id", "") == correlation for record in caplog.records)
