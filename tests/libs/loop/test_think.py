"""The model's turn: replies cut short, waits between attempts, replies told in pieces."""

import asyncio

import anyio
import pytest

from weft.loop import Agent, ModelChunkEvent, ModelRetryEvent
from weft.models import ModelUnavailableError
from weft.models.retry import ModelRetryConfig
from weft.testing.models import ScriptedModel, ScriptedTurn, call
from weft.tools import tool


@pytest.mark.requirement("MOD-15")
async def test_a_reply_cut_inside_a_call_calls_nothing_and_the_model_is_told() -> None:
    made: list[int] = []

    @tool
    async def pay(amount: int) -> str:
        """Pay."""
        made.append(amount)
        return "paid"

    cut = ScriptedTurn(calls=(call("pay", amount=1),), stop_reason="length")
    model = ScriptedModel([cut, call("pay", amount=100), "end"])

    result = await Agent(model, [pay]).arun("pay 100")

    told = model.requests[1].messages[-1]
    assert made == [100]
    assert (told.role, "cut at its length limit" in told.content) == ("tool", True)
    assert [each.outcome for each in result.tool_executions] == ["error", "ok"]


@pytest.mark.requirement("MOD-19")
async def test_each_retry_is_told_and_its_wait_ends_on_cancel() -> None:
    down = ModelUnavailableError("down")
    model = ScriptedModel([down, down, "never"])
    retry = ModelRetryConfig(initial_delay=60.0)
    run = Agent(model, model_retry=retry).run("go")
    told: list[ModelRetryEvent] = []
    began = 0.0

    with anyio.fail_after(5):
        async for event in run:
            if isinstance(event, ModelRetryEvent):
                told.append(event)
                began = asyncio.get_running_loop().time()
                run.cancel()
        waited = asyncio.get_running_loop().time() - began

    assert [(each.attempt, each.reason) for each in told] == [(2, down.code)]
    assert waited < 0.1
    assert (await run).stop_reason == "canceled"
    assert len(model.requests) == 1


@pytest.mark.requirement("EV-20")
async def test_a_reply_that_comes_at_once_is_told_in_pieces_that_join_to_it() -> None:
    text = "word " * 20_000
    model = ScriptedModel([ScriptedTurn(text=text, chunks=(text[:9], text[9:]))])

    events = [event async for event in Agent(model).run("go")]

    pieces = [event for event in events if isinstance(event, ModelChunkEvent)]
    assert "".join(piece.content for piece in pieces) == text
    assert max(len(piece.content) for piece in pieces) <= 4096
