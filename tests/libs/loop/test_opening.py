"""An agent that looks before it asks: its first calls are no model's choice."""

import pytest

from weft.checkpoint.memory import memory_checkpointer
from weft.core import Claim, JsonObject
from weft.core.errors import ConfigError
from weft.loop import Agent, ThinkEvent
from weft.models import get_model
from weft.testing import ScriptedModel, call
from weft.tools import tool

CLAIM = Claim(text="payment is slow", subject="payment", predicate="root_cause")


@tool(labels={"read"})
async def analyze(data: str) -> JsonObject:
    """Analyze an incident."""
    return {"summary": data, "claims": [CLAIM.to_json()]}


@tool
async def mend(service: str) -> str:
    """Mend a service."""
    return service


async def test_what_it_opens_with_is_there_before_the_model_is_asked() -> None:
    model = ScriptedModel(["All is well."])
    agent = Agent(model, [analyze], opening_tools=["analyze"])

    run = agent.run("Why?", metadata={"data": "d"})
    thoughts = [event async for event in run if isinstance(event, ThinkEvent)]
    result = await run

    said, *found = model.requests[0].messages[-2:]
    assert said.tool_calls[0].name == "analyze"
    assert '"summary": "d"' in found[0].content
    assert [claim.subject for claim in result.claims] == ["payment"]
    assert [len(each.tool_calls) for each in thoughts] == [1, 0]
    assert (result.generated_by, result.state.model_calls) == ("model", 1)


async def test_rules_add_no_call_of_their_own_to_it() -> None:
    agent = Agent(get_model("offline:"), [analyze], opening_tools=["analyze"])

    result = await agent.arun("Analyze the incident", metadata={"data": "d"})

    assert [each.arguments for each in result.tool_executions] == [{"data": "d"}]
    assert result.state.model_calls == 0


async def test_what_is_not_told_where_to_look_waits_for_the_model() -> None:
    model = ScriptedModel([call("analyze", data="found"), "done"])
    agent = Agent(model, [analyze], opening_tools=["analyze"])

    result = await agent.arun("Why?")

    assert [each.arguments for each in result.tool_executions] == [{"data": "found"}]


async def test_each_prompt_of_a_thread_is_opened_anew_under_an_id_of_its_own() -> None:
    checkpointer = memory_checkpointer()
    model = ScriptedModel(["one", "two"])
    agent = Agent(model, [analyze], opening_tools=["analyze"], checkpointer=checkpointer)

    for prompt in ("Why?", "And now?"):
        await agent.arun(prompt, thread_id="t", metadata={"data": "d"})

    ids = [each.id for message in model.requests[1].messages for each in message.tool_calls]
    assert len(ids) == len(set(ids)) == 2


@pytest.mark.parametrize(
    ("name", "why"), [("analyse", "did you mean 'analyze'"), ("mend", "may change something")]
)
def test_only_a_tool_of_its_own_that_reads_is_opened_with(name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Agent(ScriptedModel([]), [analyze, mend], opening_tools=[name])
