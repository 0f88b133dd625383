"""The scripted server itself: what it refuses, how it matches, and that it runs on its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from weft.models import get_model
from weft.testing.model_contract import ASKED, LOOKUP
from weft.testing.openai_script import When, WireCall, WireReply
from weft.testing.openai_server import ScriptedOpenAIServer

USER = {"role": "user", "content": "hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "ok"}
FINE = {"model": "gpt-4o", "messages": [USER]}


async def post(
    server: ScriptedOpenAIServer, body: object, *, key: str = "k", path: str = "/chat/completions"
) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession(headers={"authorization": f"Bearer {key}"} if key else {}) as session,
        session.post(f"{server.base_url}{path}", json=body) as response,
    ):
        return response.status, await response.json()


def schema(**fields: object) -> dict[str, Any]:
    wanted = {"name": "r", "strict": True, "schema": {"type": "object", **fields}}
    return {**FINE, "response_format": {"type": "json_schema", "json_schema": wanted}}


@pytest.mark.requirement("MOD-31")
@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"messages": [USER]}, "model"),
        ({**FINE, "messages": []}, "messages"),
        ({**FINE, "messages": [{"role": "robot", "content": "x"}]}, "messages.[0].role"),
        ({**FINE, "messages": [{"role": "user", "content": None}]}, "messages.[0].content"),
        ({**FINE, "messages": [{"role": "assistant", "content": None}]}, "messages.[0].content"),
        ({**FINE, "messages": [USER, CALLING]}, "messages"),
        ({**FINE, "messages": [USER, CALLING, USER]}, "messages.[2]"),
        ({**FINE, "messages": [USER, CALLING, RESULT, RESULT]}, "messages.[3]"),
        ({**FINE, "messages": [USER, RESULT]}, "messages.[1]"),
        ({**FINE, "tools": []}, "tools"),
        ({**FINE, "tool_choice": "auto"}, "tool_choice"),
        (
            {**FINE, "tools": [{"type": "function", "function": {"name": "a b"}}]},
            "tools[0].function.name",
        ),
        (
            {**FINE, "tools": [{"function": {"name": "f", "parameters": {"type": "string"}}}]},
            "tools[0].function.parameters",
        ),
        (schema(properties={"a": {}}, required=[]), "response_format.json_schema.schema"),
        ({**FINE, "stream_options": {"include_usage": True}}, "stream_options"),
        ({**FINE, "max_tokens": 0}, "max_tokens"),
    ],
)
async def test_a_wrong_request_is_refused_as_the_service_would(
    body: object, parameter: str
) -> None:
    async with ScriptedOpenAIServer(["never"]) as server:
        status, answer = await post(server, body)

        assert (status, answer["error"]["param"]) == (400, parameter)
        assert server.script.unused == 1


@pytest.mark.requirement("MOD-31")
@pytest.mark.parametrize(
    "body",
    [
        FINE,
        {**FINE, "messages": [USER, CALLING, RESULT, USER]},
        schema(properties={"a": {}}, required=["a"], additionalProperties=False),
    ],
)
async def test_a_right_request_is_answered(body: object) -> None:
    async with ScriptedOpenAIServer(["yes"]) as server:
        status, answer = await post(server, body)

    assert (status, answer["choices"][0]["message"]["content"]) == (200, "yes")


async def test_without_a_key_or_a_known_path_nothing_is_served() -> None:
    async with ScriptedOpenAIServer(["never"]) as server:
        assert (await post(server, FINE, key=""))[0] == 401
        assert (await post(server, FINE, path="/elsewhere"))[0] == 404


async def test_it_answers_under_azures_path_and_lists_models() -> None:
    async with ScriptedOpenAIServer(["yes"]) as server, aiohttp.ClientSession() as session:
        root, key = f"http://127.0.0.1:{server.port}", {"api-key": "k"}
        address = f"{root}/openai/deployments/d/chat/completions?api-version=1"
        async with session.post(address, json={"messages": [USER]}, headers=key) as response:
            assert response.status == 200
        async with session.get(f"{root}/v1/models", headers=key) as response:
            assert (await response.json())["data"][0]["id"] == "gpt-4o"


@pytest.mark.requirement("MOD-32")
async def test_replies_match_by_predicate_and_the_rest_in_order() -> None:
    async with ScriptedOpenAIServer() as server:
        server.script.replies += [
            "first",
            (lambda body: "blue" in str(body["messages"]), WireReply(text="for blue")),
            WireReply(text="for the tool", when=When(tool="lookup"), repeat=True),
            "second",
        ]

        async def said(text: str, **more: object) -> str:
            body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
            content: str = (await post(server, body))[1]["choices"][0]["message"]["content"]
            return content

        tools = [{"type": "function", "function": {"name": "lookup"}}]
        assert await said("red") == "first"
        assert await said("blue") == "for blue"
        assert await said("red", tools=tools) == "for the tool"
        assert await said("red", tools=tools) == "for the tool"
        assert await said("blue") == "second"
        assert server.script.unused == 0
        assert (await post(server, FINE))[1]["error"]["code"] == "script_exhausted"


@pytest.mark.requirement("MOD-32")
async def test_requests_are_recorded_in_order_with_their_keys_masked() -> None:
    async with ScriptedOpenAIServer(["a", "b"]) as server:
        for text in ("one", "two"):
            await post(server, {**FINE, "messages": [{**USER, "content": text}]}, key="sk-secret")

    said = [json.dumps(request.body["messages"]) for request in server.requests]
    assert ["one" in said[0], "two" in said[1]] == [True, True]
    assert server.requests[0].headers["authorization"] == "***"
    assert "sk-secret" not in str(server.requests)


async def test_it_serves_a_file_to_other_processes(tmp_path: Path) -> None:
    calls = [WireCall(name="lookup", arguments={"word": "a"}).to_json()]
    script = anyio.Path(tmp_path / "script.json")
    await script.write_text(json.dumps(["hello", {"calls": calls, "when": {"tool": "lookup"}}]))
    command = [sys.executable, "-m", "weft.testing.openai_server", str(script)]

    with anyio.fail_after(15):
        async with await anyio.open_process(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            address = (await process.stdout.receive()).decode().strip()
            model = get_model("openai:m", api_key="k", base_url=address)
            called = await model.complete(ASKED)
            plain = await model.complete(ASKED.model_copy(update={"tools": ()}))
            await model.aclose()
            process.terminate()

    assert called.message.tool_calls[0].name == LOOKUP.name
    assert plain.message.content == "hello"
