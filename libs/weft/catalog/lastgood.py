"""The last good list on disk, so that a process knows the mesh before anybody tells it."""

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from weft.catalog.base import Entry
from weft.core.private_files import read_file

_ENTRIES = TypeAdapter(list[Entry])


def read(path: Path) -> list[Entry]:
    """Return the entries of the file, none where there is no readable one; it blocks."""
    try:
        return _ENTRIES.validate_json(read_file(path))
    except (OSError, ValidationError):
        # It only saves time: whoever is there says so again.
        return []


def write(path: Path, entries: Sequence[Entry]) -> None:
    """Replace the file as a whole, readable for its owner alone; it blocks.

    Raises:
        OSError: There is no place for it.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(_ENTRIES.dump_json(list(entries)))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
