"""Runs, threads and effects in this process's memory: the same contract, lost with the process."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from anyio.lowlevel import checkpoint

from weft.checkpoint import requests as ask
from weft.checkpoint.base import Durability, Held, RunStatus, ThreadKey
from weft.checkpoint.faults import NO_FAULTS, Faults
from weft.checkpoint.script import Request, Script, play
from weft.checkpoint.store import Database, DatabaseCheckpointer
from weft.checkpoint.tables import (
    ERASED,
    PRUNED,
    Attempts,
    Claimable,
    Door,
    EffectRow,
    ListedThread,
    MessageRow,
    Numbered,
    OutcomeRow,
    RequestKey,
    RunRow,
    ThreadRow,
    WorkRow,
)
from weft.checkpoint.text import EventRow
from weft.checkpoint.undo import Undo
from weft.core import SYSTEM_CLOCK, Clock, Tally
from weft.core.errors import StoreFullError, StoreUnavailableError

__all__ = ["MAX_THREADS", "from_url", "memory_checkpointer"]

MAX_THREADS = 1_000
T = TypeVar("T")


class MemoryTables:
    """Rows in dictionaries; every row is a tuple of text and numbers, so none can be changed."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self.undo = Undo()
        self._clock = clock
        self._faults = faults
        # Only the start is taken from the wall clock, which somebody may set.
        self._began = clock.now() - clock.monotonic()
        self._now = 0.0
        self._runs: dict[str, RunRow] = {}
        self._keys: dict[RequestKey, str] = {}
        self._messages: dict[RequestKey, MessageRow] = {}
        self._open: dict[str, RunRow] = {}
        self._of_thread: dict[ThreadKey, tuple[str, ...]] = {}
        self._steps: dict[str, dict[str, str]] = {}
        self._events: dict[str, list[EventRow]] = {}
        self._threads: dict[ThreadKey, ThreadRow] = {}
        self._entries: dict[ThreadKey, list[tuple[str, bytes]]] = {}
        self._effects: dict[str, dict[int, EffectRow]] = {}
        self._outcomes: dict[str, tuple[OutcomeRow, ...]] = {}
        self._last = {"position": 0}

    def restart(self) -> None:
        """Let the next transaction read the clock."""
        self._now = round(self._began + self._clock.monotonic(), 3) + self._faults.ahead_s

    def answer(self, request: Request[object]) -> object:
        """Answer by the method of the request's name."""
        method = cast("Callable[[Request[object]], object]", getattr(self, request.name))
        return method(request)

    def now(self, _: ask.Now) -> float:
        return self._now

    def read_door(self, request: ask.ReadDoor) -> Door:
        run = self.read_run_by_key(ask.ReadRunByKey(request.key))
        rows = self.read_open_runs(ask.ReadOpenRuns(request.thread))
        return Door(self._now, run, request.key in self._messages, rows)

    def read_run(self, request: ask.ReadRun) -> RunRow | None:
        return self._runs.get(request.run_id)

    def read_run_by_key(self, request: ask.ReadRunByKey) -> RunRow | None:
        run_id = self._keys.get(request.key)
        return None if run_id is None else self._runs[run_id]

    def read_open_runs(self, request: ask.ReadOpenRuns) -> tuple[RunRow, ...]:
        run_ids = self._of_thread.get(request.thread, ())
        return tuple([self._open[run_id] for run_id in run_ids if run_id in self._open])

    def read_thread_runs(self, request: ask.ReadThreadRuns) -> tuple[RunRow, ...]:
        run_ids = self._of_thread.get(request.thread, ())[::-1]
        return tuple([self._runs[run_id] for run_id in run_ids[: request.limit]])

    def read_rooted_runs(self, request: ask.ReadRootedRuns) -> tuple[RunRow, ...]:
        root = (request.tenant, request.subject, request.root_id)
        rows = self._runs.values()
        return tuple([row for row in rows if (row.tenant, row.subject, row.root_id) == root])

    def read_erasing_runs(self, request: ask.ReadErasingRuns) -> tuple[RunRow, ...]:
        rows = (row for row in self._runs.values() if row.erased == 1)
        return tuple([row for row in rows if row.position > request.after][: request.limit])

    def read_runs(self, request: ask.ReadRuns) -> tuple[RunRow, ...]:
        conditions = {
            "tenant": request.tenant,
            "subject": request.subject,
            "status": request.status,
            "thread_id": request.thread_id,
        }
        wanted = {name: value for name, value in conditions.items() if value is not None}
        before = self._last["position"] + 1 if request.before is None else request.before
        rows = [
            row
            for row in sorted(self._runs.values(), key=lambda row: -row.position)
            if row.position < before
            and not row.gone
            and all(getattr(row, name) == value for name, value in wanted.items())
            and row.created >= (request.since or 0.0)
        ]
        return tuple(rows[: request.limit])

    def read_threads(self, request: ask.ReadThreads) -> tuple[ListedThread, ...]:
        threads: dict[ThreadKey, ListedThread] = {}
        for row in self._runs.values():
            its = request.subject in {None, row.subject} and row.tenant == request.tenant
            if its and not row.erased:
                own = ListedThread(
                    row.position, row.subject, row.thread_id, row.created, row.updated
                )
                first = threads.get(row.key, own)
                threads[row.key] = first._replace(updated=max(first.updated, row.updated))
        listed = sorted(threads.values(), reverse=True)
        if request.before is not None:
            listed = [thread for thread in listed if thread.position < request.before]
        return tuple(listed[: request.limit])

    def read_old_runs(self, request: ask.ReadOldRuns) -> tuple[RunRow, ...]:
        whole = [row for row in self._runs.values() if not row.erased and not row.open]
        return tuple([row for row in whole if row.updated < request.before][: request.limit])

    def read_old_threads(self, request: ask.ReadOldThreads) -> tuple[ThreadKey, ...]:
        idle = [key for key, row in self._threads.items() if row.updated < request.before]
        return tuple([key for key in idle if self._rests(key, request.before)][: request.limit])

    def read_bare_runs(self, request: ask.ReadBareRuns) -> tuple[str, ...]:
        bare = [row for row in self._runs.values() if row.erased in (ERASED, PRUNED)]
        old = [row for row in bare if self._rests(row.key, request.before)]
        return tuple([row.run_id for row in old][: request.limit])

    def read_claimable(self, request: ask.ReadClaimable) -> Claimable | None:
        row = self._claimable(request)
        return None if row is None else Claimable(self._now, row)

    def _claimable(self, request: ask.ReadClaimable) -> RunRow | None:
        now = self._now
        waiting = [row for row in self._open.values() if row.operation in request.operations]
        lost = [row for row in waiting if row.status in ("running", "canceling")]
        lost = [row for row in lost if not row.leased(now)]
        if lost:
            return min(lost, key=lambda row: row.lease_until)
        queued = (row for row in waiting if row.status == "queued")
        first = (row for row in queued if not self._waits(row))
        if (row := min(first, key=lambda row: row.position, default=None)) is not None:
            return row
        due = (row for row in waiting if row.expires_at is not None and row.expires_at <= now)
        return next(due, None)

    def count_accepted(self, _: ask.CountAccepted) -> int:
        return self._last["position"]

    def count_work(self, request: ask.CountWork) -> tuple[WorkRow, ...]:
        operation = request.operation
        rows: dict[tuple[str, str, RunStatus], list[RunRow]] = {}
        for row in self._open.values():
            if row.operation == operation and row.status != "interrupted":
                rows.setdefault((row.tenant, row.subject, row.status), []).append(row)
        return tuple(
            WorkRow(*key, len(runs), min(row.updated for row in runs)) for key, runs in rows.items()
        )

    def read_log_states(self, request: ask.ReadLogStates) -> tuple[tuple[str, int, RunStatus], ...]:
        rows = [self._runs[run_id] for run_id in request.run_ids if run_id in self._runs]
        return tuple([(row.run_id, row.last_seq, row.status) for row in rows])

    def insert_run(self, request: ask.InsertRun) -> None:
        row = request.row
        if row.key not in self._of_thread and len(self._of_thread) >= MAX_THREADS:
            self._evict()
        row = row._replace(position=self._last["position"] + 1)
        self.undo.put(self._last, "position", row.position)
        self.undo.put(self._keys, row.request_key, row.run_id)
        others = self._of_thread.get(row.key, ())
        self.undo.put(self._of_thread, row.key, (*others, row.run_id))
        self._put(row)

    def save_run(self, request: ask.SaveRun) -> None:
        self._put(request.row)

    def number_events(self, request: ask.NumberEvents) -> Numbered | None:
        row = self._held(request.held)
        if row is None:
            return None
        lost = 0 if request.step else row.lost_leases
        return self._numbered(row._replace(lost_leases=lost), request.count)

    def number_batch(self, request: ask.NumberBatch) -> Numbered | None:
        row = self._held(request.held)
        if row is None or row.last_batch != request.batch - 1:
            return None
        return self._numbered(row._replace(last_batch=request.batch), request.count)

    def finish_run(self, request: ask.FinishRun) -> Numbered | None:
        row = self._held(request.held)
        if row is None or row.erased:
            return None
        if row.status == "canceling" and request.status != "canceled":
            return None
        row = row._replace(
            status=request.status,
            owner=None,
            lease_until=0.0,
            result=request.result,
            error=request.error,
        )
        return self._numbered(row, request.count)

    def renew_leases(self, request: ask.RenewLeases) -> tuple[tuple[str, str | None], ...]:
        kept: list[tuple[str, str | None]] = []
        for held in request.helds:
            row = self._held(held)
            if row is not None and row.owner is not None:
                self._put(row._replace(lease_until=self._now + request.seconds))
                kept.append((row.run_id, row.cancel))
        return tuple(kept)

    def read_message(self, request: ask.ReadMessage) -> MessageRow | None:
        return self._messages.get(request.key)

    def add_message(self, request: ask.AddMessage) -> None:
        self.undo.put(self._messages, request.row.request_key, request.row)

    def add_events(self, request: ask.AddEvents) -> None:
        rows = request.rows
        self.undo.extend(self._events.setdefault(rows[0].run_id, []), rows)

    def read_events(self, request: ask.ReadEvents) -> tuple[EventRow, ...]:
        rows = [row for row in self._events.get(request.run_id, ()) if row.seq > request.after]
        return tuple(rows[: max(request.limit, 0)])

    def add_step(self, request: ask.AddStep) -> bool:
        if self._held(request.held) is None:
            return False
        return self._add_step(request.held.run_id, request.path, request.outcome)

    def add_answer(self, request: ask.AddAnswer) -> bool:
        return self._add_step(request.run_id, request.path, request.outcome)

    def read_step(self, request: ask.ReadStep) -> str | None:
        return self._steps.get(request.run_id, {}).get(request.path)

    def read_steps(self, request: ask.ReadSteps) -> tuple[tuple[str, str], ...]:
        return tuple(self._steps.get(request.run_id, {}).items())

    def add_outcome(self, request: ask.AddOutcome) -> None:
        position = self._runs[request.run_id].position
        row = OutcomeRow(position, request.goal, request.cell, request.success, 0)
        rows = self._outcomes.get(request.run_id, ())
        self.undo.put(self._outcomes, request.run_id, (*rows, row))

    def read_tally(self, request: ask.ReadTally) -> Tally:
        kept = (row for rows in self._outcomes.values() for row in rows)
        rows = sorted((row for row in kept if row.cell == request.cell), reverse=True)
        newest = rows[: request.limit]
        return Tally(len(newest), sum(row.success * (1 - row.bad) for row in newest))

    def rate_run(self, request: ask.RateRun) -> bool:
        rows = self._outcomes.get(request.run_id, ())
        if rows:
            rated = tuple([row._replace(bad=request.bad) for row in rows])
            self.undo.put(self._outcomes, request.run_id, rated)
        return bool(rows)

    def erase_run(self, request: ask.EraseRun) -> None:
        self.undo.drop(self._outcomes, request.run_id)
        self.undo.drop(self._steps, request.run_id)
        self.undo.drop(self._events, request.run_id)
        for attempts in self._effects.values():
            for attempt, row in list(attempts.items()):
                if row.run_id == request.run_id:
                    bare = row._replace(arguments="{}", outcome=None)
                    self.undo.put(attempts, attempt, bare)

    def prune_run(self, request: ask.PruneRun) -> None:
        self.undo.drop(self._steps, request.run_id)
        self.undo.drop(self._events, request.run_id)

    def forget_run(self, request: ask.ForgetRun) -> None:
        row = self._runs[request.run_id]
        others = tuple([run_id for run_id in self._of_thread[row.key] if run_id != row.run_id])
        if others:
            self.undo.put(self._of_thread, row.key, others)
        else:
            self.undo.drop(self._of_thread, row.key)
        self.undo.drop(self._runs, row.run_id)
        self.undo.drop(self._keys, row.request_key)
        self.undo.drop(self._outcomes, row.run_id)
        for key in [key for key, sent in self._messages.items() if sent.run_id == row.run_id]:
            self.undo.drop(self._messages, key)
        for name, attempts in list(self._effects.items()):
            for number, attempt in list(attempts.items()):
                if attempt.run_id == row.run_id and attempt.state in ("done", "not_done"):
                    self.undo.drop(attempts, number)
            if not attempts:
                self.undo.drop(self._effects, name)

    def read_thread(self, request: ask.ReadThread) -> ThreadRow | None:
        return self._threads.get(request.thread)

    def add_entries(self, request: ask.AddEntries) -> bool:
        key, thread = request.thread, self._threads.get(request.thread)
        if request.expected != (0 if thread is None else thread.version):
            return False
        created = self._now if thread is None else thread.created
        version = request.expected + len(request.entries)
        row = ThreadRow(0, version, created, max(created, self._now))
        self.undo.put(self._threads, key, row)
        added = [(request.run_id, bytes(entry)) for entry in request.entries]
        self.undo.extend(self._entries.setdefault(key, []), added)
        return True

    def read_entries(self, request: ask.ReadEntries) -> tuple[tuple[str, bytes], ...]:
        return tuple(self._entries.get(request.thread, [])[request.after :])

    def delete_thread(self, request: ask.DeleteThread) -> bool:
        return self._delete_thread(request.thread)

    def read_attempts(self, request: ask.ReadAttempts) -> Attempts | None:
        row = self._held(request.held)
        if row is None:
            return None
        attempts = self._effects.get(request.key, {})
        return Attempts(
            self._now,
            row.status,
            row.erased,
            tuple([attempts[number] for number in sorted(attempts)]),
        )

    def read_effect(self, request: ask.ReadEffect) -> EffectRow | None:
        attempts = self._effects.get(request.key)
        return attempts[max(attempts)] if attempts else None

    def put_effect(self, request: ask.PutEffect) -> None:
        row = request.row
        self.undo.put(self._effects.setdefault(row.key, {}), row.attempt, row)

    def _waits(self, row: RunRow) -> bool:
        rows = self.read_open_runs(ask.ReadOpenRuns(row.key))
        return any(row.waits_for(other) for other in rows if other.position < row.position)

    def _rests(self, key: ThreadKey, before: float) -> bool:
        """Tell whether nothing happened in the thread since the moment, and nothing is open."""
        rows = [self._runs[run_id] for run_id in self._of_thread.get(key, ())]
        return not any(row.open or row.updated >= before for row in rows)

    def _add_step(self, run_id: str, path: str, outcome: str) -> bool:
        steps = self._steps.setdefault(run_id, {})
        if path in steps:
            return False
        self.undo.put(steps, path, outcome)
        return True

    def _delete_thread(self, key: ThreadKey) -> bool:
        self.undo.drop(self._entries, key)
        return self.undo.drop(self._threads, key)

    def _put(self, row: RunRow) -> None:
        self.undo.put(self._runs, row.run_id, row)
        if row.open:
            self.undo.put(self._open, row.run_id, row)
        else:
            self.undo.drop(self._open, row.run_id)

    def _held(self, held: Held) -> RunRow | None:
        row = self._runs.get(held.run_id)
        if row is None or row.epoch != held.epoch or row.status not in ("running", "canceling"):
            return None
        return row

    def _numbered(self, row: RunRow, count: int) -> Numbered:
        updated = max(row.updated, self._now)
        row = row._replace(last_seq=row.last_seq + count, updated=updated)
        self._put(row)
        whose = (row.tenant, row.subject, row.thread_id, row.trace_id)
        return Numbered(row.last_seq, updated, *whose, row.erased)

    def _evict(self) -> None:
        """Forget the thread whose last run was accepted first, among those that are at rest."""
        for key, run_ids in self._of_thread.items():
            if any(run_id in self._open for run_id in run_ids):
                continue
            self._forget(key, run_ids)
            return
        raise StoreFullError(f"{MAX_THREADS} threads have living runs: use another database")

    def _forget(self, key: ThreadKey, run_ids: Sequence[str]) -> None:
        self._delete_thread(key)
        self.undo.drop(self._of_thread, key)
        for run_id in run_ids:
            row = self._runs[run_id]
            self.undo.drop(self._runs, run_id)
            self.undo.drop(self._keys, row.request_key)
            self.undo.drop(self._steps, run_id)
            self.undo.drop(self._events, run_id)
            self.undo.drop(self._outcomes, run_id)
        for sent in [it for it, row in self._messages.items() if row.run_id in run_ids]:
            self.undo.drop(self._messages, sent)
        for name in [it for it in self._effects if self._from(it, run_ids)]:
            self.undo.drop(self._effects, name)

    def _from(self, key: str, run_ids: Sequence[str]) -> bool:
        return all(row.run_id in run_ids for row in self._effects[key].values())


class MemoryDatabase(Database):
    """Plays one script at a time, and takes back what it changed if it raises."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._tables = MemoryTables(clock, faults)
        self._faults = faults
        self._lock = threading.Lock()
        self._closed = False

    @property
    def durability(self) -> Durability:
        return "none"

    async def write(self, script: Callable[[], Script[T]]) -> T:
        await checkpoint()
        with self._lock:
            self._begin()
            try:
                value = play(script(), self._tables.answer)
                changed = bool(self._tables.undo)
                if changed:
                    self._faults.before_commit()
            except BaseException:
                self._tables.undo.all()
                raise
            self._tables.undo.forget()
        if changed:
            self._faults.after_commit()
        return value

    async def read(self, script: Callable[[], Script[T]]) -> T:
        await checkpoint()
        with self._lock:
            self._begin()
            return play(script(), self._tables.answer)

    async def aclose(self) -> None:
        self._closed = True

    def _begin(self) -> None:
        if self._closed:
            raise StoreUnavailableError("the database was closed")
        self._tables.restart()


def memory_checkpointer(
    *, clock: Clock = SYSTEM_CLOCK, faults: Faults = NO_FAULTS
) -> DatabaseCheckpointer:
    """Return an empty database that is gone when this process is."""
    return DatabaseCheckpointer(MemoryDatabase(clock, faults))


def from_url(rest: str) -> DatabaseCheckpointer:  # noqa: ARG001 - nothing follows `memory:`
    return memory_checkpointer()
