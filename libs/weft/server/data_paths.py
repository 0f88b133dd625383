"""Whether the data that a request is about is there, where the front door can know."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from pydantic import JsonValue

from weft.core.errors import DataRefusedError

DATA = "data"
"""The member of a request's metadata that names a directory."""
_MOST_SHOWN = 200
_MOST_NAMED = 8


def data_refusal(
    metadata: Mapping[str, JsonValue], roots: Sequence[Path]
) -> DataRefusedError | None:
    """Return why the data of a request cannot be read, or None; blocking.

    It spares a run that would end so. What may be opened is decided where it is opened.
    """
    named = metadata.get(DATA)
    if not isinstance(named, str) or any(_there(root, named) for root in roots):
        return None
    why = f"{named[:_MOST_SHOWN]!r} is nothing that can be read below a data root"
    return DataRefusedError(f"data {why}; {_choices(roots)}", field=f"metadata/{DATA}")


def _there(root: Path, named: str) -> bool:
    if not named or "\0" in named or ".." in PurePosixPath(named).parts:
        return False
    try:
        place = (root / named).resolve(strict=True)
        return place.is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return False


def _choices(roots: Sequence[Path]) -> str:
    if not roots:
        return "none is set: start the mesh with --data-root DIR"
    names = sorted({name for root in roots for name in _directories(root)})
    more = ", ..." if len(names) > _MOST_NAMED else ""
    listed = ", ".join(names[:_MOST_NAMED])
    return f"there is: {listed}{more}" if names else "no directory is there"


def _directories(root: Path) -> list[str]:
    try:
        return [entry.name for entry in root.iterdir() if entry.is_dir()]
    except OSError:
        return []
