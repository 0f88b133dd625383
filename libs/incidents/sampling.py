"""Rows of which there are too many to keep: an even share of them, the same of every file.

A row is kept or not by what it belongs to, a trace or its own place: so a trace is kept whole, in
whatever files its rows stand, and the same data gives the same rows.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar
from zlib import crc32

from incidents.problems import FileProblem
from weft.core import FileCoverage

_LEAST = 8
"""If halving leaves less than such a part, too much of it belonged together."""


class _InFile(Protocol):
    @property
    def file(self) -> str: ...


Row = TypeVar("Row", bound=_InFile)


def unit_of(name: str) -> int:
    """Return a number that says whether a row that belongs to `name` is kept."""
    # The low bits of a checksum of texts that differ in one digit follow a pattern.
    return (crc32(name.encode("utf-8", "replace")) * 2654435761 & 0xFFFFFFFF) >> 8


class Sampler(Generic[Row]):
    """Keeps at most `most` rows: all, or one in two, in four, ... of what they belong to."""

    def __init__(self, most: int, unit: Callable[[Row], int], own: Callable[[Row], int]) -> None:
        """Let `unit` number what a row belongs to, and `own` the row itself."""
        self._most = most
        self._unit = unit
        self._own = own
        self.rows: list[Row] = []
        self.share = 1
        """One in so many is kept."""
        self.is_by_row = False
        """Whether so much belongs together that rows are kept each by itself."""

    def keeps(self, unit: int) -> bool:
        return unit & (self.share - 1) == 0

    def take(self, row: Row) -> None:
        """Keep a row, if it is one of the share; a share too large is halved."""
        if not self._is_kept(row):
            return
        self.rows.append(row)
        while len(self.rows) > self._most:
            self.share *= 2
            kept = [row for row in self.rows if self._is_kept(row)]
            if len(kept) < self._most // _LEAST:
                self.is_by_row = True
                kept = [row for row in self.rows if self._is_kept(row)]
            self.rows[:] = kept

    def _is_kept(self, row: Row) -> bool:
        return self.share == 1 or self.keeps((self._own if self.is_by_row else self._unit)(row))

    def told(self, files: Iterable[FileCoverage]) -> list[FileCoverage]:
        """Return what was kept of each file, which says so where that is a share."""
        if self.share == 1:
            return list(files)
        kept = Counter(row.file for row in self.rows)
        return [self._kept(file, kept[file.name]) for file in files]

    def problem(self, source: str) -> list[FileProblem]:
        """Say that a share was kept; nothing where all was."""
        return [FileProblem(source, self._words())] if self.share > 1 else []

    def _kept(self, file: FileCoverage, kept: int) -> FileCoverage:
        part = kept / max(file.rows, 1)
        changes = {
            "rows": kept,
            "dated": round(file.dated * part),
            "levelled": round(file.levelled * part),
            "reason": "; ".join(filter(None, (self._words(), file.reason))),
        }
        return file.model_copy(update=changes) if file.rows else file

    def _words(self) -> str:
        return f"sampled: one in {self.share} of its rows was read, evenly over its time"
