"""Files that were given with a question: copies below the home, which is a data root of its mesh."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from weft.core import new_id
from weft.core.errors import ConfigError
from weft.core.private_files import FILE_MODE, make_private_directory

__all__ = ["Attachment", "attach", "drop_old", "folder"]

FOLDER = "attached"
MOST_BYTES = 1 << 30
"""Of all files of one question."""
CHUNK = 1 << 20
DAY_SECONDS = 86_400.0


class Attachment(NamedTuple):
    """A file by the name that the specialists see, open for reading."""

    name: str
    content: BinaryIO


def folder(home: Path) -> Path:
    """Return where copies lie; made if it is absent, for the owner alone."""
    place = home / FOLDER
    make_private_directory(place)
    return place


def attach(home: Path, files: Iterable[Attachment]) -> Path:
    """Copy the files into a directory of their own and return it; each is closed.

    Raises:
        ConfigError: Two have one name, or they are too large.
    """
    place = folder(home.absolute()) / new_id()
    make_private_directory(place)
    try:
        left = MOST_BYTES
        for file in files:
            left -= _copy(place, file, left)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return place


def drop_old(home: Path, *, keep_days: float) -> int:
    """Delete the copies of questions asked longer ago, and return of how many."""
    if keep_days == float("inf"):
        return 0
    before = time.time() - keep_days * DAY_SECONDS
    old = [path for path in folder(home).iterdir() if path.stat().st_mtime < before]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return len(old)


def _copy(place: Path, file: Attachment, most: int) -> int:
    target = place / file.name
    with file.content as source:
        if target.exists():
            raise ConfigError(f"two of the files are named {file.name}: rename one")
        target.touch(FILE_MODE)
        size = 0
        with target.open("wb") as copy:
            while chunk := source.read(CHUNK):
                size += len(chunk)
                if size > most:
                    raise ConfigError(
                        f"the files are larger than {MOST_BYTES >> 20} MiB together: put them below "
                        "a data root and name their directory with --data"
                    )
                copy.write(chunk)
    return size
