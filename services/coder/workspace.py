"""What the coder changed so far: held beside the project, which stays as it is.

One file for each run of the mesh holds it, so that a second pass, and a pass after a crash, goes on
with the work of the first.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pydantic import Field, ValidationError

from services.coder.patch import Change, unified_diff
from services.coder.project import ENVIRONMENTS, Copied, Project
from services.coder.suites import SuiteReport
from weft.core import Record, dumps, name_digest
from weft.core.private_files import make_private_directory, read_file, write_private

__all__ = ["RefusedError", "Workspace"]

MOST_CHANGED = 100
MOST_FILE = 512 << 10
MOST_TOGETHER = 4 << 20
_LONGEST_PATH = 240
_ODD = frozenset('"\\') | {chr(code) for code in (*range(32), 127)}
"""What `git` quotes in a path."""
_CLOSED = frozenset({".git", *ENVIRONMENTS})


class RefusedError(Exception):
    """A path or an edit that is not taken, and why; nothing was changed."""


class _Stored(Record):
    changes: dict[str, Change] = Field(default_factory=dict)
    report: SuiteReport | None = None
    tested: str = ""
    """The state that the report is of."""


@dataclass(slots=True)
class Workspace:
    """The project as the changes make it; blocking, for threads that may wait."""

    project: Project
    kept_in: Path
    """The file that holds the changes between calls."""
    _stored: _Stored | None = field(default=None)

    @property
    def _state(self) -> _Stored:
        if self._stored is None:
            try:
                self._stored = _Stored.model_validate_json(read_file(self.kept_in))
            except (FileNotFoundError, ValidationError):
                self._stored = _Stored()
        return self._stored

    @property
    def changes(self) -> dict[str, Change]:
        """What differs from the project as it was read, by path."""
        return {
            path: change
            for path, change in self._state.changes.items()
            if not change.changes_nothing
        }

    def files(self) -> list[str]:
        """Return the paths of all files there are with the changes."""
        changes = self.changes
        kept = (name for name in self.project.files() if name not in changes)
        made = (path for path, change in changes.items() if change.after is not None)
        return sorted([*kept, *made])

    def read(self, name: str) -> str:
        """Return a file's text.

        Raises:
            RefusedError: There is no such file of the project, or it is no text.
        """
        path = _checked(name)
        change = self._state.changes.get(path)
        text = self._original(path) if change is None else change.after
        if text is None:
            raise RefusedError(f"there is no file {path}; list_files shows what there is")
        return text.replace("\r\n", "\n") if _ends_as_windows(text) else text

    def words_of(self, name: str) -> str:
        """Return a file's text; "" where it has none that can be read."""
        try:
            return self.read(name)
        except RefusedError:
            return ""

    def write(self, name: str, text: str | None) -> str:
        """Have the file hold `text`, or be gone where that is None; return its path.

        Raises:
            RefusedError: It is not taken; nothing was changed.
        """
        path = _checked(name)
        _check_text(path, text)
        changes = dict(self._state.changes)
        if (change := changes.get(path)) is None:
            before = self._original(path)
            change = Change(before=before, after=before, executable=self._is_executable(path))
        if text is None and change.after is None:
            raise RefusedError(f"there is no file {path} to delete")
        changes[path] = change.model_copy(update={"after": _with_ends_of(change.before, text)})
        self._check_bounds(changes)
        self._keep(self._state.model_copy(update={"changes": changes}))
        return path

    def diff(self) -> str:
        return unified_diff(self._state.changes)

    def copied(self) -> Copied:
        """Return what a copy with all changes is made of."""
        return Copied(
            self.project.root,
            self.project.root,
            self.project.files(),
            {path: change.after for path, change in self.changes.items()},
            self.project.linked(),
        )

    def drifted(self) -> list[str]:
        """Return the changed files that are not in the project any more as they were read."""
        return [path for path, change in self.changes.items() if self._now(path) != change.before]

    def tested(self) -> SuiteReport | None:
        """Return the last report where it is of the files as they are."""
        return self._state.report if self._state.tested == self._digest() else None

    def keep_report(self, report: SuiteReport) -> None:
        update = {"report": report, "tested": self._digest()}
        self._keep(self._state.model_copy(update=update))

    def _digest(self) -> str:
        return name_digest(self.diff())

    def _keep(self, stored: _Stored) -> None:
        make_private_directory(self.kept_in.parent)
        write_private(self.kept_in, dumps(stored.to_json()))
        self._stored = stored

    def _original(self, path: str) -> str | None:
        """Return what the project holds there; None where there is nothing.

        Raises:
            RefusedError: It is no text, or no file of the project's own.
        """
        place = self.project.root / path
        for above in _parents(self.project.root, path):
            if above.is_symlink():
                raise RefusedError(f"{above.relative_to(self.project.root)} leads elsewhere")
        if place.is_dir():
            raise RefusedError(f"{path} is a directory")
        if not place.exists():
            return None
        if place.stat().st_size > MOST_FILE:
            raise RefusedError(f"{path} is larger than {MOST_FILE >> 10} KiB")
        try:
            text = read_file(place).decode()
        except UnicodeDecodeError as error:
            raise RefusedError(f"{path} is no text in UTF-8") from error
        if "\0" in text:
            raise RefusedError(f"{path} is a binary file")
        return text

    def _now(self, path: str) -> str | None:
        try:
            return self._original(path)
        except (RefusedError, OSError):
            return None

    def _is_executable(self, path: str) -> bool:
        place = self.project.root / path
        return place.is_file() and bool(place.stat().st_mode & 0o100)

    def _check_bounds(self, changes: dict[str, Change]) -> None:
        if len(changes) > MOST_CHANGED:
            raise RefusedError(f"one patch changes at most {MOST_CHANGED} files")
        if sum(len(change.after or "") for change in changes.values()) > MOST_TOGETHER:
            raise RefusedError(f"what is changed is larger than {MOST_TOGETHER >> 20} MiB together")


def _checked(name: str) -> str:
    """Return a path as it stands in a patch.

    Raises:
        RefusedError: It does not stay in the project, or no patch can name it.
    """
    path = PurePosixPath(name.strip())
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise RefusedError(f"{name!r} is no path below the project, such as src/app.py")
    if closed := _CLOSED.intersection(path.parts):
        raise RefusedError(
            f"{min(closed)} is not the project's own: nothing in it is read or changed"
        )
    if len(str(path)) > _LONGEST_PATH or not _ODD.isdisjoint(str(path)):
        raise RefusedError(f"{name!r} is a path that no patch can name")
    return str(path)


def _check_text(path: str, text: str | None) -> None:
    if text is None:
        return
    if "\0" in text:
        raise RefusedError(f"{path} would be a binary file; a patch is of texts")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise RefusedError(f"what {path} is to hold is no text in UTF-8") from error
    if size > MOST_FILE:
        raise RefusedError(f"{path} would be larger than {MOST_FILE >> 10} KiB")


def _with_ends_of(before: str | None, text: str | None) -> str | None:
    """A file whose lines all end as Windows ends them keeps that, whoever wrote its new text."""
    if text is None or before is None or not _ends_as_windows(before):
        return text
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _ends_as_windows(text: str) -> bool:
    return "\n" in text and text.count("\n") == text.count("\r\n")


def _parents(root: Path, path: str) -> Iterator[Path]:
    """Yield the file itself and the directories between it and `root`."""
    place = root / path
    while place != root:
        yield place
        place = place.parent
