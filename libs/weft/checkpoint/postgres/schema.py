"""The layout of a PostgreSQL schema, made or brought forward when it is opened."""

from weft.checkpoint.postgres.link import Link
from weft.core.errors import LayoutError

LAYOUT = 3


def _digest(*columns: str) -> str:
    """Return an expression that tells values apart, whatever their lengths and characters."""
    parts = [f"length({column})::text || ':' || {column}" for column in columns]
    return f"md5({' || '.join(parts)})"


_OPEN = "('queued', 'running', 'interrupted', 'canceling')"
_LAYOUT_1 = (
    # Room in each page lets most updates of a run touch no index.
    """CREATE TABLE runs (
        position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id text NOT NULL UNIQUE,
        tenant text NOT NULL,
        subject text NOT NULL,
        scopes text NOT NULL,
        operation text NOT NULL,
        idem_key text NOT NULL,
        body_hash text NOT NULL,
        thread_id text NOT NULL,
        root_id text NOT NULL,
        trace_id text,
        created double precision NOT NULL,
        waits integer NOT NULL,
        status text NOT NULL,
        epoch integer NOT NULL,
        owner text,
        lease_until double precision NOT NULL,
        deadline double precision,
        rest double precision,
        interrupts text NOT NULL,
        expires_at double precision,
        cancel text,
        lost_leases integer NOT NULL,
        last_seq bigint NOT NULL,
        last_batch bigint NOT NULL,
        result text,
        error text,
        erased integer NOT NULL,
        started double precision,
        updated double precision NOT NULL
    ) WITH (fillfactor = 70)""",
    # What clients name may be longer than a row of a B-tree: it is found by its hash, and what must
    # be there once is held so by a digest.
    "CREATE INDEX runs_key ON runs USING hash (idem_key)",
    f"CREATE UNIQUE INDEX runs_once ON runs ({_digest('tenant', 'subject', 'operation', 'idem_key')})",
    "CREATE INDEX runs_thread ON runs USING hash (thread_id)",
    "CREATE INDEX runs_root ON runs USING hash (root_id)",
    f"CREATE INDEX runs_open ON runs USING hash (thread_id) WHERE status IN {_OPEN}",
    "CREATE INDEX runs_queued ON runs (position) WHERE status = 'queued'",
    "CREATE INDEX runs_leased ON runs (lease_until) WHERE status IN ('running', 'canceling')",
    "CREATE INDEX runs_waiting ON runs (expires_at) WHERE status = 'interrupted'",
    "CREATE INDEX runs_erasing ON runs (position) WHERE erased = 1",
    # Apart from `runs`, whose rows are rewritten with every event.
    """CREATE TABLE requests (
        position bigint PRIMARY KEY,
        request text NOT NULL,
        authority text NOT NULL
    )""",
    """CREATE TABLE steps (
        rowid bigint GENERATED ALWAYS AS IDENTITY,
        run_id text NOT NULL,
        path text NOT NULL,
        outcome text NOT NULL
    )""",
    "CREATE UNIQUE INDEX steps_once ON steps (run_id, md5(path))",
    """CREATE TABLE events (
        run_id text NOT NULL,
        seq bigint NOT NULL,
        ts text NOT NULL,
        type text NOT NULL,
        path text NOT NULL,
        agent text,
        span_id text,
        origin text,
        data text NOT NULL,
        PRIMARY KEY (run_id, seq)
    )""",
    """CREATE TABLE ledger (
        key text NOT NULL,
        attempt integer NOT NULL,
        tenant text NOT NULL,
        scope text NOT NULL,
        scope_id text NOT NULL,
        tool text NOT NULL,
        args_hash text NOT NULL,
        arguments text NOT NULL,
        path text NOT NULL,
        nonce text NOT NULL,
        run_id text NOT NULL,
        epoch integer NOT NULL,
        state text NOT NULL,
        outcome text,
        recorded_at double precision NOT NULL,
        PRIMARY KEY (key, attempt)
    )""",
    "CREATE INDEX ledger_run ON ledger (run_id)",
    """CREATE TABLE threads (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        tenant text NOT NULL,
        subject text NOT NULL,
        thread_id text NOT NULL,
        version bigint NOT NULL,
        created double precision NOT NULL,
        updated double precision NOT NULL
    )""",
    "CREATE INDEX threads_key ON threads USING hash (thread_id)",
    f"CREATE UNIQUE INDEX threads_once ON threads ({_digest('tenant', 'subject', 'thread_id')})",
    """CREATE TABLE messages (
        thread bigint NOT NULL,
        n bigint NOT NULL,
        run_id text NOT NULL,
        body bytea NOT NULL,
        PRIMARY KEY (thread, n)
    )""",
    """CREATE TABLE received (
        tenant text NOT NULL,
        subject text NOT NULL,
        operation text NOT NULL,
        key text NOT NULL,
        run_id text NOT NULL,
        body_hash text NOT NULL,
        received double precision NOT NULL
    )""",
    "CREATE INDEX received_key ON received USING hash (key)",
    f"CREATE UNIQUE INDEX received_once ON received ({_digest('tenant', 'subject', 'operation', 'key')})",
)
_LAYOUT_2 = (
    # On nothing that changes while a run is at work: its updates touch no index.
    "CREATE INDEX runs_listed ON runs USING hash (subject)",
    "CREATE INDEX runs_whole ON runs (created) WHERE erased = 0",
    "CREATE INDEX runs_bare ON runs (created) WHERE erased IN (2, 3)",
    "CREATE INDEX threads_old ON threads (created)",
    "CREATE INDEX received_run ON received USING hash (run_id)",
)
_LAYOUT_3 = (
    # What is counted together has one short key, whatever tenants and domains are called.
    """CREATE TABLE outcomes (
        position bigint NOT NULL,
        goal text NOT NULL,
        cell text NOT NULL,
        success integer NOT NULL,
        bad integer NOT NULL,
        PRIMARY KEY (position, goal)
    )""",
    "CREATE INDEX outcomes_cell ON outcomes (cell, position)",
)
_STEPS_TO = {1: _LAYOUT_1, 2: _LAYOUT_2, 3: _LAYOUT_3}
_OPENING = 0x77656674
"""The lock under which one process lays out while others wait."""


async def lay_out(link: Link, schema: str) -> None:
    """Bring `schema` to the layout of this Weft.

    Raises:
        LayoutError: A newer Weft wrote it.
    """
    if await _layout(link, schema) == LAYOUT:
        return
    await link.execute("BEGIN")
    try:
        await _bring_forward(link, schema)
    except BaseException:
        await link.execute("ROLLBACK")
        raise
    await link.execute("COMMIT")


async def _bring_forward(link: Link, schema: str) -> None:
    await link.execute("SELECT pg_advisory_xact_lock($1)", _OPENING)
    layout = await _layout(link, schema)
    if layout == 0:
        # The name was checked to need no quotes; it cannot be a value of the statement.
        await link.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        await link.execute("CREATE TABLE IF NOT EXISTS layout (number integer NOT NULL)")
        await link.execute("INSERT INTO layout (number) VALUES (0)")
    for step in range(layout + 1, LAYOUT + 1):
        # In one message: a table costs less than the way to the server.
        await link.execute(";\n".join(_STEPS_TO[step]))
    await link.execute("UPDATE layout SET number = $1", LAYOUT)


async def _layout(link: Link, schema: str) -> int:
    """Return the number of the layout that is there; 0 is none."""
    # Its name alone could be looked up in what this connection remembers from before a wait.
    tables = await link.fetch(
        "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'layout'", schema
    )
    if not tables:
        return 0
    rows = await link.fetch("SELECT number FROM layout")
    layout = int(str(rows[0][0])) if rows else 0
    if layout > LAYOUT:
        raise LayoutError(
            f"this database has layout {layout}, and this Weft knows {LAYOUT}: use a newer one"
        )
    return layout


async def is_durable(link: Link) -> bool:
    """Tell whether the server keeps every acknowledged commit through a power loss."""
    (settings,) = await link.fetch(
        "SELECT current_setting('fsync'), current_setting('full_page_writes'),"
        " current_setting('synchronous_commit')"
    )
    return "off" not in settings
