"""Reading logs of any layout into one form."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from incidents.files import DataFile, SourceFile, read_all
from incidents.formats import Format
from incidents.logs.documents import DOCUMENT_FORMATS
from incidents.logs.line import LogLine
from incidents.logs.plain import PLAIN_FORMATS
from incidents.logs.tables import TABLE_FORMATS
from incidents.problems import FileProblem
from weft.core import FileCoverage

_MOST_LINES = 300_000

LOG_FORMATS: tuple[Format[LogLine], ...] = (*TABLE_FORMATS, *DOCUMENT_FORMATS, *PLAIN_FORMATS)


class Logs(NamedTuple):
    """What was read, in time order and what has none last, and what could not be."""

    lines: list[LogLine]
    problems: list[FileProblem]
    files: list[FileCoverage]


def read_logs(files: Iterable[DataFile], most: int = _MOST_LINES) -> Logs:
    """Read all files; blocking. A file or row that cannot be read costs only itself."""
    lines: list[LogLine] = []

    def take(source: SourceFile, rows: Iterator[LogLine]) -> None:
        for line in rows:
            if len(lines) >= most:
                source.note(f"only the first {most} lines of all files were read")
                return
            lines.append(line)

    read = read_all(files, LOG_FORMATS, take)
    lines.sort(key=lambda line: (not line.is_dated, line.time, line.file, line.line))
    return Logs(lines, read.problems, read.files)
