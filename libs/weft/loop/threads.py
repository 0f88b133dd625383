"""Which thread a lone agent's run belongs to, and what the run adds to it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio

from weft.checkpoint import Checkpointer, Claimed, Run, ThreadKey, Turn
from weft.core import LOCAL, Authority, JsonValue, Message, Reason, Result, RunId
from weft.core.errors import InputError, NothingToResumeError
from weft.core.supervision import guarded
from weft.events import Envelope
from weft.loop.result import AgentResult, as_peer_result
from weft.runs import AgentRequest, OwnedRun, RunOutcome, SoleOwner, new_run

ABANDON_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ThreadRun:
    """A run that is owned here, with what was said in its thread before."""

    owned: OwnedRun
    request: AgentRequest
    history: tuple[Message, ...]
    version: int
    """Of the thread, as loaded."""


class Threads:
    """The conversations of one agent in one database."""

    def __init__(self, checkpointer: Checkpointer, agent: str) -> None:
        self._checkpointer = checkpointer
        self._agent = agent
        self._owner = SoleOwner(checkpointer, name=agent, operation=AgentRequest.operation)

    async def accept(
        self, request: AgentRequest, *, run_id: RunId, thread_id: str, authority: Authority
    ) -> Claimed:
        """Make the request durable and claim it. Raises as `SoleOwner.accept`."""
        new = new_run(
            request,
            authority,
            run_id=run_id,
            thread_id=thread_id,
            agent=self._agent,
            service=self._agent,
        )
        return await self._owner.accept(new)

    async def resume(
        self,
        response: JsonValue,
        *,
        interrupt_id: str | None,
        thread_id: str | None,
        run_id: str | None,
    ) -> Claimed:
        """Answer the thread's newest run, or the named one, and claim it.

        Raises:
            InputError: It is no run of a lone agent.
            NothingToResumeError: The thread has no run; else as `SoleOwner.resume`.
        """
        run = await self._find(thread_id, run_id)
        # Before anything is changed: what another agent, or the mesh, was asked is not ours.
        AgentRequest.of(run)
        return await self._owner.resume(run, response, interrupt_id=interrupt_id)

    @asynccontextmanager
    async def opened(
        self,
        claimed: Claimed,
        *,
        stop: Callable[[str], object],
        sink: Callable[[Sequence[Envelope]], None],
    ) -> AsyncIterator[ThreadRun]:
        """Yield the run while its lease is kept; `stop` hears why its work must end."""
        request = AgentRequest.of(claimed.run)
        async with self._owner.owning(claimed, stop=stop, sink=sink) as owned:
            key = _key(claimed.run)
            thread = await self._checkpointer.threads.load(key) if request.kept else None
            entries = () if thread is None else thread.entries
            history = tuple(Message.model_validate_json(entry) for entry in entries)
            yield ThreadRun(owned, request, history, version=len(entries))

    async def end(self, current: ThreadRun, result: AgentResult) -> None:
        """Write the run's end with what it adds to the thread, or park it.

        Raises:
            FencedError: The lease was lost: another owner may have the run.
            CanceledError: Somebody wanted its end, and got that.
            StaleThreadError: The thread went on without this run.
            InputError: No database keeps the result.
        """
        owned, outcome = current.owned, RunOutcome(as_peer_result(result))
        if outcome.result.status == "canceled":
            outcome = owned.canceled(outcome.result)
        written = await owned.end(replace(outcome, turn=_turn(current, result)))
        if written.refusal is not None:
            raise written.refusal
        if outcome.result.status != "interrupted" and not current.request.kept:
            await self._checkpointer.threads.delete(_key(owned.run))

    async def abandon(self, current: ThreadRun) -> None:
        """Write that the run was cancelled, whatever cancels the caller meanwhile.

        Where that fails, its lease ends: the caller hears of its own cancellation only.
        """
        owned = current.owned
        if owned.lost:
            return
        reason = Reason(code="canceled", message="the task that awaited the run was cancelled")
        canceled = Result(status="canceled", reasons=(reason,))
        with anyio.move_on_after(ABANDON_SECONDS, shield=True), guarded("end of a cancelled run"):
            await owned.end(owned.canceled(canceled))

    async def _find(self, thread_id: str | None, run_id: str | None) -> Run:
        if run_id is not None:
            return await self._checkpointer.runs.read(LOCAL, RunId(run_id))
        if thread_id is None:
            raise InputError("resume needs thread_id or run_id", field="thread_id")
        key = ThreadKey(LOCAL.tenant, LOCAL.subject, thread_id)
        newest = await self._checkpointer.runs.thread_runs(key, limit=1)
        if not newest:
            raise NothingToResumeError(f"thread {thread_id!r} has no run")
        return newest[0]


def _key(run: Run) -> ThreadKey:
    return ThreadKey(run.tenant, run.subject, run.thread_id)


def _turn(current: ThreadRun, result: AgentResult) -> Turn | None:
    """Return what the run adds to its thread: nothing if the model never replied."""
    if not current.request.kept:
        return None
    said = [message for message in result.messages if message.role != "system"]
    earlier = sum(message.role != "system" for message in current.history)
    fresh = said[earlier:]
    if not any(message.role == "assistant" for message in fresh):
        return None
    entries = tuple(_shown(message).model_dump_json().encode() for message in fresh)
    return Turn(_key(current.owned.run), entries, current.version)


def _shown(message: Message) -> Message:
    """Return what a thread keeps: of a shortened result only what was shown."""
    if message.role != "tool" or not message.parts:
        return message
    return message.model_copy(
        update={"parts": tuple(part for part in message.parts if part.kind != "data")}
    )
