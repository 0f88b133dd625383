"""A hostile model against the loop that has to hold."""

import anyio
import pytest

from weft.loop.agent import Agent
from weft.testing.models import CompromisedModel
from weft.tools import ToolContext, tool


@pytest.mark.requirement("MOD-27")
async def test_hostile_calls_start_no_body_and_the_run_ends() -> None:
    bodies: list[str] = []

    @tool(labels={"read"})
    async def lookup(word: str, context: ToolContext) -> str:
        """Look one word up.

        Args:
            word: The word.
            context: Whose run this is.
        """
        bodies.append(f"{word} {context.principal.tenant}")
        return word

    model = CompromisedModel()
    agent = Agent(model, [lookup], max_iterations=8)

    with anyio.fail_after(10):
        result = await agent.arun("What does weft mean?")

    assert bodies == []
    assert not result.success
    assert result.stop_reason in ("max_iterations", "tool_loop")
    assert len(model.requests) <= 9, "eight iterations, and one closing call"
    *earlier, _last = [message for message in result.messages if message.tool_calls]
    calls = [call.id for message in earlier for call in message.tool_calls]
    answers = [message.tool_call_id for message in result.messages if message.role == "tool"]
    assert answers[: len(calls)] == calls, "each call has one result, in order, whatever its id"
