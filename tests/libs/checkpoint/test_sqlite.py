import asyncio
import json
import logging
import secrets
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing, closing
from pathlib import Path

import anyio
import pytest

from tests.libs.checkpoint.raw import execute, select
from weft.checkpoint import Accepted, Faults, Held, sqlite_checkpointer
from weft.checkpoint.requests import Now
from weft.checkpoint.script import Script
from weft.checkpoint.sql import texts
from weft.checkpoint.sql.dialect import put_for_sqlite
from weft.checkpoint.sqlite import SqliteCheckpointer, schema, worker
from weft.checkpoint.store import DatabaseCheckpointer
from weft.core import Budget, JsonObject, RunId
from weft.core.errors import (
    ConfigError,
    FencedError,
    LayoutError,
    StoreFullError,
    StoreUnavailableError,
    ThreadBusyError,
)
from weft.testing.store_values import ALICE, RUNS, all_of, ending, new_run, running, step


class Gate(Faults):
    """Holds the writer before its next commit until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def before_commit(self) -> None:
        self.reached.set()
        assert self.opened.wait(10)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def gated(tmp_path: Path, gate: Gate) -> AsyncIterator[SqliteCheckpointer]:
    async with aclosing(sqlite_checkpointer(tmp_path / "db", faults=gate)) as them:
        yield them
        gate.opened.set()


@pytest.fixture
async def them(tmp_path: Path) -> AsyncIterator[SqliteCheckpointer]:
    async with aclosing(sqlite_checkpointer(tmp_path / "db")) as opened:
        yield opened


async def test_what_waits_during_a_commit_shares_the_next(
    gated: SqliteCheckpointer, gate: Gate
) -> None:
    first = asyncio.ensure_future(running(gated))
    await asyncio.to_thread(gate.reached.wait, 5)
    rest = [asyncio.ensure_future(running(gated)) for _ in range(50)]
    await anyio.lowlevel.checkpoint()

    gate.opened.set()
    await asyncio.gather(first, *rest)

    assert (gated.stats.commits, gated.stats.operations) == (2, 51)


async def test_a_refused_operation_leaves_nothing_and_spoils_none_beside_it(
    gated: SqliteCheckpointer, gate: Gate
) -> None:
    first = asyncio.ensure_future(running(gated))
    await asyncio.to_thread(gate.reached.wait, 5)
    new, twin, other = new_run("t"), new_run("t"), new_run("u")
    writes: list[Awaitable[object]] = [
        gated.runs.accept(new, on_busy="reject", owner="one"),
        gated.runs.accept(twin, on_busy="reject"),
        # Only after its row is written does the claim turn out to be stale.
        gated.runs.record_step(Held(new.run_id, 9), step()),
        gated.runs.accept(other, on_busy="reject"),
    ]
    calls = asyncio.gather(*writes, return_exceptions=True)
    await anyio.lowlevel.checkpoint()

    gate.opened.set()
    await first
    answers = await calls

    assert [type(answer) for answer in answers] == [
        Accepted,
        ThreadBusyError,
        FencedError,
        Accepted,
    ]
    assert gated.stats.commits == 2
    assert await gated.runs.steps(ALICE, new.run_id) == {}


async def test_a_caller_that_goes_away_spoils_none_beside_it(
    gated: SqliteCheckpointer, gate: Gate
) -> None:
    news = [new_run() for _ in range(3)]
    calls = [
        asyncio.ensure_future(gated.runs.accept(new, on_busy="reject", owner="one")) for new in news
    ]
    await asyncio.to_thread(gate.reached.wait, 5)

    calls[1].cancel()
    gate.opened.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert isinstance(answers[1], asyncio.CancelledError)
    for new in news:
        assert (await gated.runs.read(ALICE, new.run_id)).status == "running"


async def test_readers_do_not_wait_for_a_commit(gated: SqliteCheckpointer, gate: Gate) -> None:
    await gated.ping()
    writing = asyncio.ensure_future(running(gated))
    await asyncio.to_thread(gate.reached.wait, 5)

    with anyio.fail_after(5):
        assert await gated.runs.find(ALICE, "run", "k") is None

    assert not writing.done()
    gate.opened.set()
    await writing


async def test_too_much_waiting_is_refused_at_once(
    gated: SqliteCheckpointer, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MAX_WAITING", 5)
    first = asyncio.ensure_future(running(gated))
    await asyncio.to_thread(gate.reached.wait, 5)
    calls = asyncio.gather(*[running(gated) for _ in range(8)], return_exceptions=True)
    await anyio.lowlevel.checkpoint()
    await anyio.lowlevel.checkpoint()

    gate.opened.set()
    await first
    answers = await calls

    refused = [answer for answer in answers if isinstance(answer, StoreUnavailableError)]
    assert len(refused) == 3


async def test_closing_finishes_what_was_submitted(tmp_path: Path) -> None:
    them = sqlite_checkpointer(tmp_path / "db")
    news = [new_run() for _ in range(20)]
    calls = [asyncio.ensure_future(them.runs.accept(new, on_busy="reject")) for new in news]
    await anyio.lowlevel.checkpoint()

    await them.aclose()

    assert len(await asyncio.gather(*calls)) == 20
    async with aclosing(sqlite_checkpointer(tmp_path / "db")) as again:
        assert len(await again.runs.claim("one", RUNS, limit=50)) == 20


def test_a_forgotten_close_does_not_keep_the_interpreter_alive(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from weft.checkpoint import sqlite_checkpointer\n"
        "them = sqlite_checkpointer(sys.argv[1])\n"
        "asyncio.run(them.ping())\n"
        "asyncio.run(them.runs.claim('one', ('run',), limit=1))\n"
    )

    subprocess.run([sys.executable, "-c", code, tmp_path / "db"], check=True, timeout=15)


async def test_a_run_in_three_writes_costs_three_commits(them: SqliteCheckpointer) -> None:
    before = them.stats
    held = await running(them)
    await them.runs.append(held, 1, [])
    await them.runs.finish(held, ending())

    assert them.stats.commits - before.commits == 3


async def test_a_closed_database_says_how_often_it_committed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="weft.checkpoint.sqlite")
    async with aclosing(sqlite_checkpointer(tmp_path / "db")) as them:
        held = await running(them)
        await them.runs.finish(held, ending())
        assert await them.runs.claim("one", RUNS, limit=1) == []

    [told] = [each for each in caplog.records if each.message == "store_closed"]
    assert (vars(told)["database"], vars(told)["commits"], vars(told)["operations"]) == ("db", 2, 3)


async def test_looking_for_work_commits_nothing(them: SqliteCheckpointer) -> None:
    assert await them.runs.claim("one", RUNS, limit=5) == []

    assert them.stats.commits == 0


@pytest.mark.requirement("RS-22", "CKPT-14")
async def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "db")) as newer:
        newer.execute(f"PRAGMA user_version = {schema.LAYOUT + 1}")
        newer.execute("CREATE TABLE theirs (x)")
    before = (tmp_path / "db").read_bytes()

    async with aclosing(sqlite_checkpointer(tmp_path / "db")) as them:
        for call in (them.ping(), them.runs.claim("one", RUNS, limit=1)):
            with pytest.raises(LayoutError):
                await call

    assert (tmp_path / "db").read_bytes() == before


@pytest.mark.requirement("CKPT-14")
async def test_an_older_layout_is_brought_forward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with aclosing(sqlite_checkpointer(tmp_path / "db")) as them:
        held = await running(them)
    steps = {**schema._STEPS_TO, schema.LAYOUT + 1: ("ALTER TABLE runs ADD COLUMN note TEXT",)}
    monkeypatch.setattr(schema, "_STEPS_TO", steps)
    monkeypatch.setattr(schema, "LAYOUT", schema.LAYOUT + 1)

    for _ in range(2):
        async with aclosing(sqlite_checkpointer(tmp_path / "db")) as them:
            assert (await them.runs.read(ALICE, held.run_id)).status == "running"

    with closing(sqlite3.connect(tmp_path / "db")) as found:
        assert found.execute("PRAGMA user_version").fetchone() == (schema.LAYOUT,)
        assert found.execute("SELECT note FROM runs").fetchall() == [(None,)]


@pytest.mark.requirement("CKPT-14")
async def test_a_run_of_an_older_layout_keeps_the_limits_it_was_accepted_with(
    tmp_path: Path,
) -> None:
    asked = {
        "message": {}, "budget": {"tokens": 5, "calls": None}, "act": ["router"], "depth": 1,
        "traceparent": None,
    }  # fmt: skip
    with closing(sqlite3.connect(tmp_path / "db")) as older:
        for layout in (1, 2):
            for statement in schema._STEPS_TO[layout]:
                older.execute(statement)
        older.execute(
            """INSERT INTO runs VALUES (1, 'r1', 'acme', 'alice', '["runs:read"]', 'run', 'k', 'h',
            't', 'root', NULL, 0, 'queued', 0, NULL, 0, NULL, NULL, '[]', NULL, NULL, 0, 1, 0,
            NULL, NULL, 0, NULL, 0, 2)"""
        )
        older.execute("INSERT INTO requests VALUES (1, ?)", (json.dumps(asked),))
        older.execute("PRAGMA user_version = 2")
        older.commit()

    async with aclosing(sqlite_checkpointer(tmp_path / "db")) as them:
        authority = (await them.runs.read(ALICE, RunId("r1"))).authority()

    assert authority.budget == Budget(tokens=5)
    assert (authority.act, authority.depth, authority.root_id) == (("router",), 1, "root")


@pytest.mark.requirement("RS-23", "CKPT-12")
async def test_a_full_disk_refuses_the_write_and_reads_go_on(them: SqliteCheckpointer) -> None:
    kept = await running(them)
    await _limit_pages(them, 0)
    large: JsonObject = {"text": secrets.token_hex(200_000)}

    answers = await all_of(
        them.runs.accept(new_run(key=f"k{n}", request=large), on_busy="reject") for n in range(5)
    )

    assert {type(answer) for answer in answers} == {StoreFullError}
    assert (await them.runs.read(ALICE, kept.run_id)).status == "running"
    assert await them.runs.find(ALICE, "run", "k0") is None
    await _limit_pages(them, 1_000_000)
    assert (await them.runs.accept(new_run(request=large), on_busy="reject")).run.request == large


async def _limit_pages(them: DatabaseCheckpointer, most: int) -> None:
    """Let the file grow to `most` pages; it never becomes smaller than it is."""

    await execute(them, f"PRAGMA max_page_count = {max(most, 1)}")


@pytest.mark.requirement("CKPT-12")
async def test_a_database_that_somebody_keeps_locked_is_unavailable_and_readable(
    them: SqliteCheckpointer, tmp_path: Path
) -> None:
    held = await running(them)
    other = sqlite3.connect(tmp_path / "db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with anyio.fail_after(2):
        writing = asyncio.ensure_future(running(them))
        assert (await them.runs.read(ALICE, held.run_id)).status == "running"
        with pytest.raises(StoreUnavailableError):
            await writing
    other.execute("ROLLBACK")
    other.close()

    assert (await running(them)).epoch == 1


@pytest.mark.requirement("CKPT-12")
async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"this is no database, it only looks like a file" * 100)

    async with aclosing(sqlite_checkpointer(tmp_path / "db")) as them:
        with pytest.raises(StoreUnavailableError):
            await them.ping()
        with pytest.raises(StoreUnavailableError):
            await running(them)


async def test_a_missing_directory_is_named_and_found_once_it_is_there(tmp_path: Path) -> None:
    async with aclosing(sqlite_checkpointer(tmp_path / "none" / "db")) as them:
        with pytest.raises(ConfigError, match="directory"):
            await them.ping()

        (tmp_path / "none").mkdir()

        await them.ping()


async def test_a_bug_reaches_its_caller_and_no_other(them: SqliteCheckpointer) -> None:
    def bug() -> Script[None]:
        yield from Now()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await them._database.write(bug)

    assert (await running(them)).epoch == 1


@pytest.mark.requirement("FX-15")
async def test_every_look_up_uses_an_index(them: SqliteCheckpointer) -> None:
    mine, several = "r.operation IN (?, ?)", texts.several("run_id = ? AND epoch = ?", 3, by=" OR ")
    whole = {
        "LOST": texts.LOST + mine + texts.LOST_FIRST + texts.UNLESS_LOCKED,
        "QUEUED": texts.QUEUED + mine + texts.QUEUED_FIRST + texts.UNLESS_LOCKED,
        "DUE": texts.DUE + mine + texts.DUE_FIRST + texts.UNLESS_LOCKED,
        "RENEW": texts.RENEW + several + texts.RENEWED,
        "LOG_STATES": texts.LOG_STATES + texts.several("?", 3),
    }
    statements = {
        name: text
        for name, text in vars(texts).items()
        if isinstance(text, str) and text.startswith(("SELECT", "UPDATE", "DELETE"))
    }
    del statements["RUN"], statements["_EFFECT"]
    statements |= whole | {f"ERASE {n}": text for n, text in enumerate(texts.ERASE)}
    scans: dict[str, list[str]] = {}
    for name, text in statements.items():
        plan = await select(
            them,
            "EXPLAIN QUERY PLAN " + put_for_sqlite(text, ahead_s=0.0),
            *[0] * text.count("?"),
        )
        lines = [str(line[3]) for line in plan if str(line[3]).startswith("SCAN")]
        # `used` is one row, counted over an index; `newest` are those that an index gave.
        bare = [line for line in lines if "INDEX" not in line and "CONSTANT" not in line]
        scans[name] = [line for line in bare if line not in ("SCAN used", "SCAN newest")]

    assert {"NEWEST", "LOST", "QUEUED", "OPEN", "ENTRIES", "DOOR"} <= set(scans)
    assert {name: lines for name, lines in scans.items() if lines} == {}


async def test_the_file_is_as_durable_as_promised(them: SqliteCheckpointer, tmp_path: Path) -> None:
    assert await execute(them, "PRAGMA journal_mode") == [("wal",)]
    assert await execute(them, "PRAGMA synchronous") == [(2,)]
    assert (tmp_path / "db-wal").exists()
    assert them.runs.durability == "strong"


async def test_an_absent_run_is_held_by_nobody(them: SqliteCheckpointer) -> None:
    assert await them.runs.find(ALICE, "run", "k") is None
    assert await them.runs.claim("one", RUNS, limit=0) == []
    assert (await them.runs.renew([])).lost == frozenset()
    assert RunId("x") not in (await them.runs.renew([])).canceling
