"""Pruning the databases of this machine's mesh, whether it runs or not."""

import asyncio
import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weft.checkpoint import Pruned, get_checkpointer
from weft.checkpoint.sqlite.compacting import compact
from weft.core.errors import ConfigError
from weft.runs import Pruner

__all__ = ["PrunedDatabase", "is_running", "prune_databases"]

LOCK = "up.lock"


@dataclass(frozen=True, slots=True)
class PrunedDatabase:
    """What became of one database."""

    name: str
    pruned: Pruned
    bytes_before: int | None = None
    """Of its file and what SQLite keeps beside it; None of a database elsewhere."""
    bytes_after: int | None = None


def is_running(home: Path) -> bool:
    """Tell whether a mesh holds this home."""
    try:
        lock = os.open(home / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


async def prune_databases(
    home: Path, urls: Sequence[str], *, keep_days: float
) -> list[PrunedDatabase]:
    """Prune each database of the home, or those that are named, and return what it came to.

    Files of a mesh that does not run are written anew afterwards, which gives their room back.

    Raises:
        ConfigError: There is none.
        StoreError: One cannot be used.
    """
    files = [] if urls else await asyncio.to_thread(_files, home)
    if not files and not urls:
        raise ConfigError(
            f"there is no database in {home}: say --home, or name one with --database"
        )
    still = not await asyncio.to_thread(is_running, home)
    outcomes = [await _prune_file(path, keep_days, anew=still) for path in files]
    outcomes += [PrunedDatabase(_shown(url), await _prune(url, keep_days)) for url in urls]
    return outcomes


def _files(home: Path) -> list[Path]:
    return sorted(home.glob("*.db"))


async def _prune_file(path: Path, keep_days: float, *, anew: bool) -> PrunedDatabase:
    before = await asyncio.to_thread(_size, path)
    pruned = await _prune(f"sqlite:{path}", keep_days)
    if anew:
        await asyncio.to_thread(compact, path)
    return PrunedDatabase(path.name, pruned, before, await asyncio.to_thread(_size, path))


async def _prune(url: str, keep_days: float) -> Pruned:
    checkpointer = get_checkpointer(url)
    try:
        return await Pruner(checkpointer, keep_days).sweep()
    finally:
        await checkpointer.aclose()


def _size(path: Path) -> int:
    beside = (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm")))
    return sum(file.stat().st_size for file in beside if file.exists())


def _shown(url: str) -> str:
    """Return the URL without who opens it, which may have a password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if rest else url
