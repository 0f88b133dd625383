"""A data file is read within bounds, and whatever is wrong with it is said."""

import lzma
import os
from pathlib import Path

import pytest

from incidents.files import Bounds, DataFile, SourceFile, opened, read_all, sources

SMALL = Bounds(file_bytes=1000, rows=5, all_bytes=1500, all_rows=8)


def made(path: Path, content: bytes) -> DataFile:
    path.write_bytes(content)
    return DataFile(path, path.name)


def problems(source: SourceFile) -> list[str]:
    return [problem.problem for problem in source.close()]


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    source = opened(DataFile(tmp_path / "gone.csv", "gone.csv"))

    assert (source.text, problems(source)) == ("", ["does not exist"])


@pytest.mark.parametrize("content", [b"", b" \n\n", lzma.compress(b"")])
def test_an_empty_file_says_so(tmp_path: Path, content: bytes) -> None:
    assert problems(opened(made(tmp_path / "empty.csv", content))) == ["is empty"]


@pytest.mark.parametrize("cut", [20, -5])
def test_a_damaged_archive_says_so(tmp_path: Path, cut: int) -> None:
    whole = lzma.compress(b"a,b\n" * 1000)

    (problem,) = problems(opened(made(tmp_path / "cut.csv.xz", whole[:cut])))

    assert problem.startswith("cannot be decompressed")


def test_several_streams_in_one_archive_are_one_file(tmp_path: Path) -> None:
    twice = lzma.compress(b"first\n") + lzma.compress(b"second\n")

    assert opened(made(tmp_path / "two.log.xz", twice)).text == "first\nsecond\n"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.log")

    (problem,) = problems(opened(DataFile(tmp_path / "pipe.log", "pipe.log")))

    assert problem == "cannot be read: it is no regular file"


@pytest.mark.parametrize("packed", [False, True])
def test_a_huge_file_is_cut_at_its_last_whole_line(tmp_path: Path, *, packed: bool) -> None:
    content = b"0123456789\n" * 100_000
    source = opened(made(tmp_path / "big", lzma.compress(content) if packed else content), SMALL)

    assert source.text == "0123456789\n" * 90
    assert problems(source) == ["only the first 1000 bytes were read"]


def test_rows_beyond_the_bound_are_left_out_and_said(tmp_path: Path) -> None:
    source = opened(made(tmp_path / "rows.log", b"x\n" * 7), SMALL)

    assert [number for number, _ in source.lines()] == [1, 2, 3, 4, 5]
    assert problems(source) == ["only the first 5 rows were read"]


def test_all_files_together_have_a_bound_too(tmp_path: Path) -> None:
    files = [made(tmp_path / f"{name}.log", b"x\n" * 5) for name in "abc"]
    read = []
    for source in sources(files, SMALL):
        rows = len(list(source.lines()))
        read.append((rows, problems(source)))

    assert read[0] == (5, [])
    assert read[1] == (3, ["only the first 3 rows were read"])
    assert read[2][0] == 0
    assert read[2][1][0].startswith("was left out")


def test_malformed_rows_are_counted_and_lose_nothing_else(tmp_path: Path) -> None:
    huge = "y" * 200_000
    text = f'a,b\n1,2\n1\n1,2,3\n"{huge}",2\n\n3,"4\n5"\n6,7\n'
    source = opened(made(tmp_path / "rows.csv", text.encode()))
    header, rows = source.table()

    assert header == ["a", "b"]
    assert [row for _, row in rows] == [["1", "2"], ["3", "4\n5"], ["6", "7"]]
    assert problems(source) == ["3 malformed rows were skipped"]


def test_a_row_knows_its_line_even_after_one_of_several_lines(tmp_path: Path) -> None:
    source = opened(made(tmp_path / "rows.csv", b'a\n"1\n2"\n3\n'))

    assert [(number, row) for number, row in source.table()[1]] == [(2, ["1\n2"]), (4, ["3"])]


def test_bytes_that_are_no_text_are_replaced_and_said(tmp_path: Path) -> None:
    source = opened(made(tmp_path / "x.log", b"caf\xe9\n"))

    assert source.text == "caf\ufffd\n"
    assert problems(source) == ["is not UTF-8: undecodable bytes were replaced"]


def test_an_archive_of_very_many_streams_is_refused(tmp_path: Path) -> None:
    source = opened(made(tmp_path / "many.log.xz", lzma.compress(b"") * 100_000))

    assert source.text == ""
    assert problems(source) == ["cannot be decompressed: it has more than 10000 streams"]


def test_a_row_that_cannot_be_made_something_of_is_counted(tmp_path: Path) -> None:
    source = opened(made(tmp_path / "rows.log", b"1\n0\nx\n2\n"))

    shares = list(source.made_of(source.lines(), lambda _, line: 1 / int(line)))

    assert shares == [1.0, 0.5]
    assert problems(source) == ["2 malformed rows were skipped"]


def test_a_reader_that_fails_keeps_what_it_read_and_costs_no_other_file(tmp_path: Path) -> None:
    files = [made(tmp_path / f"{name}.log", f"{name}\n".encode()) for name in "abc"]
    read: list[str] = []

    def failing(source: SourceFile) -> None:
        read.extend(line for _, line in source.lines())
        if source.text == "b\n":
            raise MemoryError

    told = read_all(files, SMALL, failing)

    assert read == ["a", "b", "c"]
    assert [(each.file, each.problem) for each in told.problems] == [
        ("b.log", "is nested too deeply, or too large, to be read")
    ]
