"""Threads: what a run adds, what readers see, and what deletion leaves."""

from collections.abc import Sequence

from weft.checkpoint.base import TERMINAL, Held, Thread, ThreadKey, Turn
from weft.checkpoint.rules.closing import stop
from weft.checkpoint.rules.writing import held_run
from weft.checkpoint.tables import RunRow, Tables
from weft.core.errors import FencedError, StaleThreadError, ThreadBusyError


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


def _erase(tables: Tables, row: RunRow) -> None:
    """Leave of a run what keeps a duplicate out and a living owner fenced from the thread."""
    tables.erase_run(row.run_id)
    row = row._replace(erased=1, request="{}", result=None, error=None)
    tables.save_run(row)
    if row.status not in TERMINAL:
        stop(tables, row, by=row.subject, reason="its thread was deleted", grace_s=5.0)
