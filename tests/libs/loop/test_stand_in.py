"""A model that gives no answer costs a run one budget of waiting; then rules go on, and it is said."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest

from tests.libs.models.odd_server import Odd, odd_server
from weft.core import Authority, JsonObject, Result, parts_of
from weft.events import Event
from weft.local.ports import free_port
from weft.loop import MODELS_AWAY, Agent, Task
from weft.models import ModelRetryConfig, StandIn, get_model
from weft.testing import ScriptedOpenAIServer
from weft.testing.openai_script import When, WireCall, WireReply
from weft.tools import Tool, tool

QUICK = ModelRetryConfig(
    max_retries=2, initial_delay=0.01, total_budget_seconds=3.0, silence_seconds=1.5
)
ASKED = "Look at the checkout"
LOOK = WireReply(calls=(WireCall(name="look", arguments={"place": "orders"}),), when=When())
DOWN = WireReply(status=503, repeat=True, when=When())


@tool(labels={"read"})
async def look(place: str = "checkout") -> JsonObject:
    """Say how the checkout and its orders are doing."""
    return {"summary": f"{place} waits for its pool"}


@dataclass
class Clock:
    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn(get_model("offline:"))


@asynccontextmanager
async def agent_at(
    address: str, stand_in: StandIn | None, *, tools: Sequence[Tool] = (look,)
) -> AsyncIterator[Agent]:
    model = get_model("openai:scripted", base_url=address, api_key="k")
    async with aclosing(model):
        yield Agent(model, tools, name="looker", model_retry=QUICK, stand_in=stand_in)


async def asked(
    agent: Agent, prompt: str = ASKED, *, away: str | None = None
) -> tuple[Result, list[Event]]:
    metadata: JsonObject = {} if away is None else {MODELS_AWAY: {away: "nobody answers"}}
    task = Task(parts_of(prompt), "message", authority=Authority(), metadata=metadata)
    with anyio.fail_after(10):
        run = agent.start(task)
        events = [event async for event in run]
        return await run, events


def replaced(result: Result) -> str:
    [reason] = [each for each in result.reasons if each.code == "model_replaced"]
    return reason.message


@pytest.mark.requirement("DIAG-33")
async def test_where_nobody_listens_rules_go_on_and_everybody_is_told(
    stand_in: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    address = f"http://127.0.0.1:{free_port()}/v1"
    async with agent_at(address, stand_in) as agent:
        result, events = await asked(agent)

    assert (result.status, result.generated_by) == ("completed", "rules")
    assert "checkout waits for its pool" in result.text
    assert f"openai:scripted did not answer (openai: nobody answers at {address}" in result.text
    assert address in replaced(result)
    retries = [event.data for event in events if event.type == "agent.model.retry"]
    assert [each.to_json()["instead"] for each in retries] == ["", "", "offline:rules"]
    [line] = [each for each in caplog.records if each.message == "model.replaced"]
    assert (line.__dict__["model"], line.__dict__["code"]) == (
        "openai:scripted",
        "model_unavailable",
    )
    assert result.usage.model_calls == 0


PERSISTENT = {
    "overloaded": WireReply(status=503),
    "limited for long": WireReply(status=429, headers={"retry-after": "3600"}),
    "limited": WireReply(status=429, headers={"retry-after": "0"}),
    "silent": WireReply(fault="silence", after=0),
    "silent in the middle": WireReply(text="It is", fault="silence", after=2),
    "broken off": WireReply(text="It is fine.", fault="cut", after=2),
    "reset": WireReply(fault="reset"),
    "no key that it knows": WireReply(status=401),
    "no model of that name": WireReply(status=404),
}


@pytest.mark.requirement("DIAG-33")
@pytest.mark.parametrize("fault", PERSISTENT.values(), ids=PERSISTENT.keys())
async def test_whatever_keeps_a_model_from_answering_its_reason_is_named(
    stand_in: StandIn, fault: WireReply
) -> None:
    always = fault.model_copy(update={"when": When(), "repeat": True})
    async with (
        ScriptedOpenAIServer([always]) as server,
        agent_at(server.base_url, stand_in) as agent,
    ):
        result, _ = await asked(agent)

    assert "checkout waits for its pool" in result.text
    assert replaced(result).startswith("openai:scripted did not answer, so rules went on")
    assert len(server.requests) <= 1 + QUICK.max_retries


async def test_a_page_in_place_of_a_reply_is_named_for_what_it_is(stand_in: StandIn) -> None:
    page = Odd(b"<html>Welcome to the proxy</html>", "text/html")
    async with odd_server(page) as server, agent_at(server.address, stand_in) as agent:
        result, _ = await asked(agent)

    assert "is the address (base_url) right?" in replaced(result)
    assert "checkout waits for its pool" in result.text


async def test_one_that_dies_midway_leaves_what_it_began_to_rules(stand_in: StandIn) -> None:
    async with (
        ScriptedOpenAIServer([LOOK, DOWN]) as server,
        agent_at(server.base_url, stand_in) as agent,
    ):
        result, _ = await asked(agent, "Look at the orders")

    assert "orders waits for its pool" in result.text
    assert (result.generated_by, result.usage.model_calls) == ("rules", 1)


async def test_one_that_comes_back_in_time_is_asked_again(stand_in: StandIn) -> None:
    script = [WireReply(status=503), WireReply(text="I am here.")]
    async with ScriptedOpenAIServer(script) as server, agent_at(server.base_url, stand_in) as agent:
        result, _ = await asked(agent)

    assert (result.text, result.generated_by, result.reasons) == ("I am here.", "model", ())


async def test_for_a_while_nobody_waits_for_it_again() -> None:
    clock = Clock()
    stand_in = StandIn(get_model("offline:"), clock)
    script = [DOWN.model_copy(update={"repeat": False})] * 3 + [WireReply(text="I am back.")]
    async with ScriptedOpenAIServer(script) as server, agent_at(server.base_url, stand_in) as agent:
        first, _ = await asked(agent)
        clock.seconds = 29.0
        second, _ = await asked(agent)
        count = len(server.requests)
        clock.seconds = 31.0
        third, _ = await asked(agent)

    assert (first.generated_by, second.generated_by, third.text) == ("rules", "rules", "I am back.")
    assert count == 3
    assert replaced(second) == replaced(first)


async def test_who_was_silent_earlier_in_the_run_is_not_asked(stand_in: StandIn) -> None:
    async with (
        ScriptedOpenAIServer(["never said"]) as server,
        agent_at(server.base_url, stand_in) as agent,
    ):
        result, _ = await asked(agent, away="openai:scripted")
        other, _ = await asked(agent, away="openai:another")

    assert "earlier step" in replaced(result)
    assert (len(server.requests), other.text) == (1, "never said")


async def test_what_rules_cannot_do_fails_for_the_models_reason(stand_in: StandIn) -> None:
    address = f"http://127.0.0.1:{free_port()}/v1"
    async with agent_at(address, stand_in, tools=()) as agent:
        result, _ = await asked(agent, "What is the balance of Anna?")

    assert (result.status, result.reasons[0].code) == ("failed", "model_unavailable")
    assert address in result.reasons[0].message
    assert len(result.reasons) == 1


async def test_a_refusal_of_the_prompt_is_no_silence(stand_in: StandIn) -> None:
    refusal = WireReply(status=400, error={"code": "content_filter", "message": "no"})
    async with (
        ScriptedOpenAIServer([refusal]) as server,
        agent_at(server.base_url, stand_in) as agent,
    ):
        result, _ = await asked(agent)

    assert (result.status, result.reasons[0].code) == ("failed", "content_filter")


async def test_an_agent_of_the_library_fails_without_its_model() -> None:
    async with agent_at(f"http://127.0.0.1:{free_port()}/v1", None) as agent:
        result, _ = await asked(agent)

    assert (result.status, result.reasons[0].code) == ("failed", "model_unavailable")
