"""Files of one owner: nobody else reads them, and none is ever half written."""

import errno
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from weft.core.errors import system_words
from weft.core.private_files import (
    NotAFileError,
    create_private,
    locked,
    make_private_directory,
    open_private,
    read_file,
    resolved,
    write_private,
)


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.usefixtures("umask")
def test_nobody_else_reads_what_was_made(tmp_path: Path) -> None:
    make_private_directory(tmp_path / "home")
    write_private(tmp_path / "home" / "a", b"a")
    create_private(tmp_path / "home" / "b", b"b")
    os.close(open_private(tmp_path / "home" / "c", os.O_WRONLY))

    assert mode(tmp_path / "home") == 0o700
    assert [mode(each) for each in sorted((tmp_path / "home").iterdir())] == [0o600] * 3


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"before ")
    (tmp_path / "log").chmod(0o644)

    with os.fdopen(open_private(tmp_path / "log", os.O_WRONLY | os.O_APPEND), "ab") as file:
        file.write(b"after")

    assert ((tmp_path / "log").read_bytes(), mode(tmp_path / "log")) == (b"before after", 0o600)


def test_a_disk_that_is_full_leaves_the_old_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_private(tmp_path / "keys", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for write in (write_private, create_private):
        with pytest.raises(OSError, match="No space"):
            write(tmp_path / "keys", b"new")
    with pytest.raises(OSError, match="No space"):
        create_private(tmp_path / "other", b"new")

    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("keys", b"old")]


def test_a_file_is_made_once(tmp_path: Path) -> None:
    assert create_private(tmp_path / "key", b"first")
    assert not create_private(tmp_path / "key", b"second")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"first"]


def _count(place: Path, times: int) -> None:
    for _ in range(times):
        with locked(place / "lock"):
            number = int((place / "number").read_text())
            write_private(place / "number", str(number + 1).encode())


def test_one_process_at_a_time_holds_a_lock(tmp_path: Path) -> None:
    write_private(tmp_path / "number", b"0")
    spawning = multiprocessing.get_context("spawn")
    counting = [spawning.Process(target=_count, args=(tmp_path, 25)) for _ in range(4)]
    for each in counting:
        each.start()
    for each in counting:
        each.join(60)

    assert (tmp_path / "number").read_text() == "100"


def put_in_its_place(path: Path, what: str) -> None:
    """Put at `path` what is no regular file."""
    match what:
        case "pipe":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "link to itself":
            path.symlink_to(path.name)
        case _:
            path.symlink_to("/dev/zero")


ODD = pytest.mark.parametrize("what", ["pipe", "directory", "link to itself", "link to a device"])


@ODD
def test_what_is_no_file_is_neither_waited_for_nor_read(tmp_path: Path, what: str) -> None:
    put_in_its_place(tmp_path / "f", what)

    with pytest.raises(NotAFileError):
        read_file(tmp_path / "f")


def test_a_file_is_read_whole_through_a_link_and_not_beyond_its_bound(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"words")
    (tmp_path / "link").symlink_to("f")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)

    assert read_file(tmp_path / "link") == b"words"
    with pytest.raises(OSError, match="larger") as caught:
        read_file(tmp_path / "large")
    assert not isinstance(caught.value, NotAFileError)


def test_a_link_to_itself_is_a_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    put_in_its_place(tmp_path / "home", "link to itself")
    (tmp_path / "link").symlink_to(tmp_path)

    assert resolved(tmp_path / "link" / "home") == tmp_path / "link" / "home"
    assert resolved(tmp_path / "link") == tmp_path.resolve()
    with pytest.raises(OSError, match="link") as caught:
        make_private_directory(resolved(tmp_path / "home"))
    assert "another place with --home" in system_words(caught.value)
