"""Where the source code that belongs to an incident stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from incidents import (
    DataFile,
    DataRoots,
    FileProblem,
    Place,
    case_facts,
    cut,
    directory_above,
    shown_path,
)

_MOST_FILES = 2000
_MOST_FOLDERS = 5000
_DEEPEST = 64
_MOST_SHOWN = 200
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "tests", "test", "venv"})


@dataclass(frozen=True, slots=True)
class SourceTree:
    """Python files, named relative to the source directory; none if there is no source."""

    name: str
    files: tuple[DataFile, ...] = ()
    problems: tuple[FileProblem, ...] = ()


def source_tree(roots: DataRoots, data: str) -> SourceTree:
    """Find the source that `data` tells of or is; blocking, and reads `case.json` only.

    Raises:
        DataRefusedError: `data` is outside every root, or nothing that can be read.
    """
    place = roots.check(data)
    if place.look().kind != "directory":
        return _none(shown_path(data), "is no directory")
    problems: list[FileProblem] = []
    facts = case_facts(place, problems)
    if problems:
        return SourceTree(data, problems=tuple(problems))
    return _tree(place, data) if facts is None else _named(place, facts.get("source"))


def _named(case: Place, source: object) -> SourceTree:
    """Look for the source in the case and each directory above it, up to the root."""
    if not isinstance(source, str) or not source:
        return _none("case.json", "names no source, so there is no code to read")
    directory = directory_above(case.above(), source, "the source directory")
    if isinstance(directory, FileProblem):
        return SourceTree(cut(source, _MOST_SHOWN), problems=(directory,))
    return _tree(directory, directory.shown)


def _none(name: str, problem: str) -> SourceTree:
    return SourceTree(name, problems=(FileProblem(name, problem),))


def _tree(directory: Place, name: str) -> SourceTree:
    files: list[DataFile] = []
    problems: list[FileProblem] = []
    for path in _python_files(directory, problems):
        shown = shown_path(str(PurePosixPath(path.below).relative_to(directory.below)))
        look = path.look()
        if look.kind != "file":
            problems.append(FileProblem(shown, look.why or "is no file"))
        elif len(files) == _MOST_FILES:
            problems.append(FileProblem(name, f"only the first {_MOST_FILES} files were read"))
            break
        else:
            files.append(path.file(shown))
    if not files:
        problems.append(FileProblem(name, "holds no Python source"))
    return SourceTree(name, tuple(files), tuple(problems))


def _python_files(directory: Place, problems: list[FileProblem]) -> Iterator[Place]:
    """Yield source files in order, without tests and what others wrote.

    Linked directories are not entered.
    """
    pending, entered = [directory], 0
    while pending:
        folder = pending.pop()
        entered += 1
        if entered > _MOST_FOLDERS:
            words = f"only the first {_MOST_FOLDERS} directories were looked at"
            problems.append(FileProblem(directory.shown, words))
            return
        if len(folder.below.parts) > _DEEPEST:
            problems.append(FileProblem(folder.shown, "stands too deep, so it was not looked at"))
            continue
        entries = folder.inside(problems)
        yield from (file for file, is_folder in entries if not is_folder and _is_source(file.name))
        below = [entry for entry, is_folder in entries if is_folder and not _is_skipped(entry.name)]
        pending += reversed(below)


def _is_source(name: str) -> bool:
    return name.endswith(".py") and not name.startswith(("test_", "."))


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED
