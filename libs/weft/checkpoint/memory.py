"""Runs, threads and effects in this process's memory: the same contract, lost with the process."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from anyio.lowlevel import checkpoint

from weft.checkpoint.base import TERMINAL, Durability, Held, RunStatus, ThreadKey
from weft.checkpoint.faults import NO_FAULTS, Faults
from weft.checkpoint.store import Database, DatabaseCheckpointer
from weft.checkpoint.tables import (
    Advance,
    EffectRow,
    MessageRow,
    RunRow,
    Tables,
    ThreadRow,
    WorkRow,
)
from weft.checkpoint.text import EventRow
from weft.checkpoint.undo import Undo
from weft.core import SYSTEM_CLOCK, Clock
from weft.core.errors import StoreFullError, StoreUnavailableError

__all__ = ["MAX_THREADS", "from_url", "memory_checkpointer"]

MAX_THREADS = 1_000
T = TypeVar("T")
_KeyOfRun = tuple[str, str, str, str]


class MemoryTables(Tables):
    """Rows in dictionaries; every row is a tuple of text and numbers, so none can be changed."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self.undo = Undo()
        self._clock = clock
        self._faults = faults
        # Only the start is taken from the wall clock, which somebody may set.
        self._began = clock.now() - clock.monotonic()
        self._now = 0.0
        self._runs: dict[str, RunRow] = {}
        self._keys: dict[_KeyOfRun, str] = {}
        self._messages: dict[_KeyOfRun, MessageRow] = {}
        self._open: dict[str, RunRow] = {}
        self._of_thread: dict[ThreadKey, tuple[str, ...]] = {}
        self._steps: dict[str, dict[str, str]] = {}
        self._events: dict[str, list[EventRow]] = {}
        self._threads: dict[ThreadKey, ThreadRow] = {}
        self._entries: dict[ThreadKey, list[tuple[str, bytes]]] = {}
        self._effects: dict[str, dict[int, EffectRow]] = {}
        self._positions = 0

    def restart(self) -> None:
        """Let the next transaction read the clock."""
        self._now = round(self._began + self._clock.monotonic(), 3) + self._faults.ahead_s

    def now(self) -> float:
        return self._now

    def run(self, run_id: str) -> RunRow | None:
        return self._runs.get(run_id)

    def run_by_key(self, tenant: str, subject: str, operation: str, idem_key: str) -> RunRow | None:
        run_id = self._keys.get((tenant, subject, operation, idem_key))
        return None if run_id is None else self._runs[run_id]

    def open_runs(self, key: ThreadKey) -> list[RunRow]:
        return [self._open[it] for it in self._of_thread.get(key, ()) if it in self._open]

    def thread_runs(self, key: ThreadKey, limit: int) -> list[RunRow]:
        newest = [self._runs[it] for it in reversed(self._of_thread.get(key, ()))]
        return newest if limit < 0 else newest[:limit]

    def rooted_runs(self, tenant: str, subject: str, root_id: str) -> list[RunRow]:
        wanted = (tenant, subject, root_id)
        rows = self._runs.values()
        return [row for row in rows if (row.tenant, row.subject, row.root_id) == wanted]

    def erasing_runs(self, limit: int) -> list[RunRow]:
        return [row for row in self._runs.values() if row.erased == 1][:limit]

    def accepted(self) -> int:
        return self._positions

    def working(self, operation: str) -> list[WorkRow]:
        rows: dict[tuple[str, str, RunStatus], list[RunRow]] = {}
        for row in self._open.values():
            if row.operation == operation and row.status != "interrupted":
                rows.setdefault((row.tenant, row.subject, row.status), []).append(row)
        return [
            WorkRow(*key, len(found), min(row.updated for row in found))
            for key, found in rows.items()
        ]

    def last_seqs(self, run_ids: Sequence[str]) -> list[tuple[str, int]]:
        return [(it, self._runs[it].last_seq) for it in run_ids if it in self._runs]

    def claimable(self, operations: frozenset[str], now: float) -> RunRow | None:
        waiting = [row for row in self._open.values() if row.operation in operations]
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

    def _waits(self, row: RunRow) -> bool:
        older = (it for it in self.open_runs(row.key) if it.position < row.position)
        return any(row.waits_for(other) for other in older)

    def insert_run(self, row: RunRow) -> None:
        if row.key not in self._of_thread and len(self._of_thread) >= MAX_THREADS:
            self._evict()
        self._positions += 1
        row = row._replace(position=self._positions)
        key = (row.tenant, row.subject, row.operation, row.idem_key)
        self.undo.put(self._keys, key, row.run_id)
        others = self._of_thread.get(row.key, ())
        self.undo.put(self._of_thread, row.key, (*others, row.run_id))
        self._put(row)

    def save_run(self, row: RunRow) -> None:
        self._put(row)

    def advance(self, held: Held, count: int, *, step: bool) -> Advance | None:
        row = self._held(held)
        if row is None:
            return None
        lost = 0 if step else row.lost_leases
        return self._advanced(row._replace(lost_leases=lost), count)

    def advance_batch(self, held: Held, count: int, batch: int) -> Advance | None:
        row = self._held(held)
        if row is None or row.last_batch != batch - 1:
            return None
        return self._advanced(row._replace(last_batch=batch), count)

    def renew(self, held: Held, until: float) -> tuple[str, str | None] | None:
        row = self._held(held)
        if row is None or row.owner is None:
            return None
        self._put(row._replace(lease_until=until))
        return row.status, row.cancel

    def message(self, tenant: str, subject: str, operation: str, key: str) -> MessageRow | None:
        return self._messages.get((tenant, subject, operation, key))

    def add_message(self, row: MessageRow) -> None:
        self.undo.put(self._messages, (row.tenant, row.subject, row.operation, row.key), row)

    def add_events(self, rows: Sequence[EventRow]) -> None:
        if rows:
            self.undo.extend(self._events.setdefault(rows[0].run_id, []), rows)

    def events(self, run_id: str, after: int, limit: int) -> list[EventRow]:
        found = [row for row in self._events.get(run_id, ()) if row.seq > after]
        return found[: max(limit, 0)]

    def add_step(self, run_id: str, path: str, outcome: str) -> bool:
        steps = self._steps.setdefault(run_id, {})
        if path in steps:
            return False
        self.undo.put(steps, path, outcome)
        return True

    def step(self, run_id: str, path: str) -> str | None:
        return self._steps.get(run_id, {}).get(path)

    def steps(self, run_id: str) -> list[tuple[str, str]]:
        return list(self._steps.get(run_id, {}).items())

    def erase_run(self, run_id: str) -> None:
        self.undo.drop(self._steps, run_id)
        self.undo.drop(self._events, run_id)
        for attempts in self._effects.values():
            for attempt, row in list(attempts.items()):
                if row.run_id == run_id:
                    bare = row._replace(arguments="{}", outcome=None)
                    self.undo.put(attempts, attempt, bare)

    def thread(self, key: ThreadKey) -> ThreadRow | None:
        return self._threads.get(key)

    def add_entries(
        self, key: ThreadKey, entries: Sequence[bytes], *, after: int, run_id: str
    ) -> None:
        thread = self._threads.get(key)
        created = self._now if thread is None else thread.created
        row = ThreadRow(0, after + len(entries), created, max(created, self._now))
        self.undo.put(self._threads, key, row)
        added = [(run_id, bytes(entry)) for entry in entries]
        self.undo.extend(self._entries.setdefault(key, []), added)

    def entries(self, key: ThreadKey, after: int = 0) -> list[tuple[str, bytes]]:
        return self._entries.get(key, [])[after:]

    def delete_thread(self, key: ThreadKey) -> bool:
        self.undo.drop(self._entries, key)
        return self.undo.drop(self._threads, key)

    def effect(self, key: str) -> EffectRow | None:
        attempts = self._effects.get(key)
        return attempts[max(attempts)] if attempts else None

    def attempt(self, key: str, attempt: int) -> EffectRow | None:
        return self._effects.get(key, {}).get(attempt)

    def put_effect(self, row: EffectRow) -> None:
        self.undo.put(self._effects.setdefault(row.key, {}), row.attempt, row)

    def _put(self, row: RunRow) -> None:
        self.undo.put(self._runs, row.run_id, row)
        if row.status in TERMINAL:
            self.undo.drop(self._open, row.run_id)
        else:
            self.undo.put(self._open, row.run_id, row)

    def _held(self, held: Held) -> RunRow | None:
        row = self._runs.get(held.run_id)
        if row is None or row.epoch != held.epoch or row.status not in ("running", "canceling"):
            return None
        return row

    def _advanced(self, row: RunRow, count: int) -> Advance:
        updated = max(row.updated, self._now)
        row = row._replace(last_seq=row.last_seq + count, updated=updated)
        self._put(row)
        key = (row.tenant, row.thread_id, row.trace_id)
        return Advance(row.last_seq, updated, *key, row.erased)

    def _evict(self) -> None:
        """Forget the thread whose last run was accepted first, among those that are at rest."""
        for key, run_ids in self._of_thread.items():
            if any(run_id in self._open for run_id in run_ids):
                continue
            self._forget(key, run_ids)
            return
        raise StoreFullError(f"{MAX_THREADS} threads have living runs: use another database")

    def _forget(self, key: ThreadKey, run_ids: Sequence[str]) -> None:
        self.delete_thread(key)
        self.undo.drop(self._of_thread, key)
        for run_id in run_ids:
            row = self._runs[run_id]
            self.undo.drop(self._runs, run_id)
            self.undo.drop(self._keys, (row.tenant, row.subject, row.operation, row.idem_key))
            self.undo.drop(self._steps, run_id)
            self.undo.drop(self._events, run_id)
        for sent in [it for it, row in self._messages.items() if row.run_id in run_ids]:
            self.undo.drop(self._messages, sent)
        for name in [it for it in self._effects if self._from(it, run_ids)]:
            self.undo.drop(self._effects, name)

    def _from(self, key: str, run_ids: Sequence[str]) -> bool:
        return all(row.run_id in run_ids for row in self._effects[key].values())


class _MemoryDatabase(Database):
    durability: Durability = "none"

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._tables = MemoryTables(clock, faults)
        self._faults = faults
        self._lock = threading.Lock()
        self._closed = False

    async def write(self, operation: Callable[[Tables], T]) -> T:
        await checkpoint()
        with self._lock:
            self._begin()
            try:
                value = operation(self._tables)
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

    async def read(self, operation: Callable[[Tables], T]) -> T:
        await checkpoint()
        with self._lock:
            self._begin()
            return operation(self._tables)

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
    return DatabaseCheckpointer(_MemoryDatabase(clock, faults))


def from_url(rest: str) -> DatabaseCheckpointer:  # noqa: ARG001 - nothing follows `memory:`
    return memory_checkpointer()
