"""What a run says at its end, where the model said nothing."""

from weft.events import preview
from weft.loop.state import AgentState
from weft.loop.terminate import OUT_OF_RESOURCES, Stop
from weft.tools import ToolRegistry
from weft.tools.builtin import TERMINAL

LISTED = 20
NO_ANSWER: frozenset[str] = frozenset({"error", "canceled", "interrupted"})


def final_message(stop: Stop, state: AgentState, tools: ToolRegistry) -> str:
    """Return the run's answer: a terminal tool's result, or the last words of the model."""
    if stop.reason == "terminal_tool" and (summary := _summary(state, tools)):
        return summary
    reply = state.last_assistant_message
    return reply.content if reply is not None and not reply.tool_calls else ""


def last_words(stop: Stop, state: AgentState, tools: ToolRegistry) -> str:
    """Return the run's answer, else what the model said last, else the results so far."""
    if answer := final_message(stop, state, tools):
        return answer
    reply = state.last_assistant_message
    if reply is not None and reply.content.strip():
        return reply.content
    return "" if stop.reason in NO_ANSWER else results_so_far(stop, state)


def results_so_far(stop: Stop, state: AgentState) -> str:
    """Return a list of what tools found before the run had to stop; empty if there is nothing."""
    if not state.tool_executions:
        return ""
    why = "Out of time or budget" if stop.reason in OUT_OF_RESOURCES else "Stopped"
    lines = [
        f"- {execution.name}: {preview(execution.content)}"
        for execution in state.tool_executions[-LISTED:]
    ]
    return "\n".join([f"{why} before an answer ({stop.reason}). Results so far:", *lines])


def _summary(state: AgentState, tools: ToolRegistry) -> str:
    for execution in reversed(state.tool_executions):
        tool = tools.get(execution.name)
        if tool is not None and TERMINAL in tool.labels and execution.ok:
            return execution.content
    return ""
