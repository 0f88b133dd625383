"""An agent as another agent's tool: within the caller's limits, on its event loop."""

import asyncio
import logging

import anyio

from weft.core import Result, name_digest, parts_of
from weft.core.errors import WeftError
from weft.loop.peer import Peer, PeerRun, Task
from weft.runs import Journal, NestedJournal
from weft.tools import Tool, ToolContext, tool
from weft.tools.interrupts import InterruptRaised

log = logging.getLogger(__name__)

WHY = "the caller was cancelled"
GRACE_SECONDS = 5.0
STOP_SECONDS = 3.0
"""Beyond the grace, for the answer itself."""


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
            await _stop(run, context.journal, name)
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


async def _stop(run: PeerRun, journal: Journal | None, name: str) -> None:
    """Tell who was asked to stop: elsewhere nobody else would.

    Where the run goes on with another owner its work goes on, too.
    """
    if journal is not None and journal.handed_over:
        return
    why, grace_s = WHY, GRACE_SECONDS
    if journal is not None:
        why, grace_s = journal.stopping(why, grace_s)
    with anyio.move_on_after(grace_s + STOP_SECONDS, shield=True):
        try:
            await run.cancel(why, grace_s=grace_s)
        except Exception:  # noqa: BLE001 - whatever the peer answers, the cancellation goes on
            log.warning("cancel_failed", extra={"peer": name})


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
