"""Owns single runs for whoever called: no pool of workers, no doorbell, nobody who recovers them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from weft.checkpoint import LEASE_SECONDS, Checkpointer, Claimed, NewRun, Run
from weft.core import JsonValue, new_id
from weft.core.errors import (
    InputError,
    InterruptAnsweredError,
    InterruptNotFoundError,
    NothingToResumeError,
    RunFinishedError,
    ThreadBusyError,
)
from weft.core.supervision import kept_going
from weft.runs.journal import Sink
from weft.runs.lease import RENEW_SECONDS, Leases
from weft.runs.owned import OwnedRun
from weft.runs.requests import Operation

__all__ = ["SoleOwner"]

RETRY_SECONDS = 0.1


class SoleOwner:
    """Takes runs of one operation in one database, each for the caller that asked for it."""

    def __init__(self, checkpointer: Checkpointer, *, name: str, operation: Operation) -> None:
        self._checkpointer = checkpointer
        self._runs = checkpointer.runs
        self._name = f"{name}-{new_id()}"
        self._operations = (operation,)

    async def accept(self, new: NewRun) -> Claimed:
        """Make the request durable and claim it; one that was claimed before is recovered.

        Raises:
            ThreadBusyError: A run of the thread lives.
            ThreadInterruptedError: The thread's run waits for an answer.
            RunFinishedError: The run of this id has ended.
        """
        accepted = await self._runs.accept(new, on_busy="take_over", owner=self._name)
        if accepted.claimed is not None:
            return accepted.claimed
        if accepted.run.terminal:
            raise RunFinishedError(new.run_id, accepted.run.status)
        return await self._claim(accepted.run)

    async def resume(self, run: Run, response: JsonValue, *, interrupt_id: str | None) -> Claimed:
        """Answer the run's question, if there is a response, and claim the run.

        Raises:
            InputError: The run waits, and there is no response.
            InterruptAnsweredError: The question has an answer already.
            InterruptNotFoundError: There is no such question.
            NothingToResumeError: The run has ended.
        """
        await self._check(run, interrupt_id)
        if run.status == "interrupted":
            if response is None:
                question = run.interrupts[0].message if run.interrupts else ""
                raise InputError(f"the run waits for an answer to {question!r}", field="response")
            answers = {interrupt_id or run.interrupts[0].id: response}
            run = await self._runs.resume(run.principal, run.run_id, answers)
        return await self._claim(run)

    @asynccontextmanager
    async def owning(
        self, claimed: Claimed, *, stop: Callable[[str], object], sink: Sink
    ) -> AsyncIterator[OwnedRun]:
        """Yield the run while its lease is kept; `stop` hears why its work must end."""
        async with OwnedRun(self._checkpointer, claimed, stop=stop, sink=sink) as owned:
            leases = Leases(self._runs, lambda: () if owned.lost else (owned,))
            async with kept_going(leases.keep, name=f"lease {owned.held.run_id}"):
                yield owned

    async def _check(self, run: Run, interrupt_id: str | None) -> None:
        """Refuse what cannot be resumed, before anything is changed."""
        steps = await self._runs.steps(run.principal, run.run_id)
        if interrupt_id is not None and ("interrupt", interrupt_id) in steps:
            raise InterruptAnsweredError(interrupt_id)
        open_ids = {interrupt.id for interrupt in run.interrupts}
        if interrupt_id is not None and interrupt_id not in open_ids:
            raise InterruptNotFoundError(f"run {run.run_id} has no interrupt {interrupt_id!r}")
        if run.terminal:
            raise NothingToResumeError(f"run {run.run_id} is {run.status}: nothing to resume")

    async def _claim(self, run: Run) -> Claimed:
        """Take this one run as soon as its lease ends.

        Raises:
            ThreadBusyError: Its owner lives.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEASE_SECONDS + RENEW_SECONDS):
                while True:
                    claims = await self._runs.claim(
                        self._name, self._operations, limit=1, run_id=run.run_id
                    )
                    if claims:
                        return claims[0]
                    await asyncio.sleep(RETRY_SECONDS)
        raise ThreadBusyError(run.thread_id, run.run_id)
