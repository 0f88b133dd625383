"""Reading data files as streams: rows one at a time, and what was wrong with them.

No file is held in memory, whatever its size; what is kept of it is up to its reader.
"""

import _csv
import csv
import io
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from incidents.dating import UTC_DATING, Dating
from incidents.decoding import Decoding
from incidents.formats import Format, Sample, format_of, what_lacks
from incidents.json_stream import Item, JsonStream
from incidents.problems import FileProblem, guarded, why
from incidents.roots import Root
from incidents.sampling import LineShare
from incidents.unpacking import PackedError, plain_name, unpacked
from weft.core import FileCoverage

__all__ = ["Content", "DataFile", "read_bytes"]

Row = TypeVar("Row")
Made = TypeVar("Made")
_PIECE = 1 << 18
_MOST_REASON = 300
_SAMPLE = 1 << 16
"""So many bytes of a file tell its format."""
MOST_LINE = 1 << 20
"""So many characters are kept of a line; the rest of it is passed over."""
_HOPELESS = 100_000
"""A file of whose first rows, so many, not one can be read is read no further."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that may be read, and what to call it towards the outside."""

    path: Path
    name: str
    root: Path | None = None
    """Nothing that stands on the way may lead out of it; None: the directory of the file."""
    dating: Dating = UTC_DATING
    """How its times are read that do not say all of themselves."""


class Content(NamedTuple):
    """A file's bytes, decompressed; `truncated` if there were more."""

    content: bytes
    truncated: bool


class FilesRead(NamedTuple):
    """What was wrong with files, and how much of each was read."""

    problems: list[FileProblem]
    files: list[FileCoverage]


@dataclass
class SourceFile:
    """One file while it is read, once, from its beginning to its end."""

    file: DataFile
    stream: BinaryIO
    problems: list[FileProblem] = field(default_factory=list)
    malformed: int = 0
    rows: int = 0
    """How many were looked at so far."""
    format: str = ""
    """The name of the format that it is read in."""
    is_broken: bool = False
    """Whether it could not be read to its end."""
    bad_line: int = 0
    """The first line that could not be read."""
    shares: Sequence[LineShare] = ()
    """Of which lines something is kept, and which share; of none else. Empty: of all everything."""
    written: float | None = None
    """Unix seconds of the last change of the file."""
    _kept: int = 0
    _ends_badly: bool = False
    """The last row that was looked at could not be read."""
    _ends_whole: bool = False
    """It was read to its end, and that is the end of a line or of a document."""
    _dated: int = 0
    _levelled: int = 0
    _first: float = math.inf
    _last: float = -math.inf

    def note(self, problem: str, *, line: int = 0) -> None:
        self.problems.append(FileProblem(self.file.name, problem, line))

    def keep(self, time: float | None, *, level: str = "") -> None:
        """Count a row that is kept; `time` and `level` are its own, not those of a neighbour."""
        self._kept += 1
        self._ends_badly = False
        self._levelled += bool(level)
        if time is not None:
            self._dated += 1
            self._first, self._last = min(self._first, time), max(self._last, time)

    def skip(self, line: int) -> None:
        """Count a row that cannot be read."""
        self.malformed += 1
        self._ends_badly = True
        self.bad_line = self.bad_line or line

    def coverage(self) -> FileCoverage:
        """Return how much of the file was read so far."""
        dated = self._dated > 0
        return FileCoverage(
            name=self.file.name,
            format=self.format,
            rows=self._kept,
            dated=self._dated,
            levelled=self._levelled,
            skipped=self.malformed,
            cut=self.is_cut,
            reason="; ".join(map(str, self.problems))[:_MOST_REASON],
            first=self._first if dated else None,
            last=self._last if dated else None,
        )

    @cached_property
    def sample(self) -> Sample:
        """The beginning of the file, for its format; it is read all the same."""
        decoding = Decoding(self._start)
        text = "".join(decoding.texts([self._start]))
        return Sample(plain_name(self.file.name), text, whole=len(self._start) < _SAMPLE)

    @cached_property
    def dating(self) -> Dating:
        """How the file's times are read; without a year they are of the last before it was written."""
        return (
            self.file.dating
            if self.file.dating.near
            else replace(self.file.dating, near=self.written)
        )

    def texts(self) -> Iterator[str]:
        """Yield the file's text in pieces; one that cannot be read on ends there, and says so."""
        decoding = Decoding(self._start)
        yield from decoding.texts(self._pieces())
        if decoding.odd:
            self.note(f"is not UTF-8: {decoding.odd} bytes were read as Latin-1")

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the number and text of each line that is not blank."""
        for number, line in enumerate(self._lines(), 1):
            if line and not line.isspace():
                self.rows += 1
                yield number, line

    def table(self) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
        """Return a CSV's header and its rows with their line numbers; misfits are counted."""
        reader = csv.reader(f"{line}\n" for line in self._lines())
        try:
            header = next(reader, [])
        except csv.Error as error:
            self.note(f"is no CSV: {error}")
            header = []
        return header, self._rows(reader, len(header))

    def json_items(self, *arrays: str) -> Iterator[Item]:
        """Yield the items of arrays, by their dotted paths, of one JSON value or many in a row.

        "" is an array at the top; a value that leads to none of them comes with the path "*".
        """
        stream = JsonStream(self.texts())
        for item in stream.items(arrays):
            self.rows += 1
            yield item
        self._ends_whole = not stream.is_cut

    def made_of(
        self, rows: Iterable[tuple[int, Row]], made: Callable[[int, Row], Made | None]
    ) -> Iterator[Made]:
        """Yield what is made of each row; one that gives nothing, or fails, costs only itself."""
        some = False
        for number, row in rows:
            try:
                one = made(number, row)
            except Exception:  # noqa: BLE001 - a row may hold anything; its own loss is counted
                one = None
            if one is not None:
                some = True
                yield one
                continue
            self.skip(number)
            if not some and self.malformed >= _HOPELESS:
                self.note(f"none of its first {self.malformed} rows can be read: it was left there")
                return

    def end(self) -> None:
        """Say of a file that was read, and in which there is nothing, that it is so."""
        is_sampled = any(part.share.size > 1 or part.last < math.inf for part in self.shares)
        if not (self._kept or self.malformed or self.problems or is_sampled):
            self.note("has no row")

    def close(self) -> list[FileProblem]:
        """Return what was wrong with the file, the malformed rows as one count."""
        if self.malformed:
            self.note(f"{self.malformed} malformed rows were skipped", line=self.bad_line)
        return self.problems

    @cached_property
    def _start(self) -> bytes:
        """Read as much as tells the format, once."""
        start = b""
        try:
            while len(start) < _SAMPLE and (piece := self.stream.read(_SAMPLE - len(start))):
                start += piece
        except (OSError, *PackedError) as error:
            self.lost(error)
        return start

    def _pieces(self) -> Iterator[bytes]:
        yield self._start
        if len(self._start) < _SAMPLE:
            return
        try:
            while piece := self.stream.read(_PIECE):
                yield piece
        except (OSError, *PackedError) as error:
            self.lost(error)

    def lost(self, error: Exception) -> None:
        """Say that the rest of the file cannot be read, and why."""
        self.broke(why(error))

    def broke(self, words: str) -> None:
        """Say why the rest of the file cannot be read."""
        self.note(words)
        self.is_broken = True

    @property
    def is_cut(self) -> bool:
        """Whether the file ends, as far as it was read, in the midst of something."""
        return self.is_broken or (self._ends_badly and not self._ends_whole)

    def _lines(self) -> Iterator[str]:
        """Yield the text of each line, without its end."""
        pieces: list[str] = []
        kept = 0
        for text in self.texts():
            first, *others = text.split("\n")
            pieces.append(first[: max(0, MOST_LINE - kept)])
            kept += len(first)
            if others:
                yield self._whole("".join(pieces), kept)
                last = others.pop()
                for line in others:
                    yield line[:-1] if line[-1:] == "\r" else line
                pieces, kept = [last], len(last)
        if kept:
            yield self._whole("".join(pieces), kept)
        self._ends_whole = not kept

    def _whole(self, line: str, length: int) -> str:
        """Return a line that came in several pieces."""
        if length > MOST_LINE:
            self.note(f"a line of {length} characters was cut to its first {MOST_LINE}")
        return line.removesuffix("\r")

    def _rows(self, reader: "_csv.Reader", width: int) -> Iterator[tuple[int, list[str]]]:
        while width:
            first_line = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error:
                self.rows += 1
                self.skip(first_line)
                continue
            if row is None:
                return
            self.rows += bool(row)
            if len(row) != width:
                if row:
                    self.skip(first_line)
                continue
            yield first_line, row


@contextmanager
def opened(file: DataFile) -> Iterator[SourceFile]:
    """Yield the file, open; one that cannot be opened is empty and says why."""
    with ExitStack() as held:
        source = SourceFile(file, io.BytesIO())
        try:
            root = file.root or file.path.parent
            raw = held.enter_context(Root(root).opened(str(file.path.relative_to(root))))
            source.written = os.fstat(raw.fileno()).st_mtime
            source.stream = held.enter_context(unpacked(raw))
        except (OSError, ValueError) as error:
            source.lost(error)
        yield source


def read_all(
    files: Iterable[DataFile],
    formats: Iterable[Format[Row]],
    take: Callable[[SourceFile, Iterator[Row]], None],
) -> FilesRead:
    """Have `take` take the rows of every file in its format; one that fails costs only its rest."""
    known = tuple(formats)
    result = FilesRead([], [])
    for file in files:
        with opened(file) as source:
            with guarded(source.broke):
                _read(source, known, take)
            result.problems.extend(source.close())
            result.files.append(source.coverage())
    return result


def _read(
    source: SourceFile,
    formats: tuple[Format[Row], ...],
    take: Callable[[SourceFile, Iterator[Row]], None],
) -> None:
    if not source.sample.text.strip():
        if not source.is_broken:
            source.note("is empty")
        return
    form = format_of(source.sample, formats)
    if form is None:
        source.note(what_lacks(source.sample, formats))
        return
    source.format = form.name
    take(source, form.read(source))
    source.end()


def read_bytes(file: DataFile, *, limit: int) -> Content:
    """Read a regular file, decompressed if it is packed, up to `limit` bytes.

    Raises:
        OSError: It cannot be read, is no regular file, or leads out of its root.
        ValueError: It is damaged, or wants too much memory to decompress.
    """
    root = file.root or file.path.parent
    with Root(root).opened(str(file.path.relative_to(root))) as raw, unpacked(raw) as stream:
        pieces, left = [], limit + 1
        while left and (piece := stream.read(left)):
            pieces.append(piece)
            left -= len(piece)
    content = b"".join(pieces)
    return Content(content[:limit], left == 0)
