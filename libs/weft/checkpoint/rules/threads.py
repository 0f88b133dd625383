"""Threads: what a run adds, what readers see, and what deletion leaves."""

from collections.abc import Sequence

from weft.checkpoint.base import TERMINAL, Erasing, Held, Thread, ThreadKey, Turn
from weft.checkpoint.requests import (
    AddEntries,
    DeleteThread,
    EraseRun,
    ReadEntries,
    ReadErasingRuns,
    ReadEvents,
    ReadOpenRuns,
    ReadRootedRuns,
    ReadRun,
    ReadThread,
    ReadThreadRuns,
    SaveRun,
)
from weft.checkpoint.rules.ending import stop
from weft.checkpoint.rules.rows import held_run
from weft.checkpoint.script import Script
from weft.checkpoint.tables import ERASED, ERASED_HERE, Numbered, RunRow
from weft.checkpoint.text import encode
from weft.core import JsonObject, JsonValue, Principal, RunId, loads_object
from weft.core.errors import FencedError, StaleThreadError, ThreadBusyError

_PAGE = 1000


def append(key: ThreadKey, entries: Sequence[bytes], expected: int, fence: Held) -> Script[int]:
    row = yield from held_run(fence)
    if row.erased:
        raise FencedError(fence.run_id, fence.epoch)
    return (yield from add_turn(fence, row, Turn(key, tuple(entries), expected)))


def add_turn(held: Held, run: RunRow | Numbered, turn: Turn) -> Script[int]:
    """Add the entries of the held run and return the version; the same again changes nothing."""
    key = turn.key
    if (key.tenant, key.subject) != (run.tenant, run.subject):
        raise FencedError(held.run_id, held.epoch)
    wanted = turn.expected + len(turn.entries)
    if turn.entries and (yield from AddEntries(key, turn.entries, turn.expected, held.run_id)):
        return wanted
    thread = yield from ReadThread(key)
    version = 0 if thread is None else thread.version
    if version == wanted:
        entries = yield from ReadEntries(key, after=turn.expected)
        if entries == tuple((held.run_id, entry) for entry in turn.entries):
            return wanted
    raise StaleThreadError(turn.expected, version)


def load(key: ThreadKey) -> Script[Thread | None]:
    thread = yield from ReadThread(key)
    if thread is None:
        return None
    entries = tuple([entry for _, entry in (yield from ReadEntries(key))])
    return Thread(thread.version, entries, thread.created, thread.updated)


def delete(key: ThreadKey, *, cancel: bool) -> Script[bool]:
    living = yield from ReadOpenRuns(key, lock=True)
    if living and not cancel:
        raise ThreadBusyError(key.thread_id, living[0].run_id)
    anything = yield from DeleteThread(key)
    for row in (yield from ReadThreadRuns(key, None, lock=True)):
        if row.gone:
            continue
        anything = True
        yield from _erase(row)
    return anything


def erasing(key: ThreadKey | None, limit: int, after: int) -> Script[tuple[Erasing, ...]]:
    """Return which deleted runs may have left something with their peers."""
    rows: tuple[RunRow, ...]
    if key is None:
        rows = yield from ReadErasingRuns(limit, after)
    else:
        rows = yield from ReadThreadRuns(key, limit)
    return tuple(
        Erasing(
            RunId(row.run_id),
            row.tenant,
            row.subject,
            _noted(row),
            over=row.status in TERMINAL,
            position=row.position,
        )
        for row in rows
        if row.erased == ERASED_HERE
    )


def erased(run_ids: Sequence[str]) -> Script[None]:
    """Take note that nothing of these deleted runs is left anywhere."""
    for run_id in run_ids:
        row = yield from ReadRun(run_id, lock=True)
        if row is not None and row.erased == ERASED_HERE:
            yield from SaveRun(row._replace(erased=ERASED, result=None))


def rooted(principal: Principal, root_ids: Sequence[str]) -> Script[tuple[ThreadKey, ...]]:
    """Return the principal's threads that hold work for these mesh-wide runs."""
    keys: dict[ThreadKey, None] = {}
    for root_id in root_ids:
        rows = yield from ReadRootedRuns(principal.tenant, principal.subject, root_id)
        keys.update(dict.fromkeys(row.key for row in rows))
    return tuple(keys)


def _erase(row: RunRow) -> Script[None]:
    """Leave of a run what keeps a duplicate out and a living owner fenced from the thread."""
    peers: JsonObject = {"peers": (yield from _peers(row.run_id))}
    yield from EraseRun(row.run_id)
    row = row._replace(
        erased=ERASED_HERE, request="{}", authority="{}", result=encode(peers), error=None
    )
    if not row.open:
        row = row._replace(interrupts="[]", cancel=None)
    yield from SaveRun(row)
    if row.open:
        yield from stop(row, by=row.subject, reason="its thread was deleted", grace_s=5.0)


def _peers(run_id: str) -> Script[list[JsonValue]]:
    """Return the names of whoever was given a part of the run; whom they called is theirs to tell."""
    names: set[str] = set()
    after = 0
    while rows := (yield from ReadEvents(run_id, after, _PAGE)):
        after = rows[-1].seq
        for row in rows:
            if row.type == "plan.step.started" and row.origin is None:
                name = loads_object(row.data).get("peer")
                names.update([name] if isinstance(name, str) else ())
    return [*sorted(names)]


def _noted(row: RunRow) -> tuple[str, ...]:
    peers = loads_object(row.result).get("peers") if row.result else None
    return tuple(str(name) for name in peers) if isinstance(peers, list) else ()
