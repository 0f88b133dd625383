"""The rows in SQLite: constant statements, each prepared once per connection."""

import sqlite3
from collections.abc import Sequence

from weft.checkpoint.base import LEASE_SECONDS, Held, ThreadKey
from weft.checkpoint.faults import Faults
from weft.checkpoint.sqlite.packing import packed, unpacked
from weft.checkpoint.tables import (
    CLOCK_SLACK,
    Advance,
    EffectRow,
    MessageRow,
    RunRow,
    Tables,
    ThreadRow,
    WorkRow,
)
from weft.checkpoint.text import EventRow
from weft.core import dumps

_RUN = """SELECT r.position, run_id, tenant, subject, scopes, operation, idem_key, body_hash,
    thread_id, root_id, trace_id, created, waits, coalesce(request, '{}'),
    coalesce(authority, '{}'), status, epoch, owner, lease_until, deadline, rest, interrupts, expires_at, cancel, lost_leases, last_seq, last_batch,
    result, error, erased, started, updated
    FROM runs r LEFT JOIN requests q ON q.position = r.position """
_BY_ID = _RUN + "WHERE run_id = ?"
_BY_KEY = _RUN + "WHERE tenant = ? AND subject = ? AND operation = ? AND idem_key = ?"
_OPEN = _RUN + (
    "WHERE tenant = ? AND subject = ? AND thread_id = ? AND status IN"
    " ('queued', 'running', 'interrupted', 'canceling') ORDER BY r.position"
)
_OF_THREAD = _RUN + (
    "WHERE tenant = ? AND subject = ? AND thread_id = ? ORDER BY r.position DESC LIMIT ?"
)
_ROOTED = _RUN + "WHERE tenant = ? AND subject = ? AND root_id = ?"
_ERASING = _RUN + "WHERE erased = 1 ORDER BY r.position LIMIT ?"
_MINE = " AND operation IN (SELECT value FROM json_each(?))"
_LOST = _RUN + (
    "WHERE status IN ('running', 'canceling') AND (lease_until <= ? OR lease_until > ?)"
    + _MINE
    + " ORDER BY lease_until LIMIT 1"
)
# Each half has an index of its own; parked runs, which may be many, are in neither.
_WORKING = """SELECT tenant, subject, status, count(*), min(updated) FROM runs
    WHERE status = 'queued' AND operation = ? GROUP BY tenant, subject
    UNION ALL SELECT tenant, subject, status, count(*), min(updated) FROM runs
    WHERE status IN ('running', 'canceling') AND operation = ? GROUP BY tenant, subject, status"""
_ACCEPTED = "SELECT coalesce(max(position), 0) FROM runs"
_IS_FIRST = """WHERE status = 'queued' AND operation IN (SELECT value FROM json_each(?))
    AND NOT EXISTS (
    SELECT 1 FROM runs o WHERE o.tenant = r.tenant AND o.subject = r.subject
    AND o.thread_id = r.thread_id AND o.position < r.position
    AND o.status IN ('queued', 'running', 'interrupted', 'canceling')
    AND r.waits > 0 AND o.waits > 0 AND (r.waits = 2 OR o.status <> 'interrupted'))
    ORDER BY r.position LIMIT 1"""
_QUEUED = _RUN + _IS_FIRST
_DUE = (
    _RUN
    + "WHERE status = 'interrupted' AND expires_at <= ?"
    + _MINE
    + (" ORDER BY expires_at LIMIT 1")
)
_INSERT_RUN = """INSERT INTO runs (run_id, tenant, subject, scopes, operation, idem_key,
    body_hash, thread_id, root_id, trace_id, created, waits, status, epoch, owner, lease_until, deadline,
    rest, interrupts, expires_at, cancel, lost_leases, last_seq, last_batch, result, error, erased,
    started, updated)
    VALUES
    (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_INSERT_REQUEST = "INSERT INTO requests (position, request, authority) VALUES (?, ?, ?)"
_SAVE_RUN = """UPDATE runs SET status = ?, epoch = ?, owner = ?, lease_until = ?, deadline = ?,
    rest = ?, interrupts = ?, expires_at = ?, cancel = ?, lost_leases = ?, last_seq = ?,
    last_batch = ?, result = ?, error = ?, erased = ?, started = ?, updated = ?
    WHERE run_id = ?"""
_ADVANCE = """UPDATE runs SET last_seq = last_seq + ?, updated = max(updated, ?),
    lost_leases = CASE WHEN ? THEN 0 ELSE lost_leases END
    WHERE run_id = ? AND epoch = ? AND status IN ('running', 'canceling')
    RETURNING last_seq, updated, tenant, thread_id, trace_id, erased"""
_ADVANCE_BATCH = """UPDATE runs SET last_seq = last_seq + ?, updated = max(updated, ?),
    last_batch = last_batch + 1
    WHERE run_id = ? AND epoch = ? AND status IN ('running', 'canceling') AND last_batch = ?
    RETURNING last_seq, updated, tenant, thread_id, trace_id, erased"""
_RENEW = """UPDATE runs SET lease_until = ?
    WHERE run_id = ? AND epoch = ? AND status IN ('running', 'canceling') AND owner IS NOT NULL
    RETURNING status, cancel"""
_MESSAGE = """SELECT tenant, subject, operation, key, run_id, body_hash, received FROM received
    WHERE tenant = ? AND subject = ? AND operation = ? AND key = ?"""
_ADD_MESSAGE = """INSERT INTO received
    (tenant, subject, operation, key, run_id, body_hash, received) VALUES (?, ?, ?, ?, ?, ?, ?)"""
_ADD_EVENT = """INSERT INTO events (run_id, seq, ts, type, path, agent, span_id, origin, data)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_EVENTS = """SELECT run_id, seq, ts, type, path, agent, span_id, origin, data FROM events
    WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"""
_ADD_STEP = "INSERT OR IGNORE INTO steps (run_id, path, outcome) VALUES (?, ?, ?)"
_STEP = "SELECT outcome FROM steps WHERE run_id = ? AND path = ?"
_STEPS = "SELECT path, outcome FROM steps WHERE run_id = ? ORDER BY rowid"
_ERASE = (
    "DELETE FROM requests WHERE position = (SELECT position FROM runs WHERE run_id = ?)",
    "DELETE FROM steps WHERE run_id = ?",
    "DELETE FROM events WHERE run_id = ?",
    "UPDATE ledger SET arguments = '{}', outcome = NULL WHERE run_id = ?",
)
_LAST_SEQS = """SELECT run_id, last_seq FROM json_each(?) asked
    JOIN runs ON run_id = asked.value"""
_THREAD = """SELECT number, version, created, updated FROM threads
    WHERE tenant = ? AND subject = ? AND thread_id = ?"""
_PUT_THREAD = """INSERT INTO threads (tenant, subject, thread_id, version, created, updated)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, subject, thread_id)
    DO UPDATE SET version = excluded.version, updated = max(updated, excluded.updated)
    RETURNING number"""
_ADD_ENTRY = "INSERT INTO messages (thread, n, run_id, body) VALUES (?, ?, ?, ?)"
_ENTRIES = """SELECT run_id, body FROM messages WHERE n > ? AND thread =
    (SELECT number FROM threads WHERE tenant = ? AND subject = ? AND thread_id = ?) ORDER BY n"""
_DELETE_ENTRIES = "DELETE FROM messages WHERE thread = ?"
_DELETE_THREAD = "DELETE FROM threads WHERE number = ?"
_EFFECT = """SELECT key, attempt, tenant, scope, scope_id, tool, args_hash, arguments, path, nonce,
    run_id, epoch, state, outcome, recorded_at FROM ledger WHERE key = ? """
_NEWEST = _EFFECT + "ORDER BY attempt DESC LIMIT 1"
_ATTEMPT = _EFFECT + "AND attempt = ?"
_PUT_EFFECT = """INSERT OR REPLACE INTO ledger (key, attempt, tenant, scope, scope_id, tool,
    args_hash, arguments, path, nonce, run_id, epoch, state, outcome, recorded_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
# `unixepoch('subsec')` is NULL before 3.42; the Julian day has milliseconds everywhere.
_NOW = "SELECT (julianday('now') - 2440587.5) * 86400.0"
_REQUEST_AT = RunRow._fields.index("request")
_RESULT_AT = RunRow._fields.index("result")
_OUTCOME_AT = EffectRow._fields.index("outcome")
_STATUS_AT = RunRow._fields.index("status")
"""Between the two stand the columns of `requests`, which never change."""


class SqliteTables(Tables):
    """The rows as one connection sees them; `restart` begins the next transaction."""

    def __init__(self, connection: sqlite3.Connection, faults: Faults) -> None:
        self.connection = connection
        self._faults = faults
        self._now: float | None = None
        self.erased = False
        """Whether something was erased whose bytes still stand in the write-ahead log."""

    def restart(self) -> None:
        """Let the next transaction read the clock."""
        self._now = None

    def now(self) -> float:
        if self._now is None:
            (seconds,) = self.connection.execute(_NOW).fetchone()
            self._now = round(seconds, 3) + self._faults.ahead_s
        return self._now

    def run(self, run_id: str) -> RunRow | None:
        return self._one(_BY_ID, (run_id,))

    def run_by_key(self, tenant: str, subject: str, operation: str, idem_key: str) -> RunRow | None:
        return self._one(_BY_KEY, (tenant, subject, operation, idem_key))

    def open_runs(self, key: ThreadKey) -> list[RunRow]:
        rows = self.connection.execute(_OPEN, (key.tenant, key.subject, key.thread_id))
        return [_run_row(RunRow._make(row)) for row in rows]

    def thread_runs(self, key: ThreadKey, limit: int) -> list[RunRow]:
        found = (key.tenant, key.subject, key.thread_id, limit)
        return [_run_row(RunRow._make(row)) for row in self.connection.execute(_OF_THREAD, found)]

    def rooted_runs(self, tenant: str, subject: str, root_id: str) -> list[RunRow]:
        rows = self.connection.execute(_ROOTED, (tenant, subject, root_id))
        return [_run_row(RunRow._make(row)) for row in rows]

    def erasing_runs(self, limit: int) -> list[RunRow]:
        return [_run_row(RunRow._make(row)) for row in self.connection.execute(_ERASING, (limit,))]

    def accepted(self) -> int:
        (count,) = self.connection.execute(_ACCEPTED).fetchone()
        return int(count)

    def working(self, operation: str) -> list[WorkRow]:
        rows = self.connection.execute(_WORKING, (operation, operation))
        return [WorkRow._make(row) for row in rows]

    def last_seqs(self, run_ids: Sequence[str]) -> list[tuple[str, int]]:
        return self.connection.execute(_LAST_SEQS, (dumps([*run_ids]).decode(),)).fetchall()

    def claimable(self, operations: frozenset[str], now: float) -> RunRow | None:
        mine = dumps(sorted(operations)).decode()
        return (
            self._one(_LOST, (now, now + LEASE_SECONDS + CLOCK_SLACK, mine))
            or self._one(_QUEUED, (mine,))
            or self._one(_DUE, (now, mine))
        )

    def insert_run(self, row: RunRow) -> None:
        columns = row[1:_REQUEST_AT] + row[_STATUS_AT:]
        position = self.connection.execute(_INSERT_RUN, columns).lastrowid
        self.connection.execute(_INSERT_REQUEST, (position, packed(row.request), row.authority))

    def save_run(self, row: RunRow) -> None:
        columns: list[object] = [*row[_STATUS_AT:], row.run_id]
        if row.result is not None:
            columns[_RESULT_AT - _STATUS_AT] = packed(row.result)
        self.connection.execute(_SAVE_RUN, columns)

    def advance(self, held: Held, count: int, *, step: bool) -> Advance | None:
        found = (count, self.now(), step, held.run_id, held.epoch)
        row = self.connection.execute(_ADVANCE, found).fetchone()
        return None if row is None else Advance._make(row)

    def advance_batch(self, held: Held, count: int, batch: int) -> Advance | None:
        found = (count, self.now(), held.run_id, held.epoch, batch - 1)
        row = self.connection.execute(_ADVANCE_BATCH, found).fetchone()
        return None if row is None else Advance._make(row)

    def renew(self, held: Held, until: float) -> tuple[str, str | None] | None:
        found = (until, held.run_id, held.epoch)
        row: tuple[str, str | None] | None = self.connection.execute(_RENEW, found).fetchone()
        return row

    def message(self, tenant: str, subject: str, operation: str, key: str) -> MessageRow | None:
        found = (tenant, subject, operation, key)
        row = self.connection.execute(_MESSAGE, found).fetchone()
        return None if row is None else MessageRow._make(row)

    def add_message(self, row: MessageRow) -> None:
        self.connection.execute(_ADD_MESSAGE, row)

    def add_events(self, rows: Sequence[EventRow]) -> None:
        self.connection.executemany(_ADD_EVENT, [(*row[:-1], packed(row.data)) for row in rows])

    def events(self, run_id: str, after: int, limit: int) -> list[EventRow]:
        rows = self.connection.execute(_EVENTS, (run_id, after, max(limit, 0)))
        return [EventRow._make((*row[:-1], unpacked(row[-1]))) for row in rows]

    def add_step(self, run_id: str, path: str, outcome: str) -> bool:
        return self.connection.execute(_ADD_STEP, (run_id, path, packed(outcome))).rowcount == 1

    def step(self, run_id: str, path: str) -> str | None:
        row = self.connection.execute(_STEP, (run_id, path)).fetchone()
        return None if row is None else unpacked(row[0])

    def steps(self, run_id: str) -> list[tuple[str, str]]:
        rows = self.connection.execute(_STEPS, (run_id,))
        return [(path, unpacked(outcome)) for path, outcome in rows]

    def erase_run(self, run_id: str) -> None:
        self.erased = True
        for statement in _ERASE:
            self.connection.execute(statement, (run_id,))

    def thread(self, key: ThreadKey) -> ThreadRow | None:
        found = (key.tenant, key.subject, key.thread_id)
        row = self.connection.execute(_THREAD, found).fetchone()
        return None if row is None else ThreadRow._make(row)

    def add_entries(
        self, key: ThreadKey, entries: Sequence[bytes], *, after: int, run_id: str
    ) -> None:
        now, version = self.now(), after + len(entries)
        found = (key.tenant, key.subject, key.thread_id, version, now, now)
        (number,) = self.connection.execute(_PUT_THREAD, found).fetchone()
        rows = [(number, n, run_id, body) for n, body in enumerate(entries, start=after + 1)]
        self.connection.executemany(_ADD_ENTRY, rows)

    def entries(self, key: ThreadKey, after: int = 0) -> list[tuple[str, bytes]]:
        found = (after, key.tenant, key.subject, key.thread_id)
        return self.connection.execute(_ENTRIES, found).fetchall()

    def delete_thread(self, key: ThreadKey) -> bool:
        thread = self.thread(key)
        if thread is None:
            return False
        self.erased = True
        self.connection.execute(_DELETE_ENTRIES, (thread.number,))
        self.connection.execute(_DELETE_THREAD, (thread.number,))
        return True

    def effect(self, key: str) -> EffectRow | None:
        row = self.connection.execute(_NEWEST, (key,)).fetchone()
        return None if row is None else _effect_row(EffectRow._make(row))

    def attempt(self, key: str, attempt: int) -> EffectRow | None:
        row = self.connection.execute(_ATTEMPT, (key, attempt)).fetchone()
        return None if row is None else _effect_row(EffectRow._make(row))

    def put_effect(self, row: EffectRow) -> None:
        columns: list[object] = list(row)
        if row.outcome is not None:
            columns[_OUTCOME_AT] = packed(row.outcome)
        self.connection.execute(_PUT_EFFECT, columns)

    def _one(self, statement: str, found: Sequence[str | float]) -> RunRow | None:
        row = self.connection.execute(statement, found).fetchone()
        return None if row is None else _run_row(RunRow._make(row))


def _run_row(row: RunRow) -> RunRow:
    """Return the row with its long texts as they are read."""
    result = None if row.result is None else unpacked(row.result)
    return row._replace(request=unpacked(row.request), result=result)


def _effect_row(row: EffectRow) -> EffectRow:
    return row if row.outcome is None else row._replace(outcome=unpacked(row.outcome))
