"""Nothing outside a root is read, whatever is swapped for a link while it is looked for."""

import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from incidents.cases import DataRoots
from incidents.files import DataFile, read_bytes
from incidents.logs import read_logs
from incidents.roots import Root
from services.code_analyst.source import parsed
from services.code_analyst.source_tree import source_tree
from weft.core.errors import DataRefusedError

READINGS = 1500
INSIDE, OUTSIDE = "inside", "outside"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    for place, content in ((data / "case", INSIDE), (tmp_path / "secret", OUTSIDE)):
        (place / "logs").mkdir(parents=True)
        (place / "logs" / "a.log").write_text(f"INFO {content}\n")
        (place / "source").mkdir()
        (place / "source" / "a.py").write_text(f"{content} = 1\n")
    return data


class Swapping:
    """Replaces `path` by a link to `outside` and back, all the time but when told to rest."""

    def __init__(self, path: Path, outside: Path) -> None:
        self._path, self._outside = path, outside
        self._aside, self._link = path.with_name("aside"), path.with_name("link")
        self._go, self._resting, self._done = (threading.Event() for _ in range(3))
        self._thread = threading.Thread(target=self._swap_on)
        self.swaps = 0

    def __enter__(self) -> Self:
        self._go.set()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._go.set()
        self._thread.join()

    @contextmanager
    def rest(self) -> Iterator[None]:
        """Leave the path as it was for the length of the block."""
        self._resting.clear()
        self._go.clear()
        assert self._resting.wait(20)
        yield
        self._go.set()

    def _swap_on(self) -> None:
        while not self._done.is_set():
            self._link.symlink_to(self._outside)
            self._path.rename(self._aside)
            self._link.rename(self._path)
            self._path.unlink()
            self._aside.rename(self._path)
            self.swaps += 1
            if not self._go.is_set():
                self._resting.set()
                self._go.wait()


def lines(root: Path) -> str:
    case = DataRoots([root]).open_case("case")
    return " ".join(line.message for line in read_logs(case.incident.logs).lines)


def source(root: Path) -> str:
    tree = source_tree(DataRoots([root]), "case/source")
    return " ".join(line for module in parsed(tree.files)[0] for line in module.lines)


SWAPS = pytest.mark.parametrize(
    ("read", "swapped"),
    [
        (lines, "case"), (lines, "case/logs"), (lines, "case/logs/a.log"),
        (source, "case"), (source, "case/source"), (source, "case/source/a.py"),
    ],
)  # fmt: skip


@pytest.mark.timeout(120)
@SWAPS
def test_what_is_swapped_for_a_link_outside_is_never_read(
    root: Path, read: Callable[[Path], str], swapped: str
) -> None:
    outside = root.parent / "secret" / Path(*Path(swapped).parts[1:])
    seen: list[str] = []

    with Swapping(root / swapped, outside) as swapping:
        while len(seen) < READINGS or swapping.swaps < READINGS // 10:
            try:
                seen.append(read(root))
            except DataRefusedError:
                seen.append("refused")
            if len(seen) % 100 == 0:
                with swapping.rest():
                    assert INSIDE in read(root)

    assert not [text for text in seen if OUTSIDE in text]


@contextmanager
def before_system_call(number: int, act: Callable[[], None]) -> Iterator[Callable[[], int]]:
    """Act before the given call of the block to the file system; yield how many there were."""
    calls = 0

    def watch(_: object, event: str, called: object) -> None:
        nonlocal calls
        if event == "c_call" and getattr(called, "__module__", "") in ("posix", "_io", "io"):
            calls += 1
            if calls == number:
                sys.setprofile(None)
                act()
                sys.setprofile(watch)

    sys.setprofile(watch)
    try:
        yield lambda: calls
    finally:
        sys.setprofile(None)


@pytest.mark.timeout(120)
@SWAPS
def test_there_is_no_moment_at_which_a_swap_leads_out(
    root: Path, read: Callable[[Path], str], swapped: str
) -> None:
    """The link is put in place before each call in turn that the reader makes."""
    path, aside = root / swapped, root / "aside"
    outside = root.parent / "secret" / Path(*Path(swapped).parts[1:])

    def swap() -> None:
        path.rename(aside)
        path.symlink_to(outside)

    seen: list[str] = []
    number, calls = 0, 1
    while number < calls:
        number += 1
        with before_system_call(number, swap) as made:
            try:
                seen.append(read(root))
            except DataRefusedError:
                seen.append("refused")
        calls = max(calls, made())
        if path.is_symlink():
            path.unlink()
            aside.rename(path)

    assert len(seen) > 5
    assert INSIDE in seen[-1]
    assert not [text for text in seen if OUTSIDE in text]


def test_a_file_found_before_a_swap_is_not_read_after_it(root: Path) -> None:
    (file,) = DataRoots([root]).open_case("case").incident.logs
    (root / "case").rename(root / "aside")
    (root / "case").symlink_to(root.parent / "secret")

    with pytest.raises(PermissionError, match="refused: it leads out of the data root"):
        read_bytes(file, limit=100)


@pytest.mark.parametrize(
    "target", ["../other/b.log", "{root}/other/b.log", "../other/../other/b.log", "hop", "up/other/b.log"]
)  # fmt: skip
def test_a_link_to_another_place_below_the_root_is_followed(root: Path, target: str) -> None:
    (root / "other").mkdir()
    (root / "other" / "b.log").write_text("b")
    (root / "case" / "hop").symlink_to("../other/b.log")
    (root / "case" / "up").symlink_to("..")
    (root / "case" / "link").symlink_to(target.format(root=root))

    assert read_bytes(DataFile(root / "case" / "link", "x", root), limit=9).content == b"b"


@pytest.mark.parametrize(
    "target",
    [
        "/etc/passwd", "../../secret/logs/a.log", "labels.json", "LABELS.json", "loop",
        "{root}/../secret/logs/a.log", "out/logs/a.log", "../labels.json/x",
    ],
)  # fmt: skip
def test_a_link_that_leads_out_or_to_the_ground_truth_is_refused(root: Path, target: str) -> None:
    for name in ("labels.json", "LABELS.json"):
        (root / "case" / name).write_text("the answer")
    (root / "case" / "loop").symlink_to("loop")
    (root / "case" / "out").symlink_to(root.parent / "secret")
    (root / "case" / "link").symlink_to(target.format(root=root))

    assert Root(root).look("case/link").kind == "refused"
    with (
        pytest.raises(PermissionError, match="refused") as caught,
        Root(root).opened("case/link"),
    ):
        pass
    assert str(root) not in str(caught.value)


@pytest.mark.parametrize("beside", [".", "case", "case/logs"])
def test_a_hard_link_to_the_ground_truth_beside_or_above_is_refused(
    root: Path, beside: str
) -> None:
    (root / beside / "labels.json").write_text("the answer")
    (root / "case" / "logs" / "b.log").hardlink_to(root / beside / "labels.json")
    (root / "case" / "logs" / "c.log").hardlink_to(root / "case" / "logs" / "a.log")

    case = DataRoots([root]).open_case("case")
    read = read_logs(case.incident.logs)

    assert [line.message for line in read.lines] == [INSIDE, INSIDE]
    told = [(each.file, each.problem) for each in read.problems]
    assert ("case/logs/b.log", "refused: it leads out of the data root") in told


def test_no_descriptor_is_left_open(root: Path) -> None:
    (root / "case" / "logs" / "gone.log").symlink_to("nowhere")
    os.mkfifo(root / "case" / "logs" / "pipe.log")
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(3):
        read_logs(DataRoots([root]).open_case("case").incident.logs)
        source_tree(DataRoots([root]), "case")

    assert len(list(Path("/proc/self/fd").iterdir())) == before
    problems = DataRoots([root]).open_case("case").problems
    assert {(each.file, each.problem) for each in problems} == {
        ("case/logs/gone.log", "does not exist"),
        ("case/logs/pipe.log", "cannot be read: it is no regular file"),
    }


def test_a_device_is_not_even_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe")
    opened: list[object] = []
    real = os.open

    def watched(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        opened.append(path)
        return real(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", watched)

    with pytest.raises(OSError, match="no regular file") as caught, Root(root).opened("pipe"):
        pass

    assert caught.value.errno != errno.ENXIO
    assert opened == [root]
