"""Plays scripts in PostgreSQL: a thread with an event loop of its own, and a bounded pool."""

import asyncio
import os
import random
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TypeVar, cast

import asyncpg

from weft.checkpoint.base import Durability
from weft.checkpoint.faults import Faults
from weft.checkpoint.postgres.address import Address
from weft.checkpoint.postgres.link import ConflictError, Link, translated
from weft.checkpoint.postgres.schema import is_durable, lay_out
from weft.checkpoint.postgres.tables import Dialects, PostgresTables
from weft.checkpoint.script import Script
from weft.checkpoint.store import Database
from weft.core.errors import ForkedStoreError, StoreUnavailableError

T = TypeVar("T")

CONNECTIONS = 10
"""At most, of one process to one database."""
MAX_WAITING = 10_000
CONNECT_SECONDS = 3.0
STATEMENT_SECONDS = 4.0
LOCK_SECONDS = 2.0
OPERATION_SECONDS = 6.0
"""What a caller waits at most: for a connection, its statements, and all that is played again."""
MOST_PLAYS = 12
PAUSE_SECONDS = 0.005
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"
# What was read with a lock stays as it is, so that nothing more is asked of the server.
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresDatabase(Database):
    """Scripts from any event loop, played on the loop of a thread that owns the connections.

    A connection belongs to the loop it was made on, and callers' loops come and go.
    """

    def __init__(self, address: Address, faults: Faults) -> None:
        self._address = address
        self._faults = faults
        self._gate = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process: int | None = None
        self._closed = False
        self._plays: set[asyncio.Task[object] | None] = set()
        self._pool: asyncpg.Pool | None = None
        self._opening: asyncio.Lock | None = None
        self._dialects = Dialects()
        self._durability: Durability = "weak"

    @property
    def durability(self) -> Durability:
        """What the server promises; the least until it was asked."""
        return self._durability

    async def write(self, script: Callable[[], Script[T]]) -> T:
        return await self._played(script, _WRITE)

    async def read(self, script: Callable[[], Script[T]]) -> T:
        return await self._played(script, _READ)

    async def aclose(self) -> None:
        if self._process not in (None, os.getpid()):
            return  # thread and connections are the parent's
        with self._gate:
            self._closed = True
            loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._shut(), loop))
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.to_thread(self._thread.join)

    async def _played(self, script: Callable[[], Script[T]], begin: str) -> T:
        return await self._elsewhere(lambda: self._within(script, begin))

    async def _elsewhere(self, work: Callable[[], Coroutine[object, object, T]]) -> T:
        """Await `work` on the thread's loop; a caller that goes away does not break it off."""
        home = self._home()
        future = asyncio.run_coroutine_threadsafe(work(), home)
        return await asyncio.shield(asyncio.wrap_future(future))

    def _home(self) -> asyncio.AbstractEventLoop:
        # Before the gate, which somebody may have held at the fork.
        if self._process not in (None, os.getpid()):
            raise ForkedStoreError(self._address.shown)
        with self._gate:
            if self._closed:
                raise StoreUnavailableError("the database was closed")
            if len(self._plays) >= MAX_WAITING:
                raise StoreUnavailableError("too many operations wait for the database")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # A daemon, so that a forgotten `aclose` does not keep the interpreter alive.
                self._thread = threading.Thread(
                    target=_run, args=(self._loop,), name="weft-postgres", daemon=True
                )
                self._thread.start()
                self._process = os.getpid()
            return self._loop

    async def _within(self, script: Callable[[], Script[T]], begin: str) -> T:
        play = asyncio.current_task()
        self._plays.add(play)
        try:
            async with asyncio.timeout(OPERATION_SECONDS):
                return await self._repeatedly(script, begin)
        except TimeoutError as error:
            raise StoreUnavailableError(
                f"the database {self._address.shown} took more than {OPERATION_SECONDS:g} s"
            ) from error
        finally:
            self._plays.discard(play)

    async def _repeatedly(self, script: Callable[[], Script[T]], begin: str) -> T:
        """Play the script until no other transaction stands in its way."""
        for play in range(MOST_PLAYS):
            try:
                return await self._once(script, begin)
            except ConflictError:
                await asyncio.sleep(PAUSE_SECONDS * 2**play * random.random())  # noqa: S311
        raise StoreUnavailableError(
            f"other transactions of {self._address.shown} stood in the way {MOST_PLAYS} times"
        )

    async def _once(self, script: Callable[[], Script[T]], begin: str) -> T:
        async with self._link() as link:
            await link.execute(begin)
            tables = PostgresTables(link, self._dialects[self._faults.ahead_s])
            value = await tables.play(script())
            if tables.changed:
                self._faults.before_commit()
            await link.execute("COMMIT")
        if tables.changed:
            self._faults.after_commit()
        return value

    @asynccontextmanager
    async def _link(self) -> AsyncGenerator[Link, None]:
        """Yield a connection of the pool; one with a transaction left open is rolled back."""
        try:
            pool = await self._opened()
            link = cast("Link", await pool.acquire())
        except Exception as error:
            raise translated(error, self._address.shown) from error
        try:
            yield link
        except Exception as error:
            await self._roll_back(link)
            raise translated(error, self._address.shown) from error
        except BaseException:
            # Cut off in the middle of a statement: nothing that follows could be relied on.
            _terminate(link)
            raise
        finally:
            await pool.release(link)

    async def _roll_back(self, link: Link) -> None:
        try:
            if link.is_in_transaction():
                await link.execute("ROLLBACK")
        except Exception:  # noqa: BLE001 - whatever keeps it from that, it serves nobody any more
            _terminate(link)

    async def _opened(self) -> "asyncpg.Pool":
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._pool is None:
                self._pool = await self._open()
            return self._pool

    async def _open(self) -> "asyncpg.Pool":
        pool = asyncpg.create_pool(
            self._address.dsn,
            min_size=1,
            max_size=CONNECTIONS,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            reset=_as_it_is,
            server_settings={
                "application_name": "weft",
                "search_path": self._address.schema,
                "statement_timeout": f"{STATEMENT_SECONDS:g}s",
                "lock_timeout": f"{LOCK_SECONDS:g}s",
                "idle_in_transaction_session_timeout": f"{OPERATION_SECONDS:g}s",
            },
        )
        try:
            await pool
            async with pool.acquire() as link:
                await lay_out(link, self._address.schema)
                self._durability = "strong" if await is_durable(link) else "weak"
        except BaseException:
            pool.terminate()
            raise
        return pool

    async def _shut(self) -> None:
        """Let what is under way end, and close the connections."""
        if plays := [play for play in self._plays if play is not None]:
            await asyncio.wait(plays, timeout=OPERATION_SECONDS)
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


async def _as_it_is(link: object) -> None:
    """Leave a connection as it was: nothing outlives a transaction here."""


def _terminate(link: Link) -> None:
    # The pool may have seen before us that the server is gone, and taken the connection back.
    with suppress(asyncpg.InterfaceError):
        link.terminate()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()
