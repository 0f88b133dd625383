"""Paths below a data root: what stands there, and what it is called towards the outside."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from incidents.files import DataFile
from incidents.problems import FileProblem, guarded
from incidents.roots import GROUND_TRUTH, Look, Root
from incidents.text import cut, shown_path
from weft.core.errors import DataRefusedError

__all__ = ["Place", "directory_above"]

_MOST_NAMES = 50_000
"""So many entries of a directory are looked at."""
_MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Place:
    """A path that may be read, below the root that allows it."""

    root: Root
    below: PurePosixPath

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def path(self) -> PurePosixPath:
        """The path with its root: for its names only, never to open it by."""
        return PurePosixPath(self.root.path / self.below)

    @property
    def shown(self) -> str:
        """The path without its root."""
        return cut(shown_path(str(self.below)), _MOST_SHOWN)

    def look(self) -> Look:
        return self.root.look(str(self.below))

    def at(self, name: str) -> "Place | None":
        """Return the place `name` below this one; None if it is no name below."""
        if "\0" in name or name.startswith("/") or ".." in PurePosixPath(name).parts:
            return None
        return Place(self.root, self.below / name)

    def above(self) -> "list[Place]":
        """Return this place and those above it up to the root, the nearest first."""
        return [Place(self.root, below) for below in (self.below, *self.below.parents)]

    def inside(self, problems: list[FileProblem]) -> "list[tuple[Place, bool]]":
        """Return what the directory holds, in order, each with whether it is a directory, no link.

        What cannot be listed is a problem, and empty.
        """
        entries: list[tuple[str, bool]] = []
        with guarded(lambda problem: problems.append(FileProblem(self.shown, problem))):
            entries = self.root.entries(str(self.below), _MOST_NAMES)
        if len(entries) >= _MOST_NAMES:
            problems.append(FileProblem(self.shown, f"only {_MOST_NAMES} entries were looked at"))
        return [(Place(self.root, self.below / name), is_folder) for name, is_folder in entries]

    def file(self, shown: str | None = None) -> DataFile:
        return DataFile(Path(self.path), shown or self.shown, self.root.path)


def directory_above(places: Iterable[Place], name: str, what: str) -> Place | FileProblem:
    """Return the directory `name` of the first place that has one, or why there is none.

    `what` says what it should hold.
    """
    shown, missing = cut(name, _MOST_SHOWN), f"{what} does not exist"
    for place in places:
        directory = place.at(name)
        look = directory.look() if directory else None
        if directory is None or look is None or look.kind == "refused":
            return refusal(name, what)
        if look.kind == "directory":
            return directory
        if look.kind == "unusable":
            missing = f"{what} {look.why}"
    return FileProblem(shown, missing)


def refusal(name: str, what: str) -> FileProblem:
    """Say that `what` is not looked for where `name` leads."""
    return FileProblem(cut(name, _MOST_SHOWN), f"refused: {what} is not below the data root")


def place_of(roots: tuple[Path, ...], data: str) -> Place:
    """Return where `data`, a path below one of the roots, stands, or would stand.

    Raises:
        DataRefusedError: It is outside every root, whether or not it exists.
    """
    refused = DataRefusedError(
        f"data {data[:200]!r} is refused: name a directory below a data root", field="data"
    )
    if not data or "\0" in data or ".." in PurePosixPath(data).parts:
        raise refused
    seen = [(place, place.look().kind) for root in roots if (place := _below(root, data))]
    allowed = [(place, kind) for place, kind in seen if kind != "refused"]
    if not allowed:
        raise refused
    return next((place for place, kind in allowed if kind != "missing"), allowed[0][0])


def _below(root: Path, data: str) -> Place | None:
    if not data.startswith("/"):
        return Place(Root(root), PurePosixPath(data))
    try:
        base, real = root.resolve(), Path(data).resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name that none can be
        return None
    # The links on the way were only a hint: from the root on, the path is walked again.
    if PurePosixPath(data).name.casefold() == GROUND_TRUTH or not real.is_relative_to(base):
        return None
    return Place(Root(base), PurePosixPath(real.relative_to(base)))
