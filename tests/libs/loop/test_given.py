"""What a run brings along reaches a model's calls as it reaches the rules'."""

from typing import Any

import pytest

from weft.core import JsonObject, Message
from weft.loop import Agent
from weft.models import ModelRequest, get_model
from weft.testing import ScriptedModel, ScriptedOpenAIServer, call
from weft.testing.openai_script import WireCall, WireReply
from weft.tools import tool

PLACE = "/incidents/checkout"


@tool(labels={"read"})
async def look(data: str, depth: int = 1) -> str:
    """Look at an incident.

    Args:
        data: Its directory.
        depth: How far.
    """
    return f"looked at {data}, {depth} deep"


@tool
async def restart(service: str) -> str:
    """Restart a service."""
    return f"restarted {service}"


@tool(labels={"read"})
async def unlock(token: str, notes: str) -> str:
    """Open something."""
    return f"{len(token)} {len(notes)}"


def instructions(request: ModelRequest) -> str:
    first: Message = request.messages[0]
    return first.content if first.role == "system" else ""


@pytest.mark.requirement("DIAG-30")
async def test_a_call_that_names_no_data_gets_the_runs() -> None:
    model = ScriptedModel([call("look"), "done"])

    result = await Agent(model, [look]).arun("Why?", metadata={"data": PLACE})

    assert [each.content for each in result.tool_executions] == [f"looked at {PLACE}, 1 deep"]
    assert result.tool_executions[0].arguments == {"data": PLACE, "depth": 1}


async def test_what_a_call_names_comes_before_what_the_run_brings() -> None:
    model = ScriptedModel([call("look", data="/other", depth=3), "done"])

    result = await Agent(model, [look]).arun("Why?", metadata={"data": PLACE, "depth": 2})

    assert result.tool_executions[0].content == "looked at /other, 3 deep"


@pytest.mark.requirement("DIAG-30")
async def test_a_model_is_told_of_it_and_not_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    script = [WireReply(calls=(WireCall(name="look"),)), WireReply(text="done")]
    async with ScriptedOpenAIServer(script) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        agent = Agent("openai:scripted", [look], "You look.")
        result = await agent.arun("Why?", metadata={"data": PLACE, "unrelated": 1})
        await agent.aclose()
        body: Any = server.requests[0].body

    offered = body["tools"][0]["function"]["parameters"]
    assert (offered["required"], offered["properties"]["data"]["default"]) == ([], PLACE)
    assert body["messages"][0]["content"].startswith("You look.\n\n")
    assert f'- data: "{PLACE}"' in body["messages"][0]["content"]
    assert "unrelated" not in body["messages"][0]["content"]
    assert result.tool_executions[0].content == f"looked at {PLACE}, 1 deep"


async def test_rules_bind_the_same() -> None:
    agent = Agent(get_model("offline:"), [look], "You look.")

    result = await agent.arun("Look at the incident", metadata={"data": PLACE})

    assert result.tool_executions[0].arguments["data"] == PLACE


async def test_what_changes_something_is_asked_for_in_full() -> None:
    model = ScriptedModel([call("restart"), "done"])

    result = await Agent(model, [restart]).arun("Why?", metadata={"service": "payment"})

    assert "service" in (result.tool_executions[0].error or "")
    assert model.requests[0].tools[0].given == {}
    assert "payment" not in instructions(model.requests[0])


async def test_what_is_secret_or_long_is_filled_in_and_not_shown() -> None:
    model = ScriptedModel([call("unlock"), "done"])
    metadata: JsonObject = {"token": "abcdefgh", "notes": "x" * 2000}

    result = await Agent(model, [unlock]).arun("Open it", metadata=metadata)

    offered = model.requests[0].tools[0].offered
    assert result.tool_executions[0].content == "8 2000"
    assert offered["required"] == []
    assert "abcdefgh" not in str(model.requests[0].messages) + str(offered)
    assert "xxx" not in instructions(model.requests[0])


async def test_a_run_that_brings_nothing_tells_nothing() -> None:
    model = ScriptedModel(["done"])

    await Agent(model, [look], "You look.").arun("Why?")

    assert instructions(model.requests[0]) == "You look."
    assert model.requests[0].tools[0].offered["required"] == ["data"]
