"""Owns runs: claims them, keeps their leases, carries them out and writes their end."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import NotRequired, TypedDict, Unpack

from weft.bus import subjects
from weft.checkpoint import Claimed, Held, Prepare, Run, StepWrite
from weft.core import SYSTEM_CLOCK, Clock, JsonObject, Result, RunId, logged_under
from weft.core.errors import FencedError, StoreError, WeftError
from weft.core.supervision import guarded, kept_going
from weft.runs.lease import Leases
from weft.runs.outcome import Execute, RunOutcome
from weft.runs.owned import OwnedRun, Written
from weft.runs.runs import Runs

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Work:
    owned: OwnedRun
    task: asyncio.Task[None]


class WorkerOptions(TypedDict):
    """What a worker is told by name."""

    name: str
    operations: Collection[str]
    """Of the runs that it carries out; others in its store are left to their own owners."""
    prepare: NotRequired[Prepare | None]
    """Makes a run's first step within its claim: pure, and free to make none."""
    report: NotRequired[Callable[[Claimed], JsonObject] | None]
    """Says what became of the parts of a run that was told to stop while nobody worked for it."""
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
        self._report = options.get("report")
        self._slots = options.get("slots", 64)
        self._clock = options.get("clock", SYSTEM_CLOCK)
        self._leases = Leases(self._store, self._leased, clock=self._clock)
        self._work: dict[RunId, _Work] = {}
        self._wake = asyncio.Event()
        self._rung = True
        """Whether a run may be queued here that only the end of another makes free."""
        self._tasks: asyncio.TaskGroup | None = None
        self._draining = False

    @property
    def free(self) -> int:
        return 0 if self._draining or self._tasks is None else self._slots - len(self._work)

    def leave(self) -> None:
        """Claim nothing more; what is under way goes on until `working()` ends."""
        self._draining = True

    @property
    def busy(self) -> int:
        """How many runs are under way."""
        return len(self._work)

    def take(self, claimed: Claimed) -> None:
        """Carry out a run whose claim was won elsewhere in this process."""
        if self._tasks is None:
            raise RuntimeError("the worker is not working")

        def stop(_: str) -> None:
            task.cancel()

        owned = OwnedRun(
            self._runs.checkpointer, claimed, stop=stop, sink=self._runs.tell, clock=self._clock
        )
        run_id = claimed.held.run_id
        task = self._tasks.create_task(self._own(owned), name=f"run {run_id}")
        self._work[run_id] = _Work(owned, task)

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

    def _leased(self) -> Sequence[OwnedRun]:
        return [work.owned for work in self._work.values() if not work.owned.lost]

    async def _hear_bells(self, bells: AsyncGenerator[tuple[str, bytes], None]) -> None:
        async for _ in bells:
            self._rung = True
            self._wake.set()

    async def _hear_cancels(self, cancels: AsyncGenerator[tuple[str, bytes], None]) -> None:
        async for subject, _ in cancels:
            if subjects.run_of(subject) in self._work:
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
            for claim in claimed:
                self._runs.tell(claim.events)
                if (earlier := self._work.get(claim.held.run_id)) is not None:
                    # Our own lease ran out while we were stalled: the old task is fenced.
                    earlier.owned.hand_over()
                self.take(claim)
            if len(claimed) < free:
                if not self._work and not self._wake.is_set():
                    # What waits now waits for no run of this process.
                    self._rung = False
                return

    async def _own(self, owned: OwnedRun) -> None:
        with logged_under(owned.run.trace):
            await self._traced(owned)

    async def _traced(self, owned: OwnedRun) -> None:
        held = owned.held
        try:
            async with owned:
                outcome = await self._carry_out(owned)
                written = await owned.end(outcome.blamed(self.name.partition("/")[0]))
                if written.run is not None:
                    self._runs.hub.end(written.run)
                self._runs.tell(written.events)
                _log_end(owned, written)
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
            work = self._work.get(held.run_id)
            if work is not None and work.owned is owned:
                del self._work[held.run_id]
            if self._rung:
                # A thread or a slot is free. Else nobody said that anything waits: a specialist's
                # tasks begin as they are accepted, and would each cost a look in the store.
                self._wake.set()

    async def _carry_out(self, owned: OwnedRun) -> RunOutcome:
        if owned.run.status == "canceling":
            if self._report is not None:
                owned.journal.report = self._report(owned.claimed)
            return owned.canceled()
        try:
            return await self._execute(owned.claimed, owned.journal)
        except asyncio.CancelledError:
            if owned.canceling is None:
                raise
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            return owned.canceled()
        except (FencedError, StoreError):
            raise
        except WeftError as error:
            return RunOutcome(Result.failed(error.code, str(error), retryable=error.retryable))
        except Exception:
            # The edge of a run: a bug in an executor ends its run only.
            log.exception("run_crashed", extra={"run_id": owned.held.run_id})
            return RunOutcome(Result.failed("internal", "an unexpected error ended the run"))

    async def _drain(self) -> None:
        tasks = [work.task for work in self._work.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        unfinished = [work.owned for work in self._work.values() if work.task in late]
        for owned in unfinished:
            owned.hand_over()
        await asyncio.gather(*late, return_exceptions=True)
        for owned in unfinished:
            await self._release(owned.held)

    async def _release(self, held: Held) -> None:
        try:
            await self._store.release(held)
        except (FencedError, StoreError) as error:
            # Its lease ends by itself.
            log.info("release_failed", extra={"run_id": held.run_id, "code": error.code})


def _log_end(owned: OwnedRun, written: Written) -> None:
    """Say how a run ended, or that it waits, and how long this owner was at it; never what it said."""
    last = written.events[-1] if written.events else None
    if last is None or not log.isEnabledFor(logging.INFO):
        return
    fields: dict[str, object] = {
        "run_id": owned.held.run_id,
        "operation": owned.run.operation,
        "status": last.type.removeprefix("run."),
        "duration_ms": round(owned.seconds * 1000, 1),
    }
    error = last.data.get("error")
    if isinstance(error, dict):
        fields["code"] = error.get("code")
    log.info("run_ended", extra=fields)


def _prepared(prepare: Prepare, run: Run) -> StepWrite | None:
    try:
        return prepare(run)
    except Exception:
        # The edge of a run: its own execution meets the bug again; the claims of others go on.
        log.exception("run_not_prepared", extra={"run_id": run.run_id})
        return None
