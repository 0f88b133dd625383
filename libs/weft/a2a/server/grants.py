"""Tools that a caller grants with a task: calling one asks the caller, who makes the use."""

from dataclasses import replace

from weft.core import Interrupt, JsonObject, JsonValue
from weft.loop import SubagentFailedError
from weft.tools import READ, InterruptRaised, Tool, ToolContext, interrupt_id, tool

MOST = 128
_NAME = 64


def granted(listed: JsonValue) -> tuple[Tool, ...]:
    """Return the tools that a message's metadata tells of; what has no name is none."""
    entries = listed if isinstance(listed, list) else []
    grants = [entry for entry in entries if isinstance(entry, dict)]
    tools = {name: _tool(name, grant) for grant in grants[:MOST] if (name := _name(grant))}
    return tuple(tools.values())


def _name(grant: JsonObject) -> str:
    name = grant.get("name")
    return name if isinstance(name, str) and len(name) <= _NAME else ""


def _tool(name: str, grant: JsonObject) -> Tool:
    description, examples = grant.get("description"), grant.get("examples")
    return replace(
        _use,
        name=name,
        description=description if isinstance(description, str) else "",
        labels=frozenset({READ if grant.get("reads") is True else "write"}),
        examples=tuple(map(str, examples)) if isinstance(examples, list) else (),
        resumes=True,
    )


@tool
async def _use(task: str, context: ToolContext) -> JsonValue:
    """Let another agent do a part of the work.

    Args:
        task: What to do, in words, with everything needed to understand it.
        context: The call that may use it.
    """
    question_id = interrupt_id("grant", context.run_id, *context.place, context.tool_call_id)
    if question_id in context.answers:
        return _brought(context.answers[question_id], context.tool_name)
    raise InterruptRaised(
        Interrupt(
            id=question_id,
            reason="grant",
            message=f"{context.tool_name} is the caller's to use",
            path=context.path,
            agent=context.agent_id or None,
            tool_call_id=context.tool_call_id or None,
            metadata={"tool": context.tool_name, "arguments": {"task": task}},
        )
    )


def _brought(answer: JsonValue, name: str) -> JsonValue:
    if isinstance(answer, dict) and "result" in answer:
        return answer["result"]
    error = answer.get("error") if isinstance(answer, dict) else None
    raise SubagentFailedError(f"{name}: {error or 'the caller did not make the use'}")
