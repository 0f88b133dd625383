"""A database file without the room that deleted rows left in it."""

import contextlib
import sqlite3
from pathlib import Path

from weft.checkpoint.sqlite.schema import emptied_log
from weft.core.errors import StoreUnavailableError

__all__ = ["compact"]


def compact(path: Path) -> None:
    """Write the database anew without its free pages; nobody else may have it open meanwhile.

    It takes as much room again as the file has, until it is done.

    Raises:
        StoreUnavailableError: Somebody has it open, or there is not that much room.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as database:
            # What was deleted stays overwritten in the new file, too.
            database.execute("PRAGMA secure_delete = ON")
            database.execute("VACUUM")
            emptied_log(database)
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"{path.name} cannot be written anew: {error}") from error
