"""Threads: what a run adds, what readers see, and what deletion leaves."""

from collections.abc import Sequence

from weft.checkpoint.base import TERMINAL, Erasing, Held, Thread, ThreadKey, Turn
from weft.checkpoint.rules.closing import stop
from weft.checkpoint.rules.writing import held_run
from weft.checkpoint.tables import RunRow, Tables
from weft.checkpoint.text import encode
from weft.core import JsonObject, JsonValue, Principal, RunId, loads_object
from weft.core.errors import FencedError, StaleThreadError, ThreadBusyError

_HERE, _EVERYWHERE = 1, 2
"""How far a run is erased: in this database, and with every peer that was given a part of it."""
_PAGE = 1000


def append(
    tables: Tables, key: ThreadKey, entries: Sequence[bytes], expected: int, fence: Held
) -> int:
    row = held_run(tables, fence)
    if row.erased:
        raise FencedError(fence.run_id, fence.epoch)
    return add_turn(tables, row, Turn(key, tuple(entries), expected))


def add_turn(tables: Tables, row: RunRow, turn: Turn) -> int:
    """Add the entries of the run `row` and return the version; the same again changes nothing."""
    key = turn.key
    if (key.tenant, key.subject) != (row.tenant, row.subject):
        raise FencedError(row.run_id, row.epoch)
    thread = tables.thread(key)
    found = 0 if thread is None else thread.version
    wanted = turn.expected + len(turn.entries)
    if found == turn.expected:
        if turn.entries:
            tables.add_entries(key, turn.entries, after=found, run_id=row.run_id)
        return wanted
    if found == wanted and turn.entries:
        there = tables.entries(key, after=turn.expected)
        if there == [(row.run_id, entry) for entry in turn.entries]:
            return wanted
    raise StaleThreadError(turn.expected, found)


def load(tables: Tables, key: ThreadKey) -> Thread | None:
    thread = tables.thread(key)
    if thread is None:
        return None
    entries = tuple([entry for _, entry in tables.entries(key)])
    return Thread(thread.version, entries, thread.created, thread.updated)


def delete(tables: Tables, key: ThreadKey, *, cancel: bool) -> bool:
    living = tables.open_runs(key)
    if living and not cancel:
        raise ThreadBusyError(key.thread_id, living[0].run_id)
    anything = tables.delete_thread(key)
    for row in tables.thread_runs(key, -1):
        if row.erased:
            continue
        anything = True
        _erase(tables, row)
    return anything


def erasing(tables: Tables, key: ThreadKey | None, limit: int) -> tuple[Erasing, ...]:
    """Return which deleted runs may have left something with their peers."""
    rows = tables.erasing_runs(limit) if key is None else tables.thread_runs(key, limit)
    return tuple(
        Erasing(RunId(row.run_id), row.tenant, row.subject, _noted(row))
        for row in rows
        if row.erased == _HERE
    )


def erased(tables: Tables, run_ids: Sequence[str]) -> None:
    """Take note that nothing of these deleted runs is left anywhere."""
    for run_id in run_ids:
        row = tables.run(run_id)
        if row is not None and row.erased == _HERE:
            tables.save_run(row._replace(erased=_EVERYWHERE, result=None))


def rooted(tables: Tables, principal: Principal, root_ids: Sequence[str]) -> tuple[ThreadKey, ...]:
    """Return the principal's threads that hold work for these mesh-wide runs."""
    rows = [
        row
        for root_id in root_ids
        for row in tables.rooted_runs(principal.tenant, principal.subject, root_id)
    ]
    return tuple(dict.fromkeys(ThreadKey(row.tenant, row.subject, row.thread_id) for row in rows))


def _erase(tables: Tables, row: RunRow) -> None:
    """Leave of a run what keeps a duplicate out and a living owner fenced from the thread."""
    peers: JsonObject = {"peers": _peers(tables, row.run_id)}
    tables.erase_run(row.run_id)
    row = row._replace(erased=_HERE, request="{}", authority="{}", result=encode(peers), error=None)
    if row.status in TERMINAL:
        row = row._replace(interrupts="[]", cancel=None)
    tables.save_run(row)
    if row.status not in TERMINAL:
        stop(tables, row, by=row.subject, reason="its thread was deleted", grace_s=5.0)


def _peers(tables: Tables, run_id: str) -> list[JsonValue]:
    """Return the names of whoever was given a part of the run; whom they called is theirs to tell."""
    names: set[str] = set()
    after = 0
    while rows := tables.events(run_id, after, _PAGE):
        after = rows[-1].seq
        for row in rows:
            if row.type == "plan.step.started" and row.origin is None:
                name = loads_object(row.data).get("peer")
                names.update([name] if isinstance(name, str) else ())
    return [*sorted(names)]


def _noted(row: RunRow) -> tuple[str, ...]:
    peers = loads_object(row.result).get("peers") if row.result else None
    return tuple(str(name) for name in peers) if isinstance(peers, list) else ()
