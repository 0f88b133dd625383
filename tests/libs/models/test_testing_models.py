"""The models for tests keep their own promises."""

import anyio
import pytest

from weft.core import Message
from weft.models import ModelRequest, ModelUnavailableError, joined
from weft.testing.model_contract import ASKED, LOOKUP
from weft.testing.models import (
    CompromisedModel,
    FunctionModel,
    Scripted,
    ScriptedModel,
    ScriptedTurn,
    ScriptExhaustedError,
    call,
)


@pytest.mark.requirement("MOD-24")
async def test_a_script_is_replayed_in_order_and_requests_are_recorded() -> None:
    down = ModelUnavailableError("down")
    script: list[Scripted] = ["text", call("lookup", word="a"), [call("a"), call("b")], down]
    model = ScriptedModel([*script, ScriptedTurn(chunks=("x", "y"))])

    assert (await model.complete(ASKED)).message.content == "text"
    assert (await joined(model.stream(ASKED))).message.tool_calls[0].arguments == {"word": "a"}
    assert [one.name for one in (await model.complete(ASKED)).message.tool_calls] == ["a", "b"]
    with pytest.raises(ModelUnavailableError):
        await model.complete(ASKED)
    assert [chunk.content async for chunk in model.stream(ASKED)] == ["x", "y", ""]
    assert model.requests == [ASKED] * 5
    model.assert_exhausted()


@pytest.mark.requirement("MOD-24")
async def test_past_its_end_and_before_it_a_script_complains() -> None:
    model = ScriptedModel(["only"])

    with pytest.raises(AssertionError, match="1 of 1"):
        model.assert_exhausted()
    await model.complete(ASKED)
    with pytest.raises(ScriptExhaustedError):
        await model.complete(ASKED)
    with pytest.raises(ScriptExhaustedError):
        await joined(model.stream(ASKED))


@pytest.mark.requirement("MOD-24")
async def test_a_reply_comes_when_the_test_says() -> None:
    gate = anyio.Event()
    model = ScriptedModel([ScriptedTurn(text="now", until=gate, delay=0.001)])
    replies = []

    async def ask() -> None:
        replies.append((await model.complete(ASKED)).message.content)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.lowlevel.checkpoint()
            assert replies == []
            gate.set()

    assert replies == ["now"]


@pytest.mark.requirement("MOD-24")
async def test_a_stream_may_fail_in_its_middle() -> None:
    model = ScriptedModel([ScriptedTurn(chunks=("half",), error=ModelUnavailableError("cut"))])
    stream = model.stream(ASKED)

    assert (await anext(stream)).content == "half"
    with pytest.raises(ModelUnavailableError):
        await anext(stream)


@pytest.mark.requirement("MOD-25")
async def test_a_function_answers_whether_it_waits_or_not() -> None:
    def at_once(request: ModelRequest) -> str:
        return request.messages[-1].content.upper()

    async def later(request: ModelRequest) -> str:
        await anyio.lowlevel.checkpoint()
        return at_once(request)

    request = ModelRequest(messages=(Message.user("hi"),))

    for fn in (at_once, later):
        assert (await FunctionModel(fn).complete(request)).message.content == "HI"
        assert (await joined(FunctionModel(fn).stream(request))).message.content == "HI"


async def test_the_compromised_model_never_stops_attacking() -> None:
    model = CompromisedModel()

    replies = [await model.complete(ASKED) for _ in range(8)]

    calls = [one for reply in replies for one in reply.message.tool_calls]
    assert all(reply.message.tool_calls for reply in replies)
    assert {one.name for one in calls} > {LOOKUP.name}
    assert any(one.malformed_arguments for one in calls)
    assert any("principal" in one.arguments for one in calls)
    assert max(len(reply.message.tool_calls) for reply in replies) == 64
