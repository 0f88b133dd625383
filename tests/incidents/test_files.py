"""A data file is read as a stream, and whatever is wrong with it is said."""

import bz2
import gzip
import lzma
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from incidents.files import DataFile, SourceFile, opened, read_all, read_bytes
from incidents.formats import Fit, Format, Sample

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
    "": bytes,
}


def made(path: Path, content: bytes) -> DataFile:
    path.write_bytes(content)
    return DataFile(path, path.name)


def read(file: DataFile) -> tuple[list[str], list[str]]:
    """Return the lines of a file, and what is said of it."""
    with opened(file) as source:
        lines = [line for _, line in source.lines()]
        return lines, [problem.problem for problem in source.close()]


def rows(source: SourceFile) -> Iterator[str]:
    return (line for _, line in source.lines())


ANY = Format("anything", "logs", lambda _: Fit(1.0), rows)


def problems(files: list[DataFile], *formats: Format[str]) -> list[str]:
    def take(_: SourceFile, lines: Iterator[str]) -> None:
        for _line in lines:
            pass

    return [problem.problem for problem in read_all(files, formats or (ANY,), take).problems]


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    assert problems([DataFile(tmp_path / "gone.csv", "gone.csv")]) == ["does not exist"]


@pytest.mark.parametrize("content", [b"", b" \n\n", lzma.compress(b""), gzip.compress(b"")])
def test_an_empty_file_says_so(tmp_path: Path, content: bytes) -> None:
    assert problems([made(tmp_path / "empty.csv", content)]) == ["is empty"]


@pytest.mark.parametrize("ending", PACKINGS)
def test_a_packed_file_is_read_as_what_it_holds_whatever_it_is_called(
    tmp_path: Path, ending: str
) -> None:
    content = b"".join(b"line %d\n" % number for number in range(30_000))

    lines, told = read(made(tmp_path / "a.log", PACKINGS[ending](content)))

    assert (lines[0], lines[-1], len(lines), told) == ("line 0", "line 29999", 30_000, [])


@pytest.mark.parametrize("ending", [ending for ending in PACKINGS if ending])
def test_what_a_damaged_archive_still_gives_is_read_and_its_end_told(
    tmp_path: Path, ending: str
) -> None:
    content = os.urandom(700_000).hex().encode()
    whole = PACKINGS[ending](b"\n".join(content[at : at + 80] for at in range(0, 1_400_000, 80)))

    lines, told = read(made(tmp_path / f"cut.log{ending}", whole[:-100_000]))

    assert 1_000 < len(lines) < 17_500
    assert ["cannot be decompressed" in problem for problem in told] == [True]


@pytest.mark.parametrize("ending", [ending for ending in PACKINGS if ending])
def test_an_archive_without_its_beginning_says_so(tmp_path: Path, ending: str) -> None:
    whole = PACKINGS[ending](b"a,b\n" * 1000)

    (problem,) = problems([made(tmp_path / f"cut.csv{ending}", whole[:8])])

    assert problem.startswith("cannot be decompressed")


@pytest.mark.parametrize("ending", PACKINGS)
def test_several_streams_in_one_archive_are_one_file(tmp_path: Path, ending: str) -> None:
    twice = PACKINGS[ending](b"first\n") + PACKINGS[ending](b"second\n")

    assert read(made(tmp_path / "two.log", twice)) == (["first", "second"], [])


def test_an_archive_of_very_many_streams_is_refused(tmp_path: Path) -> None:
    file = made(tmp_path / "many.log.xz", lzma.compress(b"") * 100_000)

    assert problems([file]) == ["cannot be decompressed: it has more than 10000 streams"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.log")

    (problem,) = problems([DataFile(tmp_path / "pipe.log", "pipe.log")])

    assert problem == "cannot be read: it is no regular file"


def test_a_huge_file_takes_no_memory(tmp_path: Path) -> None:
    file = made(tmp_path / "big.log.xz", lzma.compress((b"0123456789" * 20 + b"\n") * 150_000))

    tracemalloc.start()
    with opened(file) as source:
        count = sum(1 for _ in source.lines())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 150_000
    assert most < 16 << 20


def test_a_line_without_end_is_cut_and_what_follows_is_read(tmp_path: Path) -> None:
    file = made(tmp_path / "big.log", b"x" * 9_000_000 + b"\nshort\n")

    tracemalloc.start()
    lines, told = read(file)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [len(line) for line in lines] == [1 << 20, 5]
    assert told == ["a line of 9000000 characters was cut to its first 1048576"]
    assert most < 12 << 20


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_is_read_in_the_encoding_it_is_in(tmp_path: Path, encoding: str) -> None:
    text = "first caf\u00e9\r\n\r\nsecond \u65e5\u672c\r\n"

    lines, told = read(made(tmp_path / "x.log", text.encode(encoding)))

    assert (lines, told) == (["first caf\u00e9", "second \u65e5\u672c"], [])


def test_bytes_that_are_no_utf_8_are_read_as_latin_1_and_said(tmp_path: Path) -> None:
    lines, told = read(made(tmp_path / "x.log", b"caf\xe9\ncaf\xc3\xa9\n"))

    assert lines == ["caf\u00e9", "caf\u00e9"]
    assert told == ["is not UTF-8: 1 bytes were read as Latin-1"]


def test_zeros_that_a_rotation_left_are_no_text(tmp_path: Path) -> None:
    lines, told = read(made(tmp_path / "x.log", b"\0" * 70_000 + b"on\0e\n\0two\n"))

    assert (lines, told) == (["on\N{SYMBOL FOR NULL}e", "two"], [])


def test_malformed_rows_are_counted_and_lose_nothing_else(tmp_path: Path) -> None:
    huge = "y" * 200_000
    text = f'a,b\n1,2\n1\n1,2,3\n"{huge}",2\n\n3,"4\n5"\n6,7\n'
    with opened(made(tmp_path / "rows.csv", text.encode())) as source:
        header, table = source.table()
        cells = [row for _, row in table]
        told = [problem.problem for problem in source.close()]

    assert header == ["a", "b"]
    assert cells == [["1", "2"], ["3", "4\n5"], ["6", "7"]]
    assert told == ["3 malformed rows were skipped"]


def test_a_row_knows_its_line_even_after_one_of_several_lines(tmp_path: Path) -> None:
    with opened(made(tmp_path / "rows.csv", b'a\n"1\n2"\n3\n')) as source:
        assert list(source.table()[1]) == [(2, ["1\n2"]), (4, ["3"])]


def test_a_row_that_cannot_be_made_something_of_is_counted(tmp_path: Path) -> None:
    with opened(made(tmp_path / "rows.log", b"1\n0\nx\n2\n")) as source:
        shares = list(source.made_of(source.lines(), lambda _, line: 1 / int(line)))

        assert shares == [1.0, 0.5]
        assert [one.problem for one in source.close()] == ["2 malformed rows were skipped"]


def test_a_file_of_which_nothing_can_be_read_is_left(tmp_path: Path) -> None:
    with opened(made(tmp_path / "rows.log", b"x\n" * 150_000)) as source:
        assert list(source.made_of(source.lines(), lambda _, line: int(line))) == []

        assert source.rows == 100_000
        assert "none of its first 100000 rows can be read" in source.close()[0].problem


def test_a_reader_that_fails_keeps_what_it_read_and_costs_no_other_file(tmp_path: Path) -> None:
    files = [made(tmp_path / f"{name}.log", f"{name}\n".encode()) for name in "abc"]
    kept: list[str] = []

    def failing(source: SourceFile, lines: Iterator[str]) -> None:
        for line in lines:
            source.keep(None)
            kept.append(line)
        if source.file.name == "b.log":
            raise MemoryError

    told = read_all(files, [ANY], failing)

    assert kept == ["a", "b", "c"]
    assert [(problem.file, problem.problem) for problem in told.problems] == [
        ("b.log", "is nested too deeply, or too large, to be read")
    ]


def test_a_file_in_no_format_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    def half(sample: Sample) -> Fit:
        return Fit(0.5, "it has no time") if sample.lines else Fit(0.0)

    near, far = Format("half", "logs", half, rows), Format("other", "logs", lambda _: Fit(0), rows)

    assert problems([made(tmp_path / "x", b"x\n")], near, far) == [
        "is in no format that is read; nearest is half: it has no time"
    ]
    assert problems([made(tmp_path / "x", b"x\n")], far) == ["is in no format that is read"]


def test_bytes_are_read_up_to_a_limit(tmp_path: Path) -> None:
    file = made(tmp_path / "x", gzip.compress(b"0123456789"))

    assert read_bytes(file, limit=4) == (b"0123", True)
    assert read_bytes(file, limit=10) == (b"0123456789", False)
