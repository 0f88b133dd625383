"""What the mesh is told: every declared event is emitted, and its form is pinned."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from weft.core import JsonObject, JsonValue, ToolCall, parts_of
from weft.events import PREVIEW_LENGTH, Event, hidden
from weft.loop import Agent, LoopEvent, Task, stream
from weft.loop import events as agent_events
from weft.models import ModelUnavailableError, ModelUsage
from weft.models.retry import ModelRetryConfig
from weft.testing.models import ScriptedModel, ScriptedTurn, call
from weft.tools import ToolContext, tool
from weft.tools import events as tool_events
from weft.tools.builtin import ask_user

SAMPLES = Path(__file__).parents[1] / "events" / "samples.json"
CHANGING: JsonObject = {"duration_ms": 1.5, "span_id": "5" * 16, "key": "e" * 64}
LONG = "word " * 200


@tool(idempotent=True, passes_key=True)
async def pay(amount: int, context: ToolContext) -> JsonObject:
    """Pay."""
    context.report_progress(1, 2, "half")
    return {"paid": amount}


def a_run() -> Agent:
    """Return an agent whose one run tells everything but an interrupt."""
    usage = ModelUsage(prompt_tokens=3, completion_tokens=2, total_tokens=5)
    paying = ToolCall(id="call_1", name="pay", arguments={"amount": 2})
    model = ScriptedModel(
        [
            ModelUnavailableError("down"),
            ScriptedTurn(text="I pay", calls=(paying,), usage=usage),
            ScriptedTurn(text="paid", usage=usage),
        ]
    )
    retry = ModelRetryConfig(initial_delay=0)
    return Agent(model, [pay], name="payer", reflexion=True, model_retry=retry)


def an_interrupted_run() -> Agent:
    return Agent(ScriptedModel([call("ask_user", question="Which?", options=["a"])]), [ask_user])


async def told() -> list[Event]:
    events = [event async for event in a_run().start(Task(parts_of("go"), "m"))]
    return events + [event async for event in an_interrupted_run().start(Task(parts_of("go"), "m"))]


def declared(module: ModuleType, base: type) -> set[str]:
    found = (value for value in vars(module).values() if isinstance(value, type))
    return {
        value.__name__
        for value in found
        if issubclass(value, base) and value is not base and value.__module__ == module.__name__
    }


def steady(value: JsonValue) -> JsonValue:
    """Return `value` with what differs from run to run replaced."""
    if isinstance(value, dict):
        changed = {
            name: CHANGING[name] if name in CHANGING and each is not None else each
            for name, each in value.items()
        }
        return {
            name: "f" * 32 if name == "interrupt_id" else steady(each)
            for name, each in changed.items()
        }
    return [steady(each) for each in value] if isinstance(value, list) else value


@pytest.mark.requirement("EV-2")
async def test_every_declared_event_of_the_mesh_is_emitted_in_its_pinned_form() -> None:
    events = await told()

    emitted = {type(event).__name__ for event in events}
    forms = {event.type: steady(event.to_json()) for event in events}
    assert emitted == declared(agent_events, Event) | declared(tool_events, Event)
    pinned = json.loads(SAMPLES.read_text())
    assert forms == {kind: pinned[kind] for kind in forms}


@pytest.mark.requirement("EV-2")
async def test_every_declared_typed_event_is_emitted() -> None:
    events: list[LoopEvent] = [event async for event in a_run().run("go")]
    interrupted = an_interrupted_run()
    events += [event async for event in interrupted.run("go")]

    assert {type(event).__name__ for event in events} == declared(stream, LoopEvent)
    await interrupted.aclose()


@pytest.mark.requirement("EV-1")
async def test_an_interrupted_run_ends_with_exactly_one_interrupt_event() -> None:
    agent = an_interrupted_run()

    events = [event.event_type async for event in agent.run("go")]

    assert events[-1] == "interrupt"
    assert events.count("interrupt") + events.count("terminate") == 1
    await agent.aclose()


@pytest.mark.requirement("EV-5")
async def test_payloads_carry_previews_of_at_most_240_characters_and_total_tokens() -> None:
    @tool
    async def talk() -> str:
        """Talk much."""
        return LONG

    model = ScriptedModel([ScriptedTurn(text=LONG, calls=(call("talk"),)), LONG])
    events = [event async for event in Agent(model, [talk]).start(Task(parts_of("go"), "m"))]

    previews = dict(_previews([event.to_json() for event in events]))
    assert {"reasoning_preview", "output_preview", "final_message_preview"} <= set(previews)
    assert all(len(text) == PREVIEW_LENGTH for text in previews.values())
    assert {event.type for event in events if _holds(event.to_json(), "total_tokens")} == {
        "agent.model.completed", "agent.tokens.used", "agent.terminate",
    }  # fmt: skip


def _previews(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name.endswith("_preview") and each:
                yield name, each
            yield from _previews(each)
    elif isinstance(value, list):
        for each in value:
            yield from _previews(each)


def _holds(value: object, name: str) -> bool:
    return isinstance(value, dict) and (
        name in value or any(_holds(each, name) for each in value.values())
    )


def test_values_under_secret_looking_keys_are_hidden() -> None:
    arguments: JsonObject = {"api_key": "k", "deep": [{"Password": "p", "user": "u"}]}

    assert hidden(arguments) == {
        "api_key": "[redacted]",
        "deep": [{"Password": "[redacted]", "user": "u"}],
    }
