"""What each of an owner's writes takes of SQLite: its statements, beside BEGIN and COMMIT.

| write                           | before | now |
| ------------------------------- | ------ | --- |
| accept                          | 7      | 4   |
| accept and claim                | 7      | 4   |
| accept, claim and first step    | 7 + 4  | 5   |
| claim                           | 6      | 5   |
| claim with a first step         | 6 + 4  | 6   |
| append                          | 3      | 2   |
| record a step                   | 4      | 3   |
| finish                          | 5      | 2   |
| finish with a step              | 6      | 3   |
| finish with a step and a turn   | 9      | 5   |
| intend                          | 6      | 4   |
| settle                          | 7      | 4   |
| renew eight leases              | 9      | 1   |

Before: rules that called synchronous tables, and a step of its own, in a commit of its own.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from weft.checkpoint import EffectOutcome, Held, StepWrite, Turn
from weft.checkpoint.sql import Lock, Rows, Said
from weft.checkpoint.sqlite import SqliteCheckpointer, sqlite_checkpointer
from weft.checkpoint.sqlite.tables import SqliteTables
from weft.events import Event
from weft.testing.store_values import (
    RUNS,
    STEP,
    effect,
    ending,
    new_run,
    running,
    started,
    step,
    thread_of,
)

PLAN = StepWrite((), {"plan": "look"}, (Event(type="plan.compiled"),))


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the statements by their first words."""
    counted: Counter[str] = Counter()
    execute = SqliteTables._execute

    def counting(self: SqliteTables, said: Said) -> Rows:
        if not isinstance(said, Lock):
            counted[" ".join(said.text.split()[:3])] += 1
        return execute(self, said)

    monkeypatch.setattr(SqliteTables, "_execute", counting)
    return counted


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteCheckpointer]:
    async with aclosing(sqlite_checkpointer(tmp_path / "db")) as opened:
        yield opened


def spent(statements: Counter[str]) -> int:
    """Return how many there were since the last look."""
    total = statements.total()
    statements.clear()
    return total


async def test_accepting_and_claiming(store: SqliteCheckpointer, statements: Counter[str]) -> None:
    runs = store.runs
    await runs.accept(new_run(), on_busy="reject")
    assert spent(statements) == 4
    await runs.accept(new_run(), on_busy="reject", owner="one")
    assert spent(statements) == 4
    await runs.accept(new_run(), on_busy="reject", owner="one", prepare=lambda _: PLAN)
    assert spent(statements) == 5
    await runs.claim("one", RUNS, limit=1)
    # One of them says whether its thread has anything to read: nobody need look for that then.
    assert spent(statements) == 5
    await runs.accept(new_run(), on_busy="reject")
    spent(statements)
    await runs.claim("one", RUNS, limit=1, prepare=lambda _: PLAN)
    assert spent(statements) == 6


async def test_the_log_and_the_end(store: SqliteCheckpointer, statements: Counter[str]) -> None:
    claimed = await started(store)
    held = claimed.held
    spent(statements)
    await store.runs.append(held, 1, [STEP, STEP, STEP])
    assert spent(statements) == 2
    await store.runs.record_step(held, step())
    assert spent(statements) == 3
    turn = Turn(thread_of(claimed.run), (b"question", b"answer"), expected=0)
    await store.runs.finish(held, replace(ending("completed", step("last")), turn=turn))
    assert spent(statements) == 5

    for end, most in ((ending(), 2), (ending("completed", step()), 3)):
        held = await running(store)
        spent(statements)
        await store.runs.finish(held, end)
        assert spent(statements) == most


async def test_effects(store: SqliteCheckpointer, statements: Counter[str]) -> None:
    held, call = await running(store), effect()
    spent(statements)
    await store.effects.intend(held, call, events=[STEP])
    assert spent(statements) == 4
    await store.effects.settle(held, call.key, 1, EffectOutcome("done", 1), events=[STEP])
    assert spent(statements) == 4


async def test_leases(store: SqliteCheckpointer, statements: Counter[str]) -> None:
    helds: list[Held] = [await running(store) for _ in range(8)]
    spent(statements)
    assert (await store.runs.renew(helds)).lost == frozenset()
    assert spent(statements) == 1
