"""Reading logs of any layout into one form."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import inf
from typing import NamedTuple

from incidents.files import DataFile, SourceFile, read_all
from incidents.formats import Format
from incidents.logs.documents import DOCUMENT_FORMATS
from incidents.logs.line import LogLine
from incidents.logs.plain import PLAIN_FORMATS
from incidents.logs.ranges import line_ranges
from incidents.logs.tables import TABLE_FORMATS
from incidents.problems import FileProblem
from incidents.sampling import KeptShare, LineShare, Sampler, unit_at, unit_of
from weft.core import FileCoverage
from weft.core.result import Window

MOST_LINES = 100_000
"""Of one recording; a case has two."""

LOG_FORMATS: tuple[Format[LogLine], ...] = (*TABLE_FORMATS, *DOCUMENT_FORMATS, *PLAIN_FORMATS)


class Logs(NamedTuple):
    """What was read, in time order and what has none last, and what could not be."""

    lines: list[LogLine]
    problems: list[FileProblem]
    files: list[FileCoverage]


def read_logs(
    files: Iterable[DataFile],
    most: int = MOST_LINES,
    windows: Sequence[Window] = (),
    before: Iterable[LogLine] = (),
) -> Logs:
    """Read all files; blocking. A file or row that cannot be read costs only itself.

    Of more than `most` lines an even share is kept, each of which stands for as many (`of`); with
    `windows` those that lie in one. `before` are lines that were read without: they tell where in
    the files the windows are, so that not all of them need be read again.
    """
    sampler = Sampler[LogLine](most, _unit, _own, _at, windows)
    ranges = line_ranges(before, windows)

    def take(source: SourceFile, rows: Iterator[LogLine]) -> None:
        source.shares = _shares(sampler, ranges.get(source.file.name))
        for line in rows:
            sampler.take(line)

    read = read_all(files, LOG_FORMATS, take)
    lines = [
        line if part.share.size == 1 else replace(line, of=part.share.size)
        for part in sampler.parts
        for line in part.rows
    ]
    lines.sort(key=lambda line: (not line.is_dated, line.time, line.file, line.line))
    return Logs(lines, [*sampler.problem("logs"), *read.problems], sampler.told(read.files))


def _shares(
    sampler: Sampler[LogLine], ranges: Iterable[tuple[int, float]] | None
) -> tuple[LineShare, ...]:
    """Return which share is kept of which lines of a file; all where a line may be of any window."""
    shares = [part.share for part in sampler.parts]
    if ranges is None:
        return (LineShare(1, inf, shares[0] if len(shares) == 1 else KeptShare()),)
    return tuple(
        LineShare(first, last, share)
        for (first, last), share in zip(ranges, shares, strict=True)
        if first <= last
    )


def _at(line: LogLine) -> float:
    return line.time


def _unit(line: LogLine) -> int:
    return unit_of(line.trace_id) if line.trace_id else _own(line)


def _own(line: LogLine) -> int:
    return unit_at(unit_of(line.file), line.line)
