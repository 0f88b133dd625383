"""Owns runs: claims them, keeps their leases, carries them out and writes their end."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import NotRequired, TypedDict, Unpack

from weft.bus import subjects
from weft.checkpoint import Claimed, Held, Prepare, Run, StepWrite
from weft.checkpoint.lease import Leases
from weft.checkpoint.run_journal import RunJournal, patiently
from weft.core import SYSTEM_CLOCK, Clock, JsonObject, Result, RunId
from weft.core.errors import (
    CanceledError,
    FencedError,
    InputError,
    StaleThreadError,
    StoreError,
    WeftError,
)
from weft.core.supervision import guarded, kept_going
from weft.events import Event
from weft.runs.outcome import Execute, RunOutcome, completed, ending, interrupts_of
from weft.runs.runs import Runs

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0


@dataclass(slots=True)
class _Held:
    claimed: Claimed
    task: asyncio.Task[None]
    canceling: JsonObject | None = None
    lost: bool = False
    journal: RunJournal | None = None

    def cancel(self, asked: JsonObject) -> None:
        """End the work for good."""
        self.canceling = asked
        if self.journal is not None:
            self.journal.cancel(asked)
        self.task.cancel()

    def hand_over(self) -> None:
        """End the work here, and here only: whoever claims the run next goes on with it."""
        if self.journal is not None:
            self.journal.hand_over()
        self.task.cancel()


class WorkerOptions(TypedDict):
    """What a worker is told by name."""

    name: str
    operations: Collection[str]
    """Of the runs that it carries out; others in its store are left to their own owners."""
    prepare: NotRequired[Prepare | None]
    """Makes a run's first step within its claim: pure, and free to make none."""
    slots: NotRequired[int]
    clock: NotRequired[Clock]


class Worker:
    """Executes at most `slots` runs of one store at a time; use `working()`."""

    def __init__(
        self,
        runs: Runs,
        execute: Execute,
        **options: Unpack[WorkerOptions],
    ) -> None:
        self.name = options["name"]
        self.operations = frozenset(options["operations"])
        prepare = options.get("prepare")
        self.prepare: Prepare | None = prepare and partial(_prepared, prepare)
        self._runs = runs
        self._store = runs.checkpointer.runs
        self._execute = execute
        self._slots = options.get("slots", 64)
        self._clock = options.get("clock", SYSTEM_CLOCK)
        self._leases = Leases(self._store, self, clock=self._clock)
        self._held: dict[RunId, _Held] = {}
        self._wake = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._draining = False

    @property
    def free(self) -> int:
        return 0 if self._draining or self._tasks is None else self._slots - len(self._held)

    def leave(self) -> None:
        """Claim nothing more; what is under way goes on until `working()` ends."""
        self._draining = True

    @property
    def busy(self) -> int:
        """How many runs are under way."""
        return len(self._held)

    def take(self, claimed: Claimed) -> None:
        """Carry out a run whose claim was won elsewhere in this process."""
        if self._tasks is None:
            raise RuntimeError("the worker is not working")
        run_id = claimed.held.run_id
        task = self._tasks.create_task(self._own(claimed), name=f"run {run_id}")
        self._held[run_id] = _Held(claimed, task)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Claim and execute for as long as the context lasts; then drain and release.

        Draining stops claiming, gives runs `DRAIN_SECONDS` to end, and releases the rest, so that
        another owner goes on with them at once.
        """
        async with (
            self._runs.bus.subscribe(subjects.work(self._runs.pool), queue="workers") as bells,
            self._runs.bus.subscribe(subjects.all_cancels(self._runs.pool)) as cancels,
            asyncio.TaskGroup() as tasks,
            # Runs are drained while leases are kept and cancels are heard.
            AsyncExitStack() as background,
        ):
            self._tasks = tasks
            self._runs.owner = self
            for name, work in (
                ("leases", self._leases.keep),
                ("bells", partial(self._hear_bells, bells)),
                ("cancels", partial(self._hear_cancels, cancels)),
            ):
                await background.enter_async_context(kept_going(work, name=name))
            try:
                async with kept_going(self._claim_forever, name="claim"):
                    yield
            finally:
                self._draining = True
                await self._drain()
                self._runs.owner = None

    def leased(self) -> Sequence[Held]:
        """Return the claims to keep."""
        return [each.claimed.held for each in self._held.values() if not each.lost]

    def lost(self, held: Held) -> None:
        """Stop work on a claim that is over."""
        _lose(self._held[held.run_id])

    def stop(self, held: Held, asked: JsonObject) -> None:
        """End a run that somebody wants to end."""
        mine = self._held[held.run_id]
        if mine.canceling is None:
            mine.cancel(asked)

    async def _hear_bells(self, bells: AsyncGenerator[tuple[str, bytes], None]) -> None:
        async for _ in bells:
            self._wake.set()

    async def _hear_cancels(self, cancels: AsyncGenerator[tuple[str, bytes], None]) -> None:
        async for subject, _ in cancels:
            if subjects.run_of(subject) in self._held:
                # Where this fails, the next renewal hears of it.
                with guarded("cancel"):
                    await self._leases.look()

    async def _claim_forever(self) -> None:
        while True:
            with guarded("claim"):
                await self._claim()
            try:
                # The doorbell may be lost; without it this finds the run a little later.
                async with asyncio.timeout(random.uniform(0.25, 0.5)):  # noqa: S311 - jitter
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _claim(self) -> None:
        while True:
            # Also with no slot free: a bell left set would let the loop spin and never rest.
            self._wake.clear()
            if (free := self.free) <= 0:
                return
            claimed = await self._store.claim(
                self.name, self.operations, limit=free, prepare=self.prepare
            )
            for each in claimed:
                self._runs.tell(each.events)
                if each.held.run_id in self._held:
                    # Our own lease ran out while we were stalled: the old task is fenced.
                    self._held[each.held.run_id].hand_over()
                self.take(each)
            if len(claimed) < free:
                return

    async def _own(self, claimed: Claimed) -> None:
        held, own = claimed.held, self._held[claimed.held.run_id]
        began = self._clock.monotonic()
        try:
            async with RunJournal(
                self._runs.checkpointer, claimed, sink=self._runs.tell
            ) as journal:
                own.journal = journal
                if claimed.run.status == "canceling":
                    outcome = RunOutcome(
                        Result(status="canceled"),
                        report=_report(claimed.run.cancel, journal.report),
                    )
                else:
                    outcome = await self._carry_out(claimed, journal)
                await self._end(journal, outcome, began)
        except FencedError:
            log.info("run_fenced", extra={"run_id": held.run_id, "epoch": held.epoch})
        except StoreError as error:
            left = {"run_id": held.run_id, "code": error.code}
            log.warning("run_left_to_its_lease", extra=left)
        except Exception:
            # The edge of a run: its end could not be written, and its next owner tries again. The
            # others of this process go on.
            log.exception("run_not_ended", extra={"run_id": held.run_id})
        finally:
            mine = self._held.get(held.run_id)
            if mine is not None and mine.claimed.held == held:
                del self._held[held.run_id]
            self._wake.set()

    async def _carry_out(self, claimed: Claimed, journal: RunJournal) -> RunOutcome:
        mine = self._held[claimed.held.run_id]
        try:
            return await self._execute(claimed, journal)
        except asyncio.CancelledError:
            if mine.canceling is None:
                raise
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            return RunOutcome(
                Result(status="canceled"), report=_report(mine.canceling, journal.report)
            )
        except (FencedError, StoreError):
            raise
        except WeftError as error:
            return RunOutcome(Result.failed(error.code, str(error), retryable=error.retryable))
        except Exception:
            # The edge of a run: a bug in an executor ends its run only.
            log.exception("run_crashed", extra={"run_id": claimed.held.run_id})
            return RunOutcome(Result.failed("internal", "an unexpected error ended the run"))

    async def _end(self, journal: RunJournal, outcome: RunOutcome, began: float) -> None:
        """Write the run's end, or the one that the database lets it have."""
        pending = await journal.take_pending()
        try:
            await self._write_end(journal, outcome, pending, began)
        except CanceledError:
            # Somebody asked for the end while the work ended by itself: it stopped, and is told so.
            report = _report(self._held[journal.run_id].canceling, journal.report)
            stopped = replace(outcome, result=Result(status="canceled"), report=report, turn=None)
            await self._write_end(journal, stopped, pending, began)
        except StaleThreadError as error:
            lost = RunOutcome(Result.failed(error.code, str(error)), steps=outcome.steps)
            await self._write_end(journal, lost, pending, began)
        except InputError as error:
            # No database keeps this result, whoever tries again.
            lost = RunOutcome(Result.failed(error.code, str(error)))
            await self._write_end(journal, lost, pending, began)

    async def _write_end(
        self, journal: RunJournal, outcome: RunOutcome, pending: tuple[Event, ...], began: float
    ) -> None:
        seconds = self._clock.monotonic() - began
        if interrupts := interrupts_of(outcome):
            events = (*pending, *outcome.events)
            told = await patiently(partial(self._store.park, journal.held, interrupts, events))
        else:
            end = ending(outcome, pending=pending, seconds=seconds)
            told = await patiently(partial(self._store.finish, journal.held, end))
            if end.status == "completed" and told:
                run = self._held[journal.run_id].claimed.run
                self._runs.hub.end(completed(run, end, told[-1]))
        self._runs.tell(told)

    async def _drain(self) -> None:
        tasks = [each.task for each in self._held.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        unfinished = [each.claimed.held for each in self._held.values() if each.task in late]
        for each in tuple(self._held.values()):
            if each.task in late:
                each.hand_over()
        await asyncio.gather(*late, return_exceptions=True)
        for held in unfinished:
            await self._release(held)

    async def _release(self, held: Held) -> None:
        try:
            await self._store.release(held)
        except (FencedError, StoreError) as error:
            # Its lease ends by itself.
            log.info("release_failed", extra={"run_id": held.run_id, "code": error.code})


def _prepared(prepare: Prepare, run: Run) -> StepWrite | None:
    try:
        return prepare(run)
    except Exception:
        # The edge of a run: its own execution meets the bug again; the claims of others go on.
        log.exception("run_not_prepared", extra={"run_id": run.run_id})
        return None


def _lose(held: _Held) -> None:
    held.lost = True
    held.hand_over()


def _report(cancel: JsonObject | None, parts: JsonObject) -> JsonObject:
    return {**(cancel or {}), "peers": [], "effects": [], **parts}
