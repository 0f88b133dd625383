"""Durable runs of a lone agent: claimed, journalled, parked, resumed, and kept in their thread."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from weft.checkpoint import (
    LEASE_SECONDS,
    Accepted,
    Checkpointer,
    Claimed,
    Ending,
    Held,
    NewRun,
    Run,
    TerminalStatus,
    ThreadKey,
    Turn,
)
from weft.checkpoint.lease import RENEW_SECONDS, Leases
from weft.checkpoint.run_journal import RunJournal
from weft.core import (
    LOCAL,
    JsonObject,
    JsonValue,
    Message,
    Principal,
    Reason,
    Result,
    RunId,
    dumps,
    new_id,
)
from weft.core.errors import (
    FencedError,
    InputError,
    InterruptAnsweredError,
    InterruptNotFoundError,
    NothingToResumeError,
    RunFinishedError,
    ThreadBusyError,
)
from weft.core.supervision import kept_going
from weft.events import (
    Acceptance,
    Cancellation,
    Completion,
    Envelope,
    ErrorData,
    Event,
    Output,
    RunAccepted,
    RunCanceled,
    RunCompleted,
    RunFailed,
    RunFailure,
    preview,
)
from weft.loop.result import AgentResult, as_peer_result
from weft.loop.steps import answers_in
from weft.runs import AGENT_RUN

RETRY_SECONDS = 0.1
ABANDON_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """What a run was asked, as stored."""

    prompt: str
    metadata: JsonObject
    limits: JsonObject
    kept: bool
    """The thread outlives the run."""

    def to_json(self) -> JsonObject:
        return {
            "prompt": self.prompt,
            "metadata": self.metadata,
            "limits": self.limits,
            "kept": self.kept,
        }

    @classmethod
    def of(cls, run: Run) -> "StoredRequest":
        stored = run.request
        metadata, limits = stored.get("metadata"), stored.get("limits")
        return cls(
            prompt=str(stored.get("prompt", "")),
            metadata=metadata if isinstance(metadata, dict) else {},
            limits=limits if isinstance(limits, dict) else {},
            kept=bool(stored.get("kept")),
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A claimed run, ready to be driven."""

    run: Run
    asked: StoredRequest
    journal: RunJournal
    history: tuple[Message, ...]
    version: int
    """Of the thread, as loaded."""
    answers: JsonObject


class Threads:
    """The durable runs of one agent in one database."""

    def __init__(self, checkpointer: Checkpointer, agent: str) -> None:
        self._checkpointer = checkpointer
        self._agent = agent
        self._owner = f"{agent}-{new_id()}"

    async def accept(
        self, asked: StoredRequest, *, run_id: RunId, thread_id: str, principal: Principal
    ) -> Claimed:
        """Make the request durable and claim it; one that was claimed before is recovered.

        Raises:
            ThreadBusyError: A run of the thread lives.
            ThreadInterruptedError: The thread's run waits for an answer.
            RunFinishedError: The run of this id has ended.
        """
        request = asked.to_json()
        told = Acceptance(
            input_preview=preview(asked.prompt), subject=principal.subject, agent=self._agent
        )
        new = NewRun(
            run_id=run_id,
            principal=principal,
            operation=AGENT_RUN,
            idem_key=run_id,
            body_hash=hashlib.sha256(dumps(request)).hexdigest(),
            thread_id=thread_id,
            request=request,
            accepted=RunAccepted(data=told),
        )
        runs = self._checkpointer.runs
        accepted: Accepted = await runs.accept(new, on_busy="take_over", owner=self._owner)
        if accepted.claimed is not None:
            return accepted.claimed
        if accepted.run.terminal:
            raise RunFinishedError(run_id, accepted.run.status)
        return await self._claim(accepted.run)

    async def resume(
        self,
        response: JsonValue,
        *,
        interrupt_id: str | None,
        thread_id: str | None,
        run_id: str | None,
    ) -> Claimed:
        """Answer the run's question, if there is a response, and claim the run.

        Raises:
            InterruptAnsweredError: The question has an answer already.
            InterruptNotFoundError: There is no such question.
            NothingToResumeError: The run has ended, or the thread has none.
        """
        run = await self._find(thread_id, run_id)
        await self._check(run, interrupt_id)
        if run.status == "interrupted":
            if response is None:
                question = run.interrupts[0].message if run.interrupts else ""
                raise InputError(f"the run waits for an answer to {question!r}", field="response")
            answered = interrupt_id or run.interrupts[0].id
            principal = _owner_of(run)
            run = await self._checkpointer.runs.resume(principal, run.run_id, {answered: response})
        return await self._claim(run)

    @asynccontextmanager
    async def opened(
        self,
        claimed: Claimed,
        *,
        cancel: Callable[[str], None],
        sink: Callable[[Sequence[Envelope]], None],
    ) -> AsyncIterator[Opened]:
        """Yield the run while its lease is kept; `cancel` is told when it is lost."""
        run, asked = claimed.run, StoredRequest.of(claimed.run)
        key = _key(run)
        async with RunJournal(self._checkpointer, claimed, sink) as journal:
            leases = Leases(self._checkpointer.runs, _Holder(journal, cancel))
            async with kept_going(leases.keep, name=f"lease {run.run_id}"):
                thread = await self._checkpointer.threads.load(key) if asked.kept else None
                entries = () if thread is None else thread.entries
                yield Opened(
                    run=run,
                    asked=asked,
                    journal=journal,
                    history=tuple(Message.model_validate_json(each) for each in entries),
                    version=len(entries),
                    answers=answers_in(claimed.steps),
                )

    async def end(self, opened: Opened, result: AgentResult) -> None:
        """Write the run's end with what it adds to the thread, or park it.

        Raises:
            FencedError: The lease was lost: another owner may have the run.
        """
        runs, journal = self._checkpointer.runs, opened.journal
        if journal.handed_over:
            raise FencedError(journal.run_id, journal.held.epoch)
        if result.stop.interrupts:
            await runs.park(journal.held, result.stop.interrupts, ())
            return
        peer = as_peer_result(result)
        status: TerminalStatus = "failed"
        if peer.status in ("completed", "canceled"):
            status = "completed" if peer.status == "completed" else "canceled"
        why = None if status != "failed" else peer.reasons[0].to_json()
        ending = Ending(
            status=status,
            result=peer.to_json(),
            error=why,
            turn=_turn(opened, result),
            events=(_last(status, result, opened),),
        )
        await runs.finish(journal.held, ending)
        if not opened.asked.kept:
            await self._checkpointer.threads.delete(_key(opened.run))

    async def abandon(self, opened: Opened) -> None:
        """Write that the run was cancelled, whatever cancels the caller meanwhile."""
        if opened.journal.handed_over:
            return
        why = Reason(code="canceled", message="the task that awaited the run was cancelled")
        ending = Ending(
            status="canceled",
            result=Result(status="canceled", reasons=(why,)).to_json(),
            events=(RunCanceled(data=Cancellation(report=opened.journal.report)),),
        )
        with anyio.move_on_after(ABANDON_SECONDS, shield=True):
            await self._checkpointer.runs.finish(opened.journal.held, ending)

    async def _find(self, thread_id: str | None, run_id: str | None) -> Run:
        if run_id is not None:
            return await self._checkpointer.runs.read(LOCAL, RunId(run_id))
        if thread_id is None:
            raise InputError("resume needs thread_id or run_id", field="thread_id")
        key = ThreadKey(LOCAL.tenant, LOCAL.subject, thread_id)
        found = await self._checkpointer.runs.thread_runs(key, limit=1)
        if not found:
            raise NothingToResumeError(f"thread {thread_id!r} has no run")
        return found[0]

    async def _check(self, run: Run, interrupt_id: str | None) -> None:
        """Refuse what cannot be resumed, before anything is changed."""
        steps = await self._checkpointer.runs.steps(_owner_of(run), run.run_id)
        if interrupt_id is not None and ("interrupt", interrupt_id) in steps:
            raise InterruptAnsweredError(f"interrupt {interrupt_id!r} is answered already")
        if interrupt_id is not None and all(each.id != interrupt_id for each in run.interrupts):
            raise InterruptNotFoundError(f"run {run.run_id} has no interrupt {interrupt_id!r}")
        if run.terminal:
            raise NothingToResumeError(f"run {run.run_id} is {run.status}: nothing to resume")

    async def _claim(self, run: Run) -> Claimed:
        """Take this one run as soon as its lease ends.

        Raises:
            ThreadBusyError: Its owner lives.
        """
        runs = self._checkpointer.runs
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEASE_SECONDS + RENEW_SECONDS):
                while True:
                    if mine := await runs.claim(
                        self._owner, (AGENT_RUN,), limit=1, run_id=run.run_id
                    ):
                        return mine[0]
                    await asyncio.sleep(RETRY_SECONDS)
        raise ThreadBusyError(run.thread_id, run.run_id)


class _Holder:
    """The claim of one run, whose work ends by a call of `cancel` with the reason."""

    def __init__(self, journal: RunJournal, cancel: Callable[[str], None]) -> None:
        self._journal = journal
        self._cancel = cancel

    def leased(self) -> Sequence[Held]:
        return () if self._journal.handed_over else (self._journal.held,)

    def lost(self, held: Held) -> None:  # noqa: ARG002 - there is but one
        self._journal.hand_over()
        self._cancel("another owner may have the run")

    def stop(self, held: Held, asked: JsonObject) -> None:  # noqa: ARG002 - as above
        self._journal.cancel(asked)
        self._cancel("it was cancelled")


def _key(run: Run) -> ThreadKey:
    return ThreadKey(run.tenant, run.subject, run.thread_id)


def _owner_of(run: Run) -> Principal:
    return Principal(tenant=run.tenant, subject=run.subject, scopes=run.scopes)


def _turn(opened: Opened, result: AgentResult) -> Turn | None:
    """Return what the run adds to its thread: nothing if the model never replied."""
    if not opened.asked.kept:
        return None
    said = [message for message in result.messages if message.role != "system"]
    fresh = said[len([each for each in opened.history if each.role != "system"]) :]
    if not any(message.role == "assistant" for message in fresh):
        return None
    entries = tuple(_kept(message).model_dump_json().encode() for message in fresh)
    return Turn(_key(opened.run), entries, opened.version)


def _kept(message: Message) -> Message:
    """Return what a thread keeps: of a shortened result only what was shown."""
    if message.role != "tool" or not message.parts:
        return message
    return message.model_copy(
        update={"parts": tuple(part for part in message.parts if part.data is None)}
    )


def _last(status: TerminalStatus, result: AgentResult, opened: Opened) -> Event:
    usage, output = result.state.usage, Output(text=result.text)
    if status == "completed":
        return RunCompleted(
            data=Completion(
                output=output,
                output_preview=preview(result.text),
                stop_reason=result.stop_reason,
                usage=usage,
                duration_ms=result.duration_ms,
            )
        )
    if status == "canceled":
        canceled = Cancellation(
            report=opened.journal.report, usage=usage, duration_ms=result.duration_ms
        )
        return RunCanceled(data=canceled)
    error = result.error
    told = ErrorData(
        code=error.code if error else result.stop_reason,
        message=error.message if error else result.stop_explanation,
    )
    return RunFailed(
        data=RunFailure(
            error=told,
            stop_reason=result.stop_reason,
            output=output,
            output_preview=preview(result.text),
            usage=usage,
            duration_ms=result.duration_ms,
        )
    )
