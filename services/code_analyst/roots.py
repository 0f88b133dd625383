"""Where the source code that belongs to an incident stands."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from weft.core import loads_object
from weft.tools.dataset_files import DataFile, Problem, read_bytes
from weft.tools.datasets import CASE_FILE, DataRoots

_MOST_FILES = 2000
_CASE_BYTES = 1 << 20
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "tests", "test", "venv"})


@dataclass(frozen=True, slots=True)
class SourceTree:
    """Python files, named relative to `directory`; None if there is no source."""

    name: str
    directory: Path | None = None
    files: tuple[DataFile, ...] = ()
    problems: tuple[Problem, ...] = ()


class SourceRoots(DataRoots):
    """The directories below which incident data may be read, the source beside it included."""

    def open_source(self, data: str) -> SourceTree:
        """Find the source that `data` tells of or is; blocking, and reads `case.json` only.

        Raises:
            DataRefusedError: `data` is outside every root, whether or not it exists.
        """
        place = self._place(data)
        if not place.path.is_dir():
            return _none(data, "is no directory")
        told, problem = _told(place.below(CASE_FILE))
        if problem:
            return _none(CASE_FILE, problem)
        if told is None:
            return _tree(place.root, place.path, data)
        return self._named(place.root, place.path, told)

    def _named(self, root: Path, case: Path, told: str) -> SourceTree:
        """Look for `told` in the case and each directory above it, up to the root."""
        for up in (up for up in (case, *case.parents) if up.is_relative_to(root)):
            found = self._place(up.relative_to(root).as_posix()).below(told)
            if found is None:
                return _none(told[:200], "refused: the source is not below the data root")
            if found.is_dir():
                return _tree(root, found, found.relative_to(root).as_posix())
        return _none(told[:200], "the source directory does not exist")


def _none(name: str, problem: str) -> SourceTree:
    return SourceTree(name, problems=(Problem(name, problem),))


def _told(case: Path | None) -> tuple[str | None, str]:
    """Return what `case.json` names as source, or what is wrong with it; None if there is none."""
    if case is None or not case.exists():
        return None, ""
    try:
        facts = loads_object(read_bytes(case, limit=_CASE_BYTES).content)
    except (OSError, ValueError) as error:
        return None, f"unreadable: {error}"
    told = facts.get("source")
    if not isinstance(told, str) or not told:
        return None, "names no source, so there is no code to read"
    return told, ""


def _tree(root: Path, directory: Path, name: str) -> SourceTree:
    files: list[DataFile] = []
    problems: list[Problem] = []
    for path in _python_files(directory):
        shown = path.relative_to(directory).as_posix()
        if not path.resolve().is_relative_to(root):
            problems.append(Problem(shown, "refused: it leads out of the data root"))
        elif len(files) == _MOST_FILES:
            problems.append(Problem(name, f"only the first {_MOST_FILES} files were read"))
            break
        else:
            files.append(DataFile(path, shown))
    if not files:
        return SourceTree(name, problems=(*problems, Problem(name, "holds no Python source")))
    return SourceTree(name, directory, tuple(files), tuple(problems))


def _python_files(directory: Path) -> Iterator[Path]:
    """Yield source files in order, without tests and what others wrote; links are not followed."""
    for folder, below, names in os.walk(directory):
        below[:] = sorted(each for each in below if not _skipped(each))
        for name in _sources(names):
            yield Path(folder, name)


def _sources(names: Sequence[str]) -> list[str]:
    return sorted(
        name for name in names if name.endswith(".py") and not name.startswith(("test_", "."))
    )


def _skipped(name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED
