"""Runs, threads and effects in one SQLite file, which several processes of a machine may share."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from weft.checkpoint.base import Durability
from weft.checkpoint.faults import NO_FAULTS, Faults
from weft.checkpoint.script import Script
from weft.checkpoint.sqlite.worker import Reader, Stats, Writer
from weft.checkpoint.store import Database, DatabaseCheckpointer
from weft.core.errors import ConfigError

__all__ = ["SqliteCheckpointer", "Stats", "from_url", "sqlite_checkpointer"]

log = logging.getLogger(__name__)

T = TypeVar("T")


class _SqliteDatabase(Database):
    def __init__(self, path: Path, faults: Faults) -> None:
        self.writer = Writer(path, faults)
        self.reader = Reader(path, faults)

    @property
    def durability(self) -> Durability:
        return "strong"

    async def write(self, script: Callable[[], Script[T]]) -> T:
        return cast("T", await self.writer.submit(script))

    async def read(self, script: Callable[[], Script[T]]) -> T:
        return cast("T", await self.reader.submit(script))

    async def aclose(self) -> None:
        await asyncio.gather(self.writer.aclose(), self.reader.aclose())


class SqliteCheckpointer(DatabaseCheckpointer):
    """A SQLite file, opened with the first call; it serves any number of event loops."""

    def __init__(self, database: _SqliteDatabase, path: Path) -> None:
        super().__init__(database)
        self._writer = database.writer
        self._path = path

    @property
    def stats(self) -> Stats:
        """Return what was written since it was opened."""
        return self._writer.stats

    async def aclose(self) -> None:
        await super().aclose()
        stats = self.stats
        log.info(
            "store_closed",
            extra={
                "database": self._path.name,
                "commits": stats.commits,
                "operations": stats.operations,
                "statements": stats.statements,
            },
        )


def sqlite_checkpointer(path: str | Path, *, faults: Faults = NO_FAULTS) -> SqliteCheckpointer:
    """Return the database in the file `path`, which is made if it is absent; its directory not."""
    return SqliteCheckpointer(_SqliteDatabase(Path(path), faults), Path(path))


def from_url(rest: str) -> SqliteCheckpointer:
    """Return the database of `sqlite:<path>`; `sqlite:///a/b` is the file `/a/b`.

    Raises:
        ConfigError: There is no path.
    """
    path = rest.removeprefix("//")
    if not path or path == ":memory:":
        raise ConfigError("name a file, as in 'sqlite:weft.db'; without one there is 'memory:'")
    return sqlite_checkpointer(path)
