"""A service's own SQLite file behind a small pool of connections, off the event loop."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path

from opentelemetry.trace import SpanKind, Tracer

from deploy.demo.shop.exposition import SECONDS, gauge
from deploy.demo.shop.telemetry import Telemetry

Value = str | int | float | None


class Database:
    """One connection of the pool, its caller's alone until given back."""

    def __init__(self, connection: sqlite3.Connection, tracer: Tracer) -> None:
        self._connection = connection
        self._tracer = tracer

    async def run(self, statement: str, *values: Value) -> list[tuple[Value, ...]]:
        """Execute one statement in a transaction of its own; return the rows it yields."""
        operation = statement.split(maxsplit=1)[0]
        with self._tracer.start_as_current_span(
            f"sqlite {operation}", kind=SpanKind.CLIENT, attributes={"db.system.name": "sqlite"}
        ):
            return await asyncio.to_thread(self._run, statement, values)

    def _run(self, statement: str, values: tuple[Value, ...]) -> list[tuple[Value, ...]]:
        with self._connection:
            return self._connection.execute(statement, values).fetchall()


class Pool:
    """A fixed number of connections; who finds none free waits in line."""

    def __init__(self, connections: list[sqlite3.Connection], telemetry: Telemetry) -> None:
        self._tracer = telemetry.tracer
        self._size = len(connections)
        self._waiting = 0
        self._free: asyncio.Queue[sqlite3.Connection] = asyncio.Queue(self._size)
        for connection in connections:
            self._free.put_nowait(connection)
        meter = telemetry.meter
        self._wait = meter.create_histogram(
            "db_pool_acquire_seconds", explicit_bucket_boundaries_advisory=SECONDS
        )
        gauge(meter, "db_pool_size", lambda: self._size)
        gauge(meter, "db_pool_in_use", lambda: self._size - self._free.qsize())
        gauge(meter, "db_pool_waiting", lambda: self._waiting)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Database, None]:
        """Lend a connection for the length of the block."""
        connection = await self._acquired()
        try:
            yield Database(connection, self._tracer)
        finally:
            self._free.put_nowait(connection)

    async def _acquired(self) -> sqlite3.Connection:
        started = time.perf_counter()
        self._waiting += 1
        try:
            with self._tracer.start_as_current_span("db.pool.acquire"):
                return await self._free.get()
        finally:
            self._waiting -= 1
            self._wait.record(time.perf_counter() - started)


@asynccontextmanager
async def pooled(
    path: Path, schema: str, *, size: int, telemetry: Telemetry
) -> AsyncGenerator[Pool, None]:
    """Open `size` connections to `path`, its tables made by `schema`."""
    with ExitStack() as stack:
        connections = [
            stack.enter_context(closing(await asyncio.to_thread(_connect, path)))
            for _ in range(size)
        ]
        await asyncio.to_thread(connections[0].executescript, schema)
        yield Pool(connections, telemetry)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=5, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection
