"""The planner inside an agent's run: what its label and its errors become there."""

import pytest

from weft.core import JsonObject
from weft.core.errors import RunFailedError
from weft.loop.agent import Agent
from weft.loop.result import AgentResult
from weft.loop.stream import ModelCompleteEvent
from weft.models import get_model
from weft.models.offline.compose import LABEL
from weft.tools import tool


@tool(labels={"read"})
async def analyze_logs(data: str) -> JsonObject:
    """Analyze the logs of an incident.

    Args:
        data: Where they are.
    """
    return {"summary": f"read {data}", "findings": [{"text": "pool exhausted", "severity": "high"}]}


@pytest.mark.requirement("MOD-41")
async def test_the_label_stands_in_events_and_result() -> None:
    agent = Agent(get_model("offline:"), [analyze_logs])

    run = agent.run("Diagnose the checkout slowdown", metadata={"data": "case-7"})
    events = [event async for event in run if isinstance(event, ModelCompleteEvent)]
    result = await run

    assert {(event.model, event.generated_by) for event in events} == {("offline:rules", "rules")}
    assert result.generated_by == "rules"
    assert result.message.splitlines()[0] == LABEL
    assert "analyze_logs: read case-7" in result.message
    assert result.metrics.total_tokens == 0


@pytest.mark.requirement("MOD-42")
async def test_a_run_that_no_tool_fits_ends_with_its_code_and_help() -> None:
    agent = Agent(get_model("offline:"), [analyze_logs])

    with pytest.raises(RunFailedError) as caught:
        await agent.arun("What is the meaning of life?")

    result = caught.value.result
    assert isinstance(result, AgentResult)
    assert result.error is not None
    assert result.error.code == "no_applicable_tool"
    assert "analyze_logs: Analyze the logs of an incident" in result.error.message
