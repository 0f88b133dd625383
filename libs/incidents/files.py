"""Reading a data file within bounds: bytes after decompression, rows, and what was left out."""

import _csv
import csv
import io
import lzma
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from incidents.problems import FileProblem, guarded
from incidents.roots import Root
from weft.core import FileCoverage
from weft.core.storable import storable

__all__ = ["Content", "DataFile", "read_bytes"]

Row = TypeVar("Row")
Made = TypeVar("Made")
_PACKED = 16 << 10
"""So much is read of an archive at a time, since what a stream leaves of it is copied."""
_MOST_STREAMS = 10_000
_XZ_MEMORY = 128 << 20
_MOST_REASON = 300
_XZ = b"\xfd7zXZ\x00"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that may be read, and what to call it towards the outside."""

    path: Path
    name: str
    root: Path | None = None
    """Nothing that stands on the way may lead out of it; None: the directory of the file."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is read of one file, and of all files of one kind together."""

    file_bytes: int = 64 << 20
    """After decompression."""
    rows: int = 200_000
    cells: int = 4_000_000
    """How many values of one table are read."""
    all_bytes: int = 192 << 20
    all_rows: int = 300_000


DEFAULT_BOUNDS = Bounds()


class Content(NamedTuple):
    """A file's bytes, decompressed; `truncated` if there were more."""

    content: bytes
    truncated: bool


class FilesRead(NamedTuple):
    """What was wrong with files, and how much of each was read."""

    problems: list[FileProblem]
    files: list[FileCoverage]


@dataclass(slots=True)
class SourceFile:
    """One file while it is read: its text, what is read of it, and what was wrong with its rows."""

    file: DataFile
    text: str
    bounds: Bounds
    problems: list[FileProblem] = field(default_factory=list)
    malformed: int = 0
    rows: int = 0
    """How many were looked at so far."""
    format: str = ""
    """The layout that it is read as, in a word or two."""
    bad_line: int = 0
    """The first line that could not be read."""
    _kept: int = 0
    _dated: int = 0
    _levelled: int = 0
    _first: float = math.inf
    _last: float = -math.inf

    def note(self, problem: str, *, line: int = 0) -> None:
        self.problems.append(FileProblem(self.file.name, problem, line))

    def keep(self, time: float | None, *, level: str = "") -> None:
        """Count a row that is kept; `time` and `level` are its own, not those of a neighbour."""
        self._kept += 1
        self._levelled += bool(level)
        if time is not None:
            self._dated += 1
            self._first, self._last = min(self._first, time), max(self._last, time)

    def skip(self, line: int) -> None:
        """Count a row that cannot be read."""
        self.malformed += 1
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
            reason="; ".join(map(str, self.problems))[:_MOST_REASON],
            first=self._first if dated else None,
            last=self._last if dated else None,
        )

    @property
    def is_csv(self) -> bool:
        return self.file.name.removesuffix(".xz").endswith(".csv")

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the number and text of each line that is not blank."""
        for number, line in enumerate(io.StringIO(self.text), 1):
            if not line.strip():
                continue
            if self.is_full():
                return
            yield number, line.rstrip("\r\n")

    def is_full(self) -> bool:
        """Count one more row, or say that it is one too many."""
        if self.rows >= self.bounds.rows:
            self.note(f"only the first {self.rows} rows were read")
            return True
        self.rows += 1
        return False

    def table(self) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
        """Return a CSV's header and its rows with their line numbers; misfits are counted."""
        reader = csv.reader(io.StringIO(self.text, newline=""))
        try:
            header = next(reader, [])
        except csv.Error as error:
            self.note(f"is no CSV: {error}")
            header = []
        return header, self._rows(reader, len(header))

    def made_of(
        self, rows: Iterable[tuple[int, Row]], made: Callable[[int, Row], Made | None]
    ) -> Iterator[Made]:
        """Yield what is made of each row; one that gives nothing, or fails, costs only itself."""
        for number, row in rows:
            try:
                one = made(number, row)
            except Exception:  # noqa: BLE001 - a row may hold anything; its own loss is counted
                one = None
            if one is None:
                self.skip(number)
            else:
                yield one

    def _rows(self, reader: "_csv.Reader", width: int) -> Iterator[tuple[int, list[str]]]:
        while width:
            first_line = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error:
                self.skip(first_line)
                continue
            if row is None:
                return
            if len(row) != width:
                if row:
                    self.skip(first_line)
                continue
            if self.is_full():
                return
            if self.rows * width > self.bounds.cells:
                self.note(
                    f"only {self.rows - 1} rows of {width} columns were read: too many values"
                )
                return
            yield first_line, row

    def close(self) -> list[FileProblem]:
        """Return what was wrong with the file, the malformed rows as one count."""
        if self.malformed:
            self.note(f"{self.malformed} malformed rows were skipped", line=self.bad_line)
        return self.problems


def sources(files: Iterable[DataFile], bounds: Bounds) -> Iterator[SourceFile]:
    """Open one file after the other, until there is too much of them; blocking."""
    left_bytes, left_rows = bounds.all_bytes, bounds.all_rows
    for file in files:
        if left_bytes <= 0 or left_rows <= 0:
            source = SourceFile(file, "", bounds)
            source.note("was left out: the files before it have as many rows as are read")
            yield source
            continue
        left = replace(
            bounds,
            file_bytes=min(bounds.file_bytes, left_bytes),
            rows=min(bounds.rows, left_rows),
        )
        source = opened(file, left)
        yield source
        left_bytes -= len(source.text)
        left_rows -= source.rows


def read_all(
    files: Iterable[DataFile], bounds: Bounds, read: Callable[[SourceFile], None]
) -> FilesRead:
    """Have every file read that has text; one that fails costs only what follows in it."""
    result = FilesRead([], [])
    for source in sources(files, bounds):
        if source.text.strip():
            with guarded(source.note):
                read(source)
        result.problems.extend(source.close())
        result.files.append(source.coverage())
    return result


def opened(file: DataFile, bounds: Bounds = DEFAULT_BOUNDS) -> SourceFile:
    """Return the file's text up to its bounds; a file that cannot be read has none and says why."""
    source = SourceFile(file, "", bounds)
    with guarded(source.note):
        content, truncated = read_bytes(file, limit=bounds.file_bytes)
        source.text = _decoded(source, content, truncated=truncated)
    return source


def _decoded(source: SourceFile, content: bytes, *, truncated: bool) -> str:
    if not content.strip():
        source.note("is empty")
    if truncated:
        source.note(f"only the first {source.bounds.file_bytes} bytes were read")
        content = content[: content.rfind(b"\n") + 1] or content
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        source.note("is not UTF-8: undecodable bytes were replaced")
        text = content.decode("utf-8-sig", errors="replace")
    return storable(text)


def read_bytes(file: DataFile, *, limit: int) -> Content:
    """Read a regular file, decompressed if it is xz, up to `limit` bytes.

    Raises:
        OSError: It cannot be read, is no regular file, or leads out of its root.
        lzma.LZMAError: It is damaged, or wants too much memory to decompress.
    """
    root = file.root or file.path.parent
    with Root(root).opened(str(file.path.relative_to(root))) as raw:
        start = raw.read(len(_XZ))
        raw.seek(0)
        read = _decompressed(raw, limit) if start == _XZ else raw.read(limit + 1)
    return Content(read[:limit], len(read) > limit)


def _decompressed(raw: BinaryIO, limit: int) -> bytes:
    out = bytearray()
    waiting = raw.read(_PACKED)
    streams = 0
    while waiting and len(out) <= limit:
        streams += 1
        if streams > _MOST_STREAMS:
            raise lzma.LZMAError(f"it has more than {_MOST_STREAMS} streams")
        xz = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
        while not xz.eof and len(out) <= limit:
            out += xz.decompress(waiting, limit + 1 - len(out))
            waiting = raw.read(_PACKED) if xz.needs_input else b""
            if xz.needs_input and not waiting:
                raise lzma.LZMAError("the file ends too early")
        # Another stream may follow in the same file.
        waiting = xz.unused_data or raw.read(_PACKED)
    return bytes(out)
