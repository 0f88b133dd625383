"""The tools every agent can be given."""

import pytest

from weft.core import ToolCall
from weft.tools import TERMINAL, InterruptRaised, ToolContext, ask_user, call_tool, task_complete


async def test_a_question_stops_the_run_and_its_answer_becomes_the_result() -> None:
    call = ToolCall(
        id="c1", name="ask_user", arguments={"question": "Which?", "options": ["a", "b"]}
    )
    context = ToolContext(run_id="r1")

    with pytest.raises(InterruptRaised) as first:
        await call_tool(ask_user, call, context)
    with pytest.raises(InterruptRaised) as second:
        await call_tool(ask_user, call, context)
    asked = first.value.interrupt
    answered = await call_tool(ask_user, call, ToolContext(run_id="r1", answers={asked.id: "b"}))

    assert asked == second.value.interrupt
    assert (asked.reason, asked.message, asked.options) == ("question", "Which?", ("a", "b"))
    assert asked.tool_call_id == "c1"
    assert (answered.content, answered.outcome) == ("b", "ok")


async def test_task_complete_returns_the_summary_and_is_terminal() -> None:
    call = ToolCall(id="c1", name="task_complete", arguments={"summary": "All green."})

    done = await call_tool(task_complete, call, ToolContext())

    assert done.content == "All green."
    assert TERMINAL in task_complete.labels
