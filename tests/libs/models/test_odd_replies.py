"""Replies of odd shape: read where they can be, else an error of the provider, never a bug."""

import logging
from typing import Any

import anyio
import pytest

from tests.libs.models.odd_server import Odd, OddServer, delta, odd_server, stream, whole
from weft.core import JsonObject, Message, dumps
from weft.loop import Agent, AgentResult
from weft.loop.stream import ModelRetryEvent, TerminateEvent
from weft.models import ModelRequest, ModelRetryConfig, get_model, joined
from weft.models.openai.settings import openai_settings
from weft.tools import tool

PAGE = b"<!doctype html><html><body>Welcome</body></html>"
ROOMS: JsonObject = {"id": "a", "function": {"name": "rooms", "arguments": '{"hotel":"Aurora"}'}}
DONE = (whole({"content": "done"}), stream(delta("done", finish="stop")))


def calling(*calls: object) -> tuple[Odd, Odd]:
    """Return a reply with these calls, whole and streamed."""
    message = {"content": None, "tool_calls": [*calls]}
    return whole(message, finish="tool_calls"), stream(delta(finish="tool_calls", **message))


def spent(usage: object) -> tuple[Odd, Odd]:
    piece = {**delta("done", finish="stop"), "usage": usage}
    return whole({"content": "done"}, usage=usage), stream(piece)


def saying(content: object) -> tuple[Odd, Odd]:
    return whole({"content": content}), stream(delta(content, finish="stop"))


async def run(server: OddServer, *, watch: bool, retries: int = 1) -> tuple[str, list[str]]:
    """Return how a run ended, and whom its tool was asked for."""
    asked: list[str] = []

    @tool
    def rooms(hotel: str) -> str:
        """Count free rooms."""
        asked.append(hotel)
        return "three"

    model = get_model("openai:m", api_key="k", base_url=server.address)
    retry = ModelRetryConfig(max_retries=retries, initial_delay=0.001)
    agent = Agent(model, [rooms], model_retry=retry)
    try:
        with anyio.fail_after(30):
            if watch:
                last = [event async for event in agent.run("How many rooms?")][-1]
                assert isinstance(last, TerminateEvent)
                return last.error.code if last.error else last.final_message, asked
            result: AgentResult = await agent.run("How many rooms?")._awaited()
            return result.error.code if result.error else result.text, asked
    finally:
        await model.aclose()


BOTH = pytest.mark.parametrize("watch", [False, True], ids=["whole", "streamed"])
READABLE: dict[str, tuple[Odd, Odd]] = {
    "arguments as an object": calling(
        {"id": "a", "function": {"name": "rooms", "arguments": {"hotel": "Aurora"}}}
    ),
    "null among the calls": calling(None, ROOMS, None),
    "an id that is a number": calling({**ROOMS, "id": 7}),
    "half a character in the arguments": calling(
        {"id": "a", "function": {"name": "rooms", "arguments": '{"hotel":"\\ud83dAurora"}'}}
    ),
    "a NUL in the arguments": calling(
        {"id": "a", "function": {"name": "rooms", "arguments": '{"hotel":"\\u0000Aurora"}'}}
    ),
}


@pytest.mark.requirement("MOD-7")
@BOTH
@pytest.mark.parametrize("reply", READABLE.values(), ids=READABLE.keys())
async def test_calls_of_odd_shape_are_made(reply: tuple[Odd, Odd], *, watch: bool) -> None:
    async with odd_server(reply[watch], DONE[watch]) as server:
        end, asked = await run(server, watch=watch)

    assert end == "done"
    assert [each.strip("\N{SYMBOL FOR NULL}\N{REPLACEMENT CHARACTER}") for each in asked] == [
        "Aurora"
    ]


ANSWERED: dict[str, tuple[Odd, Odd]] = {
    "usage as a text": spent("12"),
    "usage as a list": spent([1]),
    "usage in texts": spent({"prompt_tokens": "12", "completion_tokens": None}),
    "usage below nothing": spent({"prompt_tokens": -1, "completion_tokens": 2}),
    "usage with odd details": spent(
        {"prompt_tokens": 3.0, "completion_tokens": "x", "prompt_tokens_details": [1]}
    ),
    "content in parts": saying([{"type": "text", "text": "do"}, None, {"text": "ne"}]),
    "a reason that is a number": (
        whole({"content": "done"}, finish=7),
        stream(delta("done", finish=7)),
    ),
    "pieces that say nothing": (
        whole({"content": "done", "tool_calls": None, "refusal": None}),
        stream({}, None, {"choices": None}, {"choices": []}, {"choices": [None]},
               {"choices": [{"delta": None}]}, delta("done", finish="stop")),
    ),
    "no stream where one was asked for": (DONE[0], DONE[0]),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("reply", ANSWERED.values(), ids=ANSWERED.keys())
async def test_answers_of_odd_shape_are_answers(reply: tuple[Odd, Odd], *, watch: bool) -> None:
    async with odd_server(reply[watch]) as server:
        assert await run(server, watch=watch) == ("done", [])
        assert len(server.requests) == 1


def same(value: object) -> tuple[Odd, Odd]:
    """Return a message, or a delta, that is this value."""
    piece: Any = {"choices": [{"delta": value, "finish_reason": "stop"}]}
    return whole(value), stream(piece)


FAILING: dict[str, tuple[Odd, Odd]] = {
    "no choices": (Odd(b'{"choices":[]}'), stream()),
    "choices that are null": (Odd(b'{"choices":null}'), stream({"choices": None})),
    "choices that are an object": (Odd(b'{"choices":{"a":1}}'), stream({"choices": {"a": 1}})),
    "a choice that is a text": (Odd(b'{"choices":["x"]}'), stream({"choices": ["x"]})),
    "no message": (Odd(b'{"choices":[{"index":0}]}'), stream({"choices": [{"index": 0}]})),
    "a message that is a list": same([1]),
    "content that is a number": same({"content": 7}),
    "content that is an object": same({"content": {"a": 1}}),
    "calls that are a text": same({"tool_calls": "rooms"}),
    "a call that is a text": same({"tool_calls": ["rooms"]}),
    "a function that is a text": same({"tool_calls": [{"id": "a", "function": "rooms"}]}),
    "a call whose name is null": calling({"id": "a", "function": {"name": None, "arguments": "{}"}}),
    "a call whose name is a list": calling({"id": "a", "function": {"name": [1]}}),
    "broken JSON": (Odd(b'{"choices":[{'), stream(b'{"choices":[{')),
    "pieces that are a list": (Odd(b'{"choices":[]}'), stream([1])),
    "pieces that are a number": (Odd(b'{"choices":[]}'), stream(7)),
    "an end in the middle": (Odd(b""), stream(delta("do"), done=False)),
    "an error in the reply": (
        Odd(dumps({"error": {"message": "out of memory", "code": None}})),
        stream(delta("do"), {"error": {"message": "out of memory", "code": 503}}),
    ),
    "an error that is a text": (Odd(b'{"error":"busy"}'), stream({"error": "busy"})),
    "an error event of another make": (
        Odd(b'{"error":true}'),
        stream(delta("do"), {"object": "error", "message": "x", "code": "server_error"}),
    ),
}  # fmt: skip


@pytest.mark.requirement("MOD-17")
@BOTH
@pytest.mark.parametrize("reply", FAILING.values(), ids=FAILING.keys())
async def test_what_cannot_be_read_is_the_providers_failure_and_tried_again(
    reply: tuple[Odd, Odd], caplog: pytest.LogCaptureFixture, *, watch: bool
) -> None:
    async with odd_server(reply[watch], DONE[watch]) as server:
        assert await run(server, watch=watch) == ("done", [])
    async with odd_server(reply[watch]) as server:
        with caplog.at_level(logging.WARNING, "weft.loop"):
            assert await run(server, watch=watch) == ("model_unavailable", [])

    assert len(server.requests) == 2
    assert [(each.levelname, each.message) for each in caplog.records] == [
        ("WARNING", "agent.failed")
    ]


ELSEWHERE: dict[str, Odd] = {
    "a page": Odd(PAGE, "text/html; charset=utf-8"),
    "plain text": Odd(b"It works!", "text/plain"),
    "nothing said of its type": Odd(b"It works!", ""),
    "a list": Odd(b"[1,2]"),
    "a text in JSON": Odd(b'"ok"'),
    "another API": Odd(b'{"status":"ok"}'),
}


@BOTH
@pytest.mark.parametrize("reply", ELSEWHERE.values(), ids=ELSEWHERE.keys())
async def test_an_address_without_chat_completions_is_said_at_once(
    reply: Odd, *, watch: bool
) -> None:
    async with odd_server(reply) as server:
        assert await run(server, watch=watch, retries=6) == ("model_request", [])
        model = get_model("openai:m", api_key="k", base_url=server.address)
        request = ModelRequest(messages=(Message.user("hi"),))
        with pytest.raises(Exception, match="no chat completion: is the address") as caught:
            await (joined(model.stream(request)) if watch else model.complete(request))
        await model.aclose()

    assert server.address in str(caught.value)
    assert len(server.requests) == 2


@BOTH
@pytest.mark.parametrize("provider", ["openai", "ollama"])
async def test_what_the_model_wrote_wrong_is_not_sent_back_to_servers_that_refuse_it(
    provider: str, *, watch: bool
) -> None:
    broken = {"id": "a", "function": {"name": "free rooms?", "arguments": '{"hotel": Aurora'}}
    async with odd_server(calling(broken)[watch], calling(ROOMS)[watch], DONE[watch]) as server:
        options = {"api_key": "k"} if provider == "openai" else {}
        model = get_model(f"{provider}:m", base_url=server.address, **options)
        asked: list[str] = []

        @tool
        def rooms(hotel: str) -> str:
            """Count free rooms."""
            asked.append(hotel)
            return "three"

        events = [event async for event in Agent(model, [rooms]).run("go")] if watch else []
        if not watch:
            assert (await Agent(model, [rooms]).arun("go")).text == "done"
        await model.aclose()

    assert asked == ["Aurora"]
    assert not any(isinstance(each, ModelRetryEvent) for each in events)
    sent: Any = server.requests[1]["messages"]
    assert sent[-2]["tool_calls"][0]["function"] == {"name": "free_rooms_", "arguments": "{}"}
    assert "'free rooms?'" in sent[-1]["content"]


def test_an_address_is_told_without_what_is_secret_in_it() -> None:
    settings = openai_settings(
        {"api_key": "k", "base_url": "https://me:secret@host:8443/v1?key=secret#x"}
    )

    assert settings.address == "https://host:8443/v1"


async def test_where_nobody_listens_the_error_names_the_address_and_comes_soon() -> None:
    async with odd_server() as gone:
        address = gone.address
    model = get_model("openai:m", api_key="k", base_url=address)
    agent = Agent(model, model_retry=ModelRetryConfig(unreachable_budget_seconds=0.2))

    with anyio.fail_after(20):
        last = [event async for event in agent.run("hi")][-1]
    await model.aclose()

    assert isinstance(last, TerminateEvent)
    assert last.error is not None
    assert last.error.code == "model_unavailable"
    assert f"nobody answers at {address}" in last.error.message
