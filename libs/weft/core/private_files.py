"""Files that only their owner reads, written whole or not at all; call these off the event loop."""

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = [
    "FILE_MODE",
    "UMASK",
    "NotAFileError",
    "create_private",
    "locked",
    "make_private_directory",
    "open_private",
    "read_file",
    "resolved",
    "write_private",
]

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
UMASK = 0o077
"""For a process whose libraries make files of their own."""


MOST_BYTES = 64 * 1024 * 1024


class NotAFileError(OSError):
    """What stands there is no regular file, and never will be one by waiting."""


def read_file(path: Path) -> bytes:
    """Return what is in a regular file; a pipe is not waited for, nor a device read without end.

    Raises:
        NotAFileError: It is something else, or a link that leads nowhere but to itself.
        OSError: It cannot be read, or holds more than `MOST_BYTES`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotAFileError(error.errno, "is a link to itself", str(path)) from error
        raise
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise NotAFileError(errno.EINVAL, "is no regular file", str(path))
        if info.st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, f"is larger than {MOST_BYTES} bytes", str(path))
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read()
    finally:
        os.close(descriptor)


def resolved(path: Path) -> Path:
    """Return where a path leads; one that only leads to itself stays as it is."""
    try:
        return path.resolve()
    except RuntimeError:
        return path.absolute()


def make_private_directory(path: Path) -> None:
    """Make `path` where there is none; one that somebody made before is left as it is."""
    path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)


def open_private(path: Path, flags: int) -> int:
    """Return a descriptor of the file, made if absent, that nobody else can read from now on."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, FILE_MODE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_private(path: Path, content: bytes) -> None:
    """Replace the file by `content`; whatever happens meanwhile, the old or the new is there.

    Raises:
        OSError: There is no room, or no right to write; the old file stands.
    """
    with _draft(path, content) as draft:
        draft.replace(path)
        _sync_directory(path.parent)


def create_private(path: Path, content: bytes) -> bool:
    """Make the file with `content`, whole; return whether it was not there yet.

    Raises:
        OSError: There is no room, or no right to write; no file was made.
    """
    with _draft(path, content) as draft:
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return False
        _sync_directory(path.parent)
        return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only one, of all processes, between here and the end of the block."""
    descriptor = open_private(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _draft(path: Path, content: bytes) -> Iterator[Path]:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        yield draft
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
