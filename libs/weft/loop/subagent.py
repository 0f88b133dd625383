"""An agent as another agent's tool: within the caller's limits, on its event loop."""

import asyncio

from weft.core import JsonValue, Result, name_digest, parts_of
from weft.core.errors import WeftError
from weft.loop.peer import Peer, PeerRun, Task
from weft.loop.stopped import stopped
from weft.runs import Journal, NestedJournal
from weft.tools import Tool, ToolContext, tool
from weft.tools.interrupts import InterruptRaised

WHY = "the caller was cancelled"
GRACE_SECONDS = 5.0


class SubagentFailedError(WeftError):
    """The agent that was asked ended without success."""

    code = "subagent_failed"


def agent_tool(peer: Peer, name: str, description: str) -> Tool:
    """Return a tool that hands its task to `peer` and returns the answer."""

    async def ask(task: str, context: ToolContext) -> object:
        """Hand a task to another agent.

        Args:
            task: What to do, with everything needed to understand it.
            context: The run that asks.
        """
        run = peer.start(_task(task, context))
        try:
            async for event in run:
                context.emit(event.under((context.tool_call_id,)))
            result = await run
        except asyncio.CancelledError:
            context.report(await _stop(run, context.journal, name))
            raise
        context.spend(result.usage)
        return _answer(result, name, context.tool_call_id)

    return tool(name=name, description=description)(ask)


def _task(prompt: str, context: ToolContext) -> Task:
    return Task(
        parts=parts_of(prompt),
        message_id=name_digest(f"{context.run_id}\n{context.tool_call_id}"),
        authority=context.authority,
        metadata=context.metadata,
        answers=context.answers,
        journal=_journal(context),
    )


async def _stop(run: PeerRun, journal: Journal | None, name: str) -> JsonValue:
    """Tell who was asked to stop: elsewhere nobody else would; return what became of it.

    Where the run goes on with another owner its work goes on, too.
    """
    if journal is not None and journal.handed_over:
        return None

    def stopping() -> tuple[str, float]:
        return (WHY, GRACE_SECONDS) if journal is None else journal.stopping(WHY, GRACE_SECONDS)

    return await stopped(run, stopping, name)


def _journal(context: ToolContext) -> Journal | None:
    """Return where the agent writes, so that it goes on where it stood when its caller does."""
    if context.journal is None:
        return None
    return NestedJournal(context.journal, (context.tool_call_id,), tell=context.emit)


def _answer(result: Result, name: str, call_id: str) -> object:
    if result.interrupts:
        question = result.interrupts[0]
        raise InterruptRaised(question.model_copy(update={"path": (call_id, *question.path)}))
    if not result.ok:
        why = "; ".join(reason.message for reason in result.reasons)
        raise SubagentFailedError(f"{name}: {why or result.status}")
    if result.claims:
        return {"text": result.text, "claims": [claim.to_json() for claim in result.claims]}
    return result.text
