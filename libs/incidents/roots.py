"""Opening what stands below a directory, whatever is swapped for something else meanwhile.

Each part of a path is opened relative to the part before it and never through a link; where a
link stands, its target is walked in the same way, and may not climb above the root. So no moment
lies between the check of a path and its use, and nothing is opened by its path again.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal, NamedTuple

from incidents.problems import OutsideError, why

__all__ = ["GROUND_TRUTH", "Look", "Root"]

GROUND_TRUTH = "labels.json"
_MOST_LINKS = 40
_ENTER = os.O_CLOEXEC | os.O_DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY)
_LIST = os.O_CLOEXEC | os.O_DIRECTORY | os.O_RDONLY | os.O_NOFOLLOW
_READ = os.O_CLOEXEC | os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class Look(NamedTuple):
    """What stands at a path; `why` tells what is wrong with one that is unusable."""

    kind: Literal["file", "directory", "missing", "refused", "unusable"]
    why: str = ""


_LOOKS = {stat.S_IFDIR: Look("directory"), stat.S_IFREG: Look("file")}


class _Entry(NamedTuple):
    """A name in a directory, and the directories above it from the root down, all held open."""

    name: str
    inside: tuple[int, ...]

    @property
    def directory(self) -> int:
        return self.inside[-1]

    def stat(self) -> os.stat_result:
        return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)


@dataclass(frozen=True, slots=True)
class Root:
    """A directory below which may be read; what is mounted there belongs to it."""

    path: Path

    def look(self, below: str) -> Look:
        """Tell what stands at `below`, without opening it."""
        try:
            with self._walked(below) as entry:
                mode = entry.stat().st_mode
        except OutsideError as error:
            return Look("refused", why(error))
        except (FileNotFoundError, NotADirectoryError):
            return Look("missing", "does not exist")
        except (OSError, ValueError) as error:
            return Look("unusable", why(error))
        return _LOOKS.get(
            stat.S_IFMT(mode), Look("unusable", "cannot be read: it is no regular file")
        )

    def entries(self, below: str, most: int) -> list[tuple[str, bool]]:
        """Return the names in a directory, sorted, each with whether it is a directory, no link.

        Of more than `most`, any `most` are returned.

        Raises:
            OSError: It cannot be listed.
        """
        with self._walked(below) as place:
            directory = os.open(place.name, _LIST, dir_fd=place.directory)
            try:
                with os.scandir(directory) as names:
                    return sorted(
                        (entry.name, entry.is_dir(follow_symlinks=False))
                        for entry in islice(names, most)
                    )
            finally:
                os.close(directory)

    @contextmanager
    def opened(self, below: str) -> Iterator[BinaryIO]:
        """Yield a regular file, open for reading.

        Raises:
            OSError: It cannot be read, is no regular file, or leads out of the root.
        """
        with self._walked(below) as entry:
            # Opening a device would already act on it, so what is no file is not opened.
            _check(entry.stat(), entry)
            with os.fdopen(os.open(entry.name, _READ, dir_fd=entry.directory), "rb") as file:
                _check(os.fstat(file.fileno()), entry)
                yield file

    @contextmanager
    def _walked(self, below: str) -> Iterator[_Entry]:
        with ExitStack() as held:
            yield _Walk(self.path, held).to(below)


class _Walk:
    """One walk down from a root; what it opened is closed with `held`."""

    def __init__(self, root: Path, held: ExitStack) -> None:
        self._root = root
        self._held = held
        self._inside = [self._kept(os.open(root, _ENTER))]
        self._links = 0

    def to(self, below: str) -> _Entry:
        pending, name = _parts(below), "."
        while pending:
            name = pending.pop()
            if name == "..":
                self._up()
                name = "."
                continue
            if name.casefold() == GROUND_TRUTH:
                raise OutsideError
            mode = os.stat(name, dir_fd=self._inside[-1], follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                pending += self._target(name)
                name = "."
            elif pending:
                entered = os.open(name, _ENTER | os.O_NOFOLLOW, dir_fd=self._inside[-1])
                self._inside.append(self._kept(entered))
                name = "."
        return _Entry(name, tuple(self._inside))

    def _kept(self, descriptor: int) -> int:
        self._held.callback(os.close, descriptor)
        return descriptor

    def _up(self) -> None:
        if len(self._inside) == 1:
            raise OutsideError
        self._inside.pop()

    def _target(self, name: str) -> list[str]:
        """Return what is still to be walked for a link, the first part last."""
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OutsideError
        target = os.readlink(name, dir_fd=self._inside[-1])
        if not target.startswith("/"):
            return _parts(target)
        for root in (self._root, self._root.resolve()):
            if PurePosixPath(target).is_relative_to(root):
                del self._inside[1:]
                return _parts(str(PurePosixPath(target).relative_to(root)))
        raise OutsideError


def _parts(path: str) -> list[str]:
    return list(reversed(PurePosixPath(path).parts))


def _check(info: os.stat_result, entry: _Entry) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise OSError("it is no regular file")
    if info.st_nlink > 1 and any(_is_answer(info, directory) for directory in entry.inside):
        raise OutsideError


def _is_answer(info: os.stat_result, directory: int) -> bool:
    """Tell whether a file is, by another name, the ground truth that stands in `directory`.

    A hard link cannot be told from its file, and copies made for backup consist of them; so only
    the places beside and above the file are looked at, where a case's ground truth stands.
    """
    try:
        answer = os.stat(GROUND_TRUTH, dir_fd=directory)
    except OSError:
        return False
    return os.path.samestat(info, answer)
