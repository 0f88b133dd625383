"""Reading logs of any layout into one form."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from incidents.files import DataFile, SourceFile, read_all
from incidents.formats import Format
from incidents.logs.documents import DOCUMENT_FORMATS
from incidents.logs.line import LogLine
from incidents.logs.plain import PLAIN_FORMATS
from incidents.logs.tables import TABLE_FORMATS
from incidents.problems import FileProblem
from incidents.sampling import Sampler, unit_at, unit_of
from weft.core import FileCoverage

_MOST_LINES = 100_000
"""Of one recording; a case has two."""

LOG_FORMATS: tuple[Format[LogLine], ...] = (*TABLE_FORMATS, *DOCUMENT_FORMATS, *PLAIN_FORMATS)


class Logs(NamedTuple):
    """What was read, in time order and what has none last, and what could not be."""

    lines: list[LogLine]
    problems: list[FileProblem]
    files: list[FileCoverage]


def read_logs(files: Iterable[DataFile], most: int = _MOST_LINES) -> Logs:
    """Read all files; blocking. A file or row that cannot be read costs only itself.

    Of more than `most` lines an even share is kept, each of which stands for as many (`of`).
    """
    sampler = Sampler[LogLine](most, _unit, _own)

    def take(source: SourceFile, rows: Iterator[LogLine]) -> None:
        source.share = sampler.share
        for line in rows:
            sampler.take(line)

    read = read_all(files, LOG_FORMATS, take)
    lines = sampler.rows
    if (size := sampler.share.size) > 1:
        lines = [replace(line, of=size) for line in lines]
    lines.sort(key=lambda line: (not line.is_dated, line.time, line.file, line.line))
    return Logs(lines, [*sampler.share.problem("logs"), *read.problems], sampler.told(read.files))


def _unit(line: LogLine) -> int:
    return unit_of(line.trace_id) if line.trace_id else _own(line)


def _own(line: LogLine) -> int:
    return unit_at(unit_of(line.file), line.line)
