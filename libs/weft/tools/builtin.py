"""The tools every agent can be given: ask a person, and say that the task is complete."""

from weft.core import Interrupt
from weft.tools.context import ToolContext
from weft.tools.decorator import tool
from weft.tools.interrupts import InterruptRaised, interrupt_id
from weft.tools.rendering import as_text

TERMINAL = "terminal"
"""The label of tools whose success ends the run."""


@tool
async def ask_user(question: str, context: ToolContext, options: list[str] | None = None) -> str:
    """Ask the user a question and wait for the answer.

    Args:
        question: What to ask.
        context: The run that waits.
        options: The answers to choose from, if the choice is closed.
    """
    question_id = interrupt_id("ask_user", context.run_id, *context.place, context.tool_call_id)
    if question_id in context.answers:
        return as_text(context.answers[question_id])
    raise InterruptRaised(
        Interrupt(
            id=question_id,
            reason="question",
            message=question,
            path=context.path,
            agent=context.agent_id or None,
            tool_call_id=context.tool_call_id or None,
            options=tuple(options or ()),
            response_schema={"type": "string", "enum": [*options]} if options else None,
        )
    )


@tool(labels=[TERMINAL])
async def task_complete(summary: str) -> str:
    """Say that the task is complete; the summary is the answer.

    Args:
        summary: The whole answer, as its reader shall see it.
    """
    return summary
