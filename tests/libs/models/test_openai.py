"""The OpenAI provider, driven over real sockets."""

import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from weft.core import JsonObject, Message, Part, ToolCall
from weft.models import (
    ContentFilterError,
    ContextLengthError,
    Model,
    ModelAuthError,
    ModelError,
    ModelRequest,
    ModelRequestError,
    ModelResponse,
    ModelTimeoutError,
    ModelUnavailableError,
    Prices,
    RateLimitedError,
    get_model,
    joined,
)
from weft.testing.model_contract import ASKED, LOOKUP
from weft.testing.openai_script import WireCall, WireReply
from weft.testing.openai_server import ScriptedOpenAIServer

KEY = "sk-test-0123456789"
PROMPT = "the launch code is 0000"


@pytest.fixture
async def server() -> AsyncIterator[ScriptedOpenAIServer]:
    async with ScriptedOpenAIServer() as served:
        yield served


@pytest.fixture
async def model(server: ScriptedOpenAIServer) -> AsyncIterator[Model]:
    opened = get_model("openai:gpt-4o", api_key=KEY, base_url=server.base_url)
    yield opened
    await opened.aclose()


async def whole(model: Model) -> ModelResponse:
    return await model.complete(ASKED)


async def in_chunks(model: Model) -> ModelResponse:
    return await joined(model.stream(ASKED))


Path = Callable[[Model], Coroutine[Any, Any, ModelResponse]]
PATHS = pytest.mark.parametrize("path", [whole, in_chunks])


def said(text: str) -> ModelRequest:
    return ModelRequest(messages=(Message.user(text),))


FAILURES: list[tuple[WireReply, type[ModelError]]] = [
    (WireReply(status=400), ModelRequestError),
    (WireReply(status=401), ModelAuthError),
    (WireReply(status=403), ModelAuthError),
    (WireReply(status=404), ModelRequestError),
    (WireReply(status=408), ModelUnavailableError),
    (WireReply(status=409), ModelUnavailableError),
    (WireReply(status=422), ModelRequestError),
    (WireReply(status=429), RateLimitedError),
    (WireReply(status=429, error={"code": "insufficient_quota"}), ModelRequestError),
    (WireReply(status=400, error={"code": "context_length_exceeded"}), ContextLengthError),
    (
        WireReply(status=400, error={"message": "This model's maximum context length is 8192."}),
        ContextLengthError,
    ),
    (WireReply(status=400, error={"code": "content_filter"}), ContentFilterError),
    (WireReply(refusal="I will not."), ContentFilterError),
    (WireReply(finish_reason="content_filter"), ContentFilterError),
    (WireReply(status=500), ModelUnavailableError),
    (WireReply(status=503), ModelUnavailableError),
    (WireReply(fault="reset"), ModelUnavailableError),
]


@pytest.mark.requirement("MOD-30")
@pytest.mark.parametrize(("reply", "kind"), FAILURES)
@PATHS
async def test_every_failure_has_its_class_on_both_paths(
    server: ScriptedOpenAIServer,
    model: Model,
    reply: WireReply,
    kind: type[ModelError],
    path: Path,
) -> None:
    server.script.replies.append(reply)

    with pytest.raises(ModelError) as caught:
        await path(model)

    assert type(caught.value) is kind
    assert len(server.requests) == 1


@pytest.mark.requirement("MOD-30")
async def test_a_refused_connection_is_unavailable() -> None:
    async with ScriptedOpenAIServer() as gone:
        address = gone.base_url
    model = get_model("openai:gpt-4o", api_key=KEY, base_url=address)

    with pytest.raises(ModelUnavailableError):
        await model.complete(ASKED)

    await model.aclose()


@pytest.mark.requirement("MOD-16")
async def test_an_error_tells_its_origin_and_nothing_of_the_prompt(
    server: ScriptedOpenAIServer, model: Model
) -> None:
    echo: JsonObject = {"message": f"bad prompt: {PROMPT} {KEY}", "code": "bad_prompt"}
    server.script.replies.append(WireReply(status=400, error=echo))

    with pytest.raises(ModelRequestError) as caught:
        await model.complete(said(PROMPT))

    error = caught.value
    assert (error.provider, error.status) == ("openai", 400)
    assert (error.provider_code, error.request_id) == ("bad_prompt", "req_scripted")
    assert PROMPT not in f"{error} {error!r} {vars(error)}"
    assert error.__suppress_context__


@pytest.mark.requirement("MOD-5")
async def test_the_key_shows_nowhere(
    server: ScriptedOpenAIServer, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script.replies += [WireReply(status=401, error={"message": KEY, "code": KEY}), "fine"]

    with pytest.raises(ModelAuthError) as caught:
        await model.complete(ASKED)
    await model.complete(ASKED)

    seen = f"{caught.value} {vars(caught.value)} {model!r} {vars(model)} {caplog.text}"
    assert KEY not in seen
    assert KEY not in str([request.headers for request in server.requests])


@pytest.mark.requirement("MOD-17")
async def test_the_sdk_repeats_nothing_itself(server: ScriptedOpenAIServer, model: Model) -> None:
    server.script.replies += [WireReply(status=503), WireReply(status=429), "never asked"]

    for _ in range(2):
        with pytest.raises(ModelError):
            await model.complete(ASKED)

    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", ["cut", "malformed"])
async def test_a_stream_that_breaks_is_unavailable_and_its_usage_estimated(
    server: ScriptedOpenAIServer, model: Model, fault: str
) -> None:
    chunks = ("one ", "two ", "three")
    server.script.replies.append(
        WireReply.model_validate({"chunks": chunks, "fault": fault, "after": 2})
    )
    stream = model.stream(ASKED)

    first = await anext(stream)
    with pytest.raises(ModelUnavailableError) as caught:
        await anext(stream)

    assert first.content == "one "
    assert caught.value.usage.estimated


@pytest.mark.requirement("MOD-13")
async def test_a_timeout_bounds_the_whole_call(server: ScriptedOpenAIServer, model: Model) -> None:
    server.script.replies += [WireReply(fault="silence"), WireReply(fault="silence", after=0)]
    request = ASKED.model_copy(update={"timeout": 0.1})

    with anyio.fail_after(5):
        with pytest.raises(ModelTimeoutError):
            await model.complete(request)
        with pytest.raises(ModelTimeoutError):
            await joined(model.stream(request))


@pytest.mark.requirement("MOD-13")
async def test_silence_ends_a_stream(server: ScriptedOpenAIServer) -> None:
    server.script.replies.append(WireReply(chunks=("a", "b"), fault="silence", after=2))
    model = get_model("openai:gpt-4o", api_key=KEY, base_url=server.base_url, silence=0.1)

    with anyio.fail_after(5), pytest.raises(ModelTimeoutError):
        await joined(model.stream(ASKED))

    await model.aclose()


@pytest.mark.requirement("MOD-12")
@PATHS
async def test_cancelling_closes_the_connection(
    server: ScriptedOpenAIServer, model: Model, path: Path
) -> None:
    server.script.replies.append(WireReply(text="x", fault="silence"))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(path, model)
            while not server.requests:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        await server.abandoned.wait()


@pytest.mark.requirement("MOD-12")
async def test_leaving_a_stream_early_closes_the_connection(
    server: ScriptedOpenAIServer, model: Model
) -> None:
    server.script.replies.append(WireReply(chunks=("a", "b"), fault="silence", after=2))
    stream = model.stream(ASKED)

    first = await anext(stream)
    await stream.aclose()

    assert first.content == "a"
    with anyio.fail_after(5):
        await server.abandoned.wait()


@pytest.mark.requirement("MOD-14")
async def test_one_model_serves_several_event_loops(
    server: ScriptedOpenAIServer, model: Model
) -> None:
    server.script.replies += ["one", "two", "three"]

    async def ask() -> str:
        return (await model.complete(ASKED)).message.content

    def elsewhere() -> str:
        with anyio.from_thread.start_blocking_portal() as portal:
            told = portal.call(ask)
            anyio.from_thread.run(model.aclose)
            return told

    with anyio.fail_after(10):
        answers = [await ask(), await anyio.to_thread.run_sync(elsewhere), await ask()]

    assert answers == ["one", "two", "three"]
    assert server.connections == 3, "one per loop, and one after everything was closed"


@pytest.mark.requirement("MOD-10")
async def test_cache_and_reasoning_tokens_and_cost_are_told(server: ScriptedOpenAIServer) -> None:
    counted: JsonObject = {
        "prompt_tokens": 1_000,
        "completion_tokens": 100,
        "total_tokens": 1_100,
        "prompt_tokens_details": {"cached_tokens": 600},
        "completion_tokens_details": {"reasoning_tokens": 40},
    }
    server.script.replies += [
        WireReply(text="x", usage=counted),
        WireReply(text="x", usage=counted),
    ]
    prices = Prices(prompt=10, completion=100, cache_read=1)
    model = get_model("openai:m", api_key=KEY, base_url=server.base_url, prices=prices)

    whole = (await model.complete(ASKED)).usage
    streamed = (await joined(model.stream(ASKED))).usage

    assert whole == streamed
    assert (whole.cache_read_tokens, whole.reasoning_tokens) == (600, 40)
    assert whole.cost_usd == pytest.approx((400 * 10 + 600 * 1 + 100 * 100) / 1_000_000)
    await model.aclose()


@pytest.mark.requirement("MOD-10")
async def test_missing_usage_is_estimated_and_marked(
    server: ScriptedOpenAIServer, model: Model
) -> None:
    server.script.replies += [WireReply(text="x" * 40, usage={})] * 2

    for usage in (
        (await model.complete(said("y" * 80))).usage,
        (await joined(model.stream(said("y" * 80)))).usage,
    ):
        assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (20, 10, True)
        assert usage.cost_usd is None, "a server of one's own has no list price"


@pytest.mark.requirement("MOD-9")
@pytest.mark.parametrize(("late_system", "role"), [(True, "system"), (False, "user")])
async def test_guidance_in_mid_conversation_keeps_its_place_in_an_allowed_form(
    server: ScriptedOpenAIServer, *, late_system: bool, role: str
) -> None:
    server.script.replies.append("ok")
    model = get_model("openai:m", api_key=KEY, base_url=server.base_url, late_system=late_system)
    call = ToolCall(id="c1", name="lookup", arguments={"word": "a"})
    messages = (
        Message.system("Be brief."),
        Message.user("Hi"),
        Message.assistant(tool_calls=(call,)),
        Message.tool("none", call=call),
        Message.system("You are repeating yourself."),
    )

    await model.complete(ModelRequest(messages=messages, tools=(LOOKUP,)))

    sent = server.requests[0].body["messages"]
    assert isinstance(sent, list)
    roles = [each["role"] for each in sent if isinstance(each, dict)]
    assert roles == ["system", "user", "assistant", "tool", role]
    assert "You are repeating yourself." in str(sent[-1])
    await model.aclose()


@pytest.mark.requirement("MOD-11")
@pytest.mark.parametrize("required", [["a", "b"], ["a"]])
async def test_a_schema_uses_the_native_mode_in_its_dialect(
    server: ScriptedOpenAIServer, model: Model, required: list[str]
) -> None:
    server.script.replies.append('{"a": 1, "b": {"c": 2}}')
    inner: JsonObject = {
        "type": "object",
        "properties": {"c": {"type": "integer"}},
        "required": ["c"],
    }
    schema: JsonObject = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": inner},
        "required": [*required],
    }

    await model.complete(ModelRequest(messages=ASKED.messages, output_schema=schema))

    strict = required == ["a", "b"]
    sent = server.requests[0].body["response_format"]
    assert isinstance(sent, dict)
    wanted = sent["json_schema"]
    assert isinstance(wanted, dict)
    assert wanted["strict"] is strict
    assert (wanted["schema"] == schema) is not strict, "only strict mode needs another dialect"


async def test_without_native_mode_no_schema_is_sent(server: ScriptedOpenAIServer) -> None:
    server.script.replies.append("{}")
    model = get_model("openai:m", api_key=KEY, base_url=server.base_url, structured=False)

    await model.complete(ModelRequest(messages=ASKED.messages, output_schema={"type": "object"}))

    assert "response_format" not in server.requests[0].body
    assert not model.capabilities.structured
    await model.aclose()


async def test_options_and_parts_reach_the_wire(server: ScriptedOpenAIServer, model: Model) -> None:
    server.script.replies.append("ok")
    image = Message(
        role="user",
        content="What is this?",
        parts=(Part(bytes="AAAA", media_type="image/png"), Part(data={"a": 1})),
    )

    await model.complete(
        ModelRequest(
            messages=(image,),
            tools=(LOOKUP,),
            tool_choice="lookup",
            temperature=0,
            max_tokens=5,
            stop=("END",),
            metadata={"data": "never sent"},
        )
    )

    body = server.requests[0].body
    assert (body["max_tokens"], body["temperature"], body["stop"]) == (5, 0, ["END"])
    assert body["tool_choice"] == {"type": "function", "function": {"name": "lookup"}}
    assert "data:image/png;base64,AAAA" in str(body["messages"])
    assert "never sent" not in str(body)


async def test_calls_numbered_alike_are_still_several(
    server: ScriptedOpenAIServer, model: Model
) -> None:
    """Ollama's compatible API has sent every call with index 0."""
    calls = (WireCall(name="lookup", arguments={"word": "a"}), WireCall(name="lookup"))
    server.script.replies.append(WireReply(calls=calls, same_index=True))

    reply = await joined(model.stream(ASKED))

    assert [call.arguments for call in reply.message.tool_calls] == [{"word": "a"}, {}]


@pytest.mark.requirement("MOD-29")
async def test_no_other_connection_is_opened(server: ScriptedOpenAIServer) -> None:
    """In a process of its own, where every outgoing connection is written down."""
    server.script.replies.append("pong")
    script = f"""
import sys, anyio
tried = []
sys.addaudithook(lambda e, a: tried.append(a[1][:2]) if e == "socket.connect" else None)
from weft.core import Message
from weft.models import ModelRequest, get_model
assert "openai" not in sys.modules
async def main():
    model = get_model("openai:gpt-4o", api_key="k", base_url={server.base_url!r})
    assert "openai" not in sys.modules
    print((await model.complete(ModelRequest(messages=(Message.user("ping"),)))).message.content)
    await model.aclose()
anyio.run(main)
print(sorted(set(tried)))
"""

    with anyio.fail_after(15):
        done = await anyio.run_process([sys.executable, "-c", script], stderr=subprocess.STDOUT)

    assert done.stdout.decode().split("\n")[:2] == ["pong", f"[('127.0.0.1', {server.port})]"]


async def test_once_prepared_a_call_loads_nothing_of_the_sdk(server: ScriptedOpenAIServer) -> None:
    """In a process of its own, where nothing is loaded yet."""
    server.script.replies.extend(["pong", "pong"])
    script = f"""
import sys, anyio
from weft.core import Message
from weft.models import ModelRequest, get_model, prepared
async def main():
    model = get_model("openai:gpt-4o", api_key="k", base_url={server.base_url!r})
    await prepared(model)
    before = set(sys.modules)
    request = ModelRequest(messages=(Message.user("ping"),))
    await model.complete(request)
    async for _ in model.stream(request):
        pass
    await model.aclose()
    loaded = set(sys.modules) - before
    print(sorted(name for name in loaded if name.startswith(("openai", "httpx", "jiter"))))
anyio.run(main)
"""

    with anyio.fail_after(15):
        done = await anyio.run_process([sys.executable, "-c", script], stderr=subprocess.STDOUT)

    assert done.stdout.decode() == "[]\n"


async def test_a_call_that_comes_while_the_sdk_loads_waits_for_all_of_it(
    server: ScriptedOpenAIServer,
) -> None:
    """In a process of its own, where nothing is loaded yet."""
    server.script.replies.append("pong")
    script = f"""
import sys, anyio
from weft.core import Message
from weft.models import ModelRequest, get_model, prepared
async def main():
    model = get_model("openai:gpt-4o", api_key="k", base_url={server.base_url!r})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(prepared, model)
        while "weft.models.openai.sdk" not in sys.modules:
            await anyio.sleep(0.001)
        request = ModelRequest(messages=(Message.user("ping"),))
        print((await model.complete(request)).message.content)
    await model.aclose()
anyio.run(main)
"""

    with anyio.fail_after(15):
        done = await anyio.run_process([sys.executable, "-c", script], stderr=subprocess.STDOUT)

    assert done.stdout.decode() == "pong\n"
