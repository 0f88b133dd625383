"""The layout of a SQLite database, and how a connection to it is opened."""

import logging
import sqlite3
import time
from pathlib import Path

from weft.core.errors import ConfigError, LayoutError
from weft.core.private_files import FILE_MODE, create_private

log = logging.getLogger(__name__)

LAYOUT = 6

_LAYOUT_1 = (
    """CREATE TABLE runs (
        position INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL UNIQUE,
        tenant TEXT NOT NULL,
        subject TEXT NOT NULL,
        scopes TEXT NOT NULL,
        operation TEXT NOT NULL,
        idem_key TEXT NOT NULL,
        body_hash TEXT NOT NULL,
        thread_id TEXT NOT NULL,
        root_id TEXT NOT NULL,
        trace_id TEXT,
        created REAL NOT NULL,
        status TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        owner TEXT,
        lease_until REAL NOT NULL,
        deadline REAL,
        rest REAL,
        interrupts TEXT NOT NULL,
        expires_at REAL,
        cancel TEXT,
        lost_leases INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,
        last_batch INTEGER NOT NULL,
        result TEXT,
        error TEXT,
        erased INTEGER NOT NULL,
        started REAL,
        updated REAL NOT NULL,
        UNIQUE (tenant, subject, operation, idem_key)
    )""",
    "CREATE INDEX runs_thread ON runs (tenant, subject, thread_id)",
    """CREATE INDEX runs_open ON runs (tenant, subject, thread_id)
        WHERE status IN ('queued', 'running', 'interrupted', 'canceling')""",
    "CREATE INDEX runs_queued ON runs (position) WHERE status = 'queued'",
    """CREATE INDEX runs_leased ON runs (lease_until)
        WHERE status IN ('running', 'canceling')""",
    "CREATE INDEX runs_waiting ON runs (expires_at) WHERE status = 'interrupted'",
    # Apart from `runs`, whose rows are rewritten with every event.
    "CREATE TABLE requests (position INTEGER PRIMARY KEY, request TEXT NOT NULL)",
    """CREATE TABLE steps (
        run_id TEXT NOT NULL,
        path TEXT NOT NULL,
        outcome TEXT NOT NULL,
        PRIMARY KEY (run_id, path)
    )""",
    """CREATE TABLE events (
        run_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        ts TEXT NOT NULL,
        type TEXT NOT NULL,
        path TEXT NOT NULL,
        agent TEXT,
        span_id TEXT,
        origin TEXT,
        data TEXT NOT NULL,
        PRIMARY KEY (run_id, seq)
    ) WITHOUT ROWID""",
    """CREATE TABLE ledger (
        key TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        tenant TEXT NOT NULL,
        scope TEXT NOT NULL,
        scope_id TEXT NOT NULL,
        tool TEXT NOT NULL,
        args_hash TEXT NOT NULL,
        arguments TEXT NOT NULL,
        path TEXT NOT NULL,
        nonce TEXT NOT NULL,
        run_id TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        state TEXT NOT NULL,
        outcome TEXT,
        recorded_at REAL NOT NULL,
        PRIMARY KEY (key, attempt)
    )""",
    "CREATE INDEX ledger_run ON ledger (run_id)",
    """CREATE TABLE threads (
        number INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        subject TEXT NOT NULL,
        thread_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        created REAL NOT NULL,
        updated REAL NOT NULL,
        UNIQUE (tenant, subject, thread_id)
    )""",
    """CREATE TABLE messages (
        thread INTEGER NOT NULL,
        n INTEGER NOT NULL,
        run_id TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (thread, n)
    )""",
)
_LAYOUT_2 = (
    # 2: as every run before it, for all older open runs of its thread.
    "ALTER TABLE runs ADD COLUMN waits INTEGER NOT NULL DEFAULT 2",
    """CREATE TABLE received (
        tenant TEXT NOT NULL,
        subject TEXT NOT NULL,
        operation TEXT NOT NULL,
        key TEXT NOT NULL,
        run_id TEXT NOT NULL,
        body_hash TEXT NOT NULL,
        received REAL NOT NULL,
        PRIMARY KEY (tenant, subject, operation, key)
    )""",
    "CREATE INDEX runs_erasing ON runs (position) WHERE erased = 1",
)
_LAYOUT_3: tuple[str, ...] = ()
"""The same tables: long texts are compressed, and a result names what stands in its run's steps."""
_LAYOUT_4 = (
    "ALTER TABLE requests ADD COLUMN authority TEXT NOT NULL DEFAULT '{}'",
    # Limits that a run was accepted with hold for it also after an update.
    """UPDATE requests SET authority = json_object(
        'budget', json(coalesce(json_extract(request, '$.budget'),
            json_extract(request, '$.limits'), '{}')),
        'act', json(coalesce(json_extract(request, '$.act'), '[]')),
        'depth', json_extract(request, '$.depth'),
        'traceparent', json_extract(request, '$.traceparent'))
        WHERE typeof(request) = 'text'""",
)
_LAYOUT_5 = (
    # Of one subject the rows stand in the order of acceptance: an index ends with the row's number.
    "CREATE INDEX runs_listed ON runs (tenant, subject)",
    "CREATE INDEX runs_whole ON runs (created) WHERE erased = 0",
    "CREATE INDEX runs_bare ON runs (created) WHERE erased IN (2, 3)",
    "CREATE INDEX threads_old ON threads (created)",
    "CREATE INDEX received_run ON received (run_id)",
)
_LAYOUT_6 = (
    # What is counted together has one short key, whatever tenants and domains are called.
    """CREATE TABLE outcomes (
        position INTEGER NOT NULL,
        goal TEXT NOT NULL,
        cell TEXT NOT NULL,
        success INTEGER NOT NULL,
        bad INTEGER NOT NULL,
        PRIMARY KEY (position, goal)
    ) WITHOUT ROWID""",
    "CREATE INDEX outcomes_cell ON outcomes (cell, position)",
)
_STEPS_TO = {
    1: _LAYOUT_1, 2: _LAYOUT_2, 3: _LAYOUT_3, 4: _LAYOUT_4, 5: _LAYOUT_5, 6: _LAYOUT_6,
}  # fmt: skip
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
PATIENCE = 1.5
"""Seconds to wait for another process's transaction."""
LOG_PATIENCE = 0.25
"""Seconds to wait for readers of what was erased; the next commit tries again."""
_PAUSE = 0.0003


def opened(path: Path) -> sqlite3.Connection:
    """Return a connection of this thread, its database laid out and as durable as promised.

    Raises:
        ConfigError: The directory is missing, or the file cannot be kept durable there.
        LayoutError: A newer Weft wrote it.
        sqlite3.Error: SQLite refused.
    """
    if not path.parent.is_dir():
        raise ConfigError(f"the directory of the database {path.name!r} does not exist: make it")
    _keep_private(path)
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _keep_private(path: Path) -> None:
    """Let the owner alone read what is said in private; SQLite's files beside it take its mode.

    The database itself is never opened here: closing it would drop the locks that SQLite holds.
    """
    try:
        if not path.exists():
            create_private(path, b"")
        for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            if file.exists() and file.stat().st_mode & 0o077:
                file.chmod(FILE_MODE)
    except OSError as error:
        log.info("database_mode_kept", extra={"database": path.name, "error": error.strerror})


def execute_patiently(connection: sqlite3.Connection, statement: str) -> sqlite3.Cursor:
    """Execute `statement`, trying again while another process holds the database.

    SQLite's own busy handler backs off so far that one of two processes starves.
    """
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            return connection.execute(statement)
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF in BUSY
            if not busy or time.monotonic() > give_up:
                raise
            time.sleep(_PAUSE)


def emptied_log(connection: sqlite3.Connection) -> bool:
    """Move the write-ahead log into the database and cut it; tell whether nobody kept it busy."""
    give_up = time.monotonic() + LOG_PATIENCE
    while True:
        try:
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:
            busy = 1
        if not busy or time.monotonic() > give_up:
            return not busy
        time.sleep(_PAUSE)


def _prepare(connection: sqlite3.Connection) -> None:
    (layout,) = execute_patiently(connection, "PRAGMA user_version").fetchone()
    if layout > LAYOUT:
        raise LayoutError(
            f"this database has layout {layout}, and this Weft knows {LAYOUT}: use a newer one"
        )
    (mode,) = execute_patiently(connection, "PRAGMA journal_mode = WAL").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    # What is deleted is overwritten: a file without its rows would still hold their text.
    connection.execute("PRAGMA secure_delete = ON")
    # What undoes a savepoint need not outlive the process; a file would cost a write per page.
    connection.execute("PRAGMA temp_store = MEMORY")
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    if mode != "wal" or synchronous != 2:  # noqa: PLR2004 - FULL
        raise ConfigError("SQLite cannot write ahead here: use a file on a local disk")
    if layout < LAYOUT:
        _migrate(connection)


def _migrate(connection: sqlite3.Connection) -> None:
    execute_patiently(connection, "BEGIN IMMEDIATE")
    try:
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
        for step in range(layout + 1, LAYOUT + 1):
            for statement in _STEPS_TO[step]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {LAYOUT:d}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
