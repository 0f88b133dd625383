"""What each request takes in an SQL database."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

from weft.checkpoint import requests as ask
from weft.checkpoint.base import LEASE_SECONDS, Held, RunStatus, ThreadKey
from weft.checkpoint.script import Request
from weft.checkpoint.sql import texts
from weft.checkpoint.sql.statements import (
    Batch,
    Change,
    Lock,
    Row,
    Rows,
    Statement,
    Statements,
    Value,
)
from weft.checkpoint.tables import (
    CLOCK_SLACK,
    Attempts,
    Claimable,
    Door,
    EffectRow,
    ListedThread,
    MessageRow,
    Numbered,
    RunRow,
    ThreadRow,
    WorkRow,
)
from weft.checkpoint.text import EventRow
from weft.core import Tally

T = TypeVar("T")

_ALL = 2**62
_TOGETHER = 32
"""How many claims are renewed, or runs looked up, in one statement."""
_REQUEST_AT = RunRow._fields.index("request")
_STATUS_AT = RunRow._fields.index("status")
"""Between the two stand the columns of `requests`, which never change."""
_RESULT_AT = RunRow._fields.index("result") - _STATUS_AT
_OUTCOME_AT = EffectRow._fields.index("outcome")


class LongTexts(NamedTuple):
    """How a database keeps texts that may be long, and the entries of threads."""

    pack: Callable[[str], str | bytes]
    unpack: Callable[[str | bytes], str]
    pack_entry: Callable[[bytes], bytes]
    unpack_entry: Callable[[bytes], bytes]


class SqlTables:
    """Answers each request by the method of its name: statements, and what their rows come to."""

    def __init__(self, long_texts: LongTexts | None = None) -> None:
        """`long_texts` packs what is long; None keeps it as it is."""
        self._long = long_texts

    def statements(self, request: Request[T]) -> Statements[T]:
        method = cast("Callable[[Request[T]], Statements[T]]", getattr(self, request.name))
        return method(request)

    def now(self, _: ask.Now) -> Statements[float]:
        rows = yield Statement(texts.CLOCK)
        return cast("float", rows[0][0])

    def read_door(self, request: ask.ReadDoor) -> Statements[Door]:
        key, thread = request.key, _thread(request.thread)
        yield Lock((key, request.thread))
        rows = yield Statement(texts.DOOR, (*key, *key, *thread))
        now, messages = rows[0][:2]
        runs = [self._run(row[2:]) for row in rows if row[2] is not None]
        return Door(
            cast("float", now),
            next((run for run in runs if run.request_key == key), None),
            bool(messages),
            tuple([run for run in runs if run.open and run.key == request.thread]),
        )

    def read_run(self, request: ask.ReadRun) -> Statements[RunRow | None]:
        return (yield from self._one(texts.BY_ID + texts.LOCKED * request.lock, request.run_id))

    def read_run_by_key(self, request: ask.ReadRunByKey) -> Statements[RunRow | None]:
        if request.lock:
            yield Lock((request.key,))
        return (yield from self._one(texts.BY_KEY, *request.key))

    def read_open_runs(self, request: ask.ReadOpenRuns) -> Statements[tuple[RunRow, ...]]:
        if request.lock:
            yield Lock((request.thread,))
        return (
            yield from self._several(
                texts.OPEN + texts.LOCKED * request.lock, *_thread(request.thread)
            )
        )

    def read_thread_runs(self, request: ask.ReadThreadRuns) -> Statements[tuple[RunRow, ...]]:
        limit = _ALL if request.limit is None else request.limit
        text = texts.OF_THREAD + texts.LOCKED * request.lock
        return (yield from self._several(text, *_thread(request.thread), limit))

    def read_rooted_runs(self, request: ask.ReadRootedRuns) -> Statements[tuple[RunRow, ...]]:
        return (
            yield from self._several(texts.ROOTED, request.tenant, request.subject, request.root_id)
        )

    def read_erasing_runs(self, request: ask.ReadErasingRuns) -> Statements[tuple[RunRow, ...]]:
        return (yield from self._several(texts.ERASING, request.after, request.limit))

    def read_runs(self, request: ask.ReadRuns) -> Statements[tuple[RunRow, ...]]:
        text = texts.LISTED
        values: list[Value] = [request.tenant]
        for condition, value in (
            (texts.OF_SUBJECT, request.subject),
            (texts.IN_STATUS, request.status),
            (texts.IN_THREAD, request.thread_id),
            (texts.SINCE, request.since),
            (texts.BEFORE, request.before),
        ):
            if value is not None:
                text, values = text + condition, [*values, value]
        return (yield from self._several(text + texts.NEWEST_FIRST, *values, request.limit))

    def read_threads(self, request: ask.ReadThreads) -> Statements[tuple[ListedThread, ...]]:
        text = texts.THREADS
        values: list[Value] = [request.tenant]
        if request.subject is not None:
            text, values = text + texts.THREADS_OF, [*values, request.subject]
        text += texts.BY_THREAD
        if request.before is not None:
            text, values = text + texts.THREADS_BEFORE, [*values, request.before]
        rows = yield Statement(text + texts.LAST_BEGUN_FIRST, (*values, request.limit))
        return tuple([ListedThread._make(row) for row in rows])

    def read_old_runs(self, request: ask.ReadOldRuns) -> Statements[tuple[RunRow, ...]]:
        before, limit = request.before, request.limit
        text = texts.OLD + texts.OLD_FIRST + texts.UNLESS_LOCKED
        return (yield from self._several(text, before, before, limit))

    def read_old_threads(self, request: ask.ReadOldThreads) -> Statements[tuple[ThreadKey, ...]]:
        before = request.before
        rows = yield Statement(texts.OLD_THREADS, (before, before, before, request.limit))
        return tuple([ThreadKey(*cast("tuple[str, str, str]", row)) for row in rows])

    def read_bare_runs(self, request: ask.ReadBareRuns) -> Statements[tuple[str, ...]]:
        before = request.before
        rows = yield Statement(texts.BARE, (before, before, before, request.limit))
        return tuple([cast("str", row[0]) for row in rows])

    def read_claimable(self, request: ask.ReadClaimable) -> Statements[Claimable | None]:
        operations = sorted(request.operations)
        if not operations:
            return None
        mine = "r.operation IN " + texts.several("?", len(operations))
        latest = LEASE_SECONDS + CLOCK_SLACK
        looks: tuple[tuple[str, str, tuple[float, ...]], ...] = (
            (texts.LOST, texts.LOST_FIRST, (latest,)),
            (texts.QUEUED, texts.QUEUED_FIRST, ()),
            (texts.DUE, texts.DUE_FIRST, ()),
        )
        for which, now in (yield Statement(texts.CLAIMABLE, (latest,))):
            text, order, values = looks[cast("int", which)]
            whole = text + mine + order + texts.UNLESS_LOCKED
            row = yield from self._one(whole, *values, *operations)
            if row is not None:
                return Claimable(cast("float", now), row)
        return None

    def count_accepted(self, _: ask.CountAccepted) -> Statements[int]:
        rows = yield Statement(texts.ACCEPTED)
        return cast("int", rows[0][0])

    def count_work(self, request: ask.CountWork) -> Statements[tuple[WorkRow, ...]]:
        rows = yield Statement(texts.WORKING, (request.operation, request.operation))
        return tuple([WorkRow._make(row) for row in rows])

    def read_log_states(
        self, request: ask.ReadLogStates
    ) -> Statements[tuple[tuple[str, int, RunStatus], ...]]:
        states: list[tuple[str, int, RunStatus]] = []
        for start in range(0, len(request.run_ids), _TOGETHER):
            run_ids = request.run_ids[start : start + _TOGETHER]
            text = texts.LOG_STATES + texts.several("?", len(run_ids))
            states += cast("list[tuple[str, int, RunStatus]]", (yield Statement(text, run_ids)))
        return tuple(states)

    def insert_run(self, request: ask.InsertRun) -> Statements[None]:
        row = request.row
        yield Change(texts.INSERT_RUN, row[1:_REQUEST_AT] + row[_STATUS_AT:])
        request_text = self._packed(row.request)
        yield Change(texts.INSERT_REQUEST, (request_text, row.authority, row.run_id))

    def save_run(self, request: ask.SaveRun) -> Statements[None]:
        row = request.row
        columns: list[Value] = [*row[_STATUS_AT:], row.run_id]
        columns[_RESULT_AT] = self._packed(row.result)
        yield Change(texts.SAVE_RUN, tuple(columns))

    def number_events(self, request: ask.NumberEvents) -> Statements[Numbered | None]:
        kept = 0 if request.step else 1
        return _numbered(
            (yield Statement(texts.NUMBER_EVENTS, (request.count, kept, *_held(request.held))))
        )

    def number_batch(self, request: ask.NumberBatch) -> Statements[Numbered | None]:
        values = (request.count, *_held(request.held), request.batch - 1)
        return _numbered((yield Statement(texts.NUMBER_BATCH, values)))

    def finish_run(self, request: ask.FinishRun) -> Statements[Numbered | None]:
        other = "canceling" if request.status == "canceled" else "running"
        result = self._packed(request.result)
        values = (request.status, result, request.error, request.count)
        return _numbered((yield Statement(texts.FINISH, (*values, *_held(request.held), other))))

    def renew_leases(
        self, request: ask.RenewLeases
    ) -> Statements[tuple[tuple[str, str | None], ...]]:
        kept: list[tuple[str, str | None]] = []
        for start in range(0, len(request.helds), _TOGETHER):
            helds = request.helds[start : start + _TOGETHER]
            claims = texts.several("run_id = ? AND epoch = ?", len(helds), by=" OR ")
            values = [value for held in helds for value in _held(held)]
            text = texts.RENEW + claims + texts.RENEWED
            rows = yield Statement(text, (request.seconds, *values))
            kept += cast("list[tuple[str, str | None]]", rows)
        return tuple(kept)

    def read_message(self, request: ask.ReadMessage) -> Statements[MessageRow | None]:
        rows = yield Statement(texts.MESSAGE, request.key)
        return MessageRow._make(rows[0]) if rows else None

    def add_message(self, request: ask.AddMessage) -> Statements[None]:
        yield Change(texts.ADD_MESSAGE, request.row)

    def add_events(self, request: ask.AddEvents) -> Statements[None]:
        rows = request.rows
        lines = (
            rows if self._long is None else [(*row[:-1], self._packed(row.data)) for row in rows]
        )
        yield Batch(texts.ADD_EVENT, lines)

    def read_events(self, request: ask.ReadEvents) -> Statements[tuple[EventRow, ...]]:
        values = (request.run_id, request.after, max(request.limit, 0))
        rows = yield Statement(texts.EVENTS, values)
        return tuple([EventRow._make((*row[:-1], self._text(row[-1]))) for row in rows])

    def add_step(self, request: ask.AddStep) -> Statements[bool]:
        values = (request.path, self._packed(request.outcome), *_held(request.held))
        return (yield Change(texts.ADD_STEP, values))[0][0] == 1

    def add_answer(self, request: ask.AddAnswer) -> Statements[bool]:
        values = (request.run_id, request.path, self._packed(request.outcome))
        return (yield Change(texts.ADD_ANSWER, values))[0][0] == 1

    def read_step(self, request: ask.ReadStep) -> Statements[str | None]:
        rows = yield Statement(texts.STEP, (request.run_id, request.path))
        return self._text(rows[0][0]) if rows else None

    def read_steps(self, request: ask.ReadSteps) -> Statements[tuple[tuple[str, str], ...]]:
        rows = yield Statement(texts.STEPS, (request.run_id,))
        return tuple([(str(path), self._text(outcome)) for path, outcome in rows])

    def erase_run(self, request: ask.EraseRun) -> Statements[None]:
        for text in texts.ERASE:
            yield Change(text, (request.run_id,))

    def prune_run(self, request: ask.PruneRun) -> Statements[None]:
        for text in texts.PRUNE:
            yield Change(text, (request.run_id,))

    def forget_run(self, request: ask.ForgetRun) -> Statements[None]:
        for text in texts.FORGET:
            yield Change(text, (request.run_id,))

    def add_outcome(self, request: ask.AddOutcome) -> Statements[None]:
        values = (request.goal, request.cell, request.success, request.run_id)
        yield Change(texts.ADD_OUTCOME, values)

    def read_tally(self, request: ask.ReadTally) -> Statements[Tally]:
        rows = yield Statement(texts.TALLY, (request.cell, request.limit))
        return Tally(*cast("tuple[int, int]", rows[0]))

    def rate_run(self, request: ask.RateRun) -> Statements[bool]:
        return (yield Change(texts.RATE, (request.bad, request.run_id)))[0][0] != 0

    def read_thread(self, request: ask.ReadThread) -> Statements[ThreadRow | None]:
        rows = yield Statement(texts.THREAD, _thread(request.thread))
        return ThreadRow._make(rows[0]) if rows else None

    def add_entries(self, request: ask.AddEntries) -> Statements[bool]:
        thread, added = _thread(request.thread), len(request.entries)
        if request.expected:
            values = (added, *thread, request.expected)
            rows = yield Statement(texts.GROW_THREAD, values)
        else:
            rows = yield Statement(texts.NEW_THREAD, (*thread, added))
        if not rows:
            return False
        number = cast("int", rows[0][0])
        pack = bytes if self._long is None else self._long.pack_entry
        lines = [
            (number, n, request.run_id, pack(entry))
            for n, entry in enumerate(request.entries, start=request.expected + 1)
        ]
        yield Batch(texts.ADD_ENTRY, lines)
        return True

    def read_entries(self, request: ask.ReadEntries) -> Statements[tuple[tuple[str, bytes], ...]]:
        rows = yield Statement(texts.ENTRIES, (request.after, *_thread(request.thread)))
        entries = cast("list[tuple[str, bytes]]", rows)
        if self._long is None:
            return tuple(entries)
        unpack = self._long.unpack_entry
        return tuple([(run_id, unpack(entry)) for run_id, entry in entries])

    def delete_thread(self, request: ask.DeleteThread) -> Statements[bool]:
        rows = yield Statement(texts.DELETE_THREAD, _thread(request.thread))
        if not rows:
            return False
        yield Change(texts.DELETE_ENTRIES, (cast("int", rows[0][0]),))
        return True

    def read_attempts(self, request: ask.ReadAttempts) -> Statements[Attempts | None]:
        yield Lock((request.key,))
        rows = yield Statement(texts.ATTEMPTS, (request.key, *_held(request.held)))
        if not rows:
            return None
        now, status, erased = rows[0][:3]
        attempts = [self._effect(row[3:]) for row in rows if row[3] is not None]
        return Attempts(
            cast("float", now), cast("RunStatus", status), cast("int", erased), tuple(attempts)
        )

    def read_effect(self, request: ask.ReadEffect) -> Statements[EffectRow | None]:
        rows = yield Statement(texts.NEWEST, (request.key,))
        return self._effect(rows[0]) if rows else None

    def put_effect(self, request: ask.PutEffect) -> Statements[None]:
        columns: list[Value] = list(request.row)
        columns[_OUTCOME_AT] = self._packed(request.row.outcome)
        yield Change(texts.PUT_EFFECT, tuple(columns))

    def _one(self, text: str, *values: Value) -> Statements[RunRow | None]:
        rows = yield Statement(text, values)
        return self._run(rows[0]) if rows else None

    def _several(self, text: str, *values: Value) -> Statements[tuple[RunRow, ...]]:
        rows = yield Statement(text, values)
        return tuple([self._run(row) for row in rows])

    def _run(self, columns: Row) -> RunRow:
        row = RunRow._make(columns)
        if self._long is None:
            return row
        result = None if row.result is None else self._text(row.result)
        return row._replace(request=self._text(row.request), result=result)

    def _effect(self, columns: Row) -> EffectRow:
        row = EffectRow._make(columns)
        return row if row.outcome is None else row._replace(outcome=self._text(row.outcome))

    def _packed(self, text: str | None) -> str | bytes | None:
        return text if text is None or self._long is None else self._long.pack(text)

    def _text(self, stored: object) -> str:
        text = cast("str | bytes", stored)
        return self._long.unpack(text) if self._long is not None else cast("str", text)


def _numbered(rows: Rows) -> Numbered | None:
    return Numbered._make(rows[0]) if rows else None


def _thread(key: ThreadKey) -> tuple[str, str, str]:
    return key.tenant, key.subject, key.thread_id


def _held(held: Held) -> tuple[str, int]:
    return held.run_id, held.epoch
