"""Rows of which there are too many to keep: an even share of them, the same of every file.

A row is kept or not by what it belongs to, a trace, a moment or its own place: so a trace is kept
whole, in whatever files its rows stand, and the same data gives the same rows.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar
from zlib import crc32

from incidents.problems import FileProblem
from weft.core import FileCoverage

UNITS = 1 << 24
_MASK = (1 << 32) - 1
_SPREAD = 0x9E3779B1
"""The golden section of that: its multiples divide a range evenly, however many they are."""
_LEAST = 8
"""If halving leaves less than such a part, too much of it belonged together."""


class _InFile(Protocol):
    @property
    def file(self) -> str: ...


Row = TypeVar("Row", bound=_InFile)


def unit_of(name: str) -> int:
    """Return the unit of what is called `name`: a number below `UNITS` that decides on its rows."""
    return (crc32(name.encode("utf-8", "replace")) * _SPREAD & _MASK) >> 8


def unit_at(file: int, number: int) -> int:
    """Return the unit of a row that belongs to itself: the `number`th in the file of this unit.

    The small ones among them stand almost equally far apart, and follow no pattern of the rows.
    """
    return (number * _SPREAD + (file << 8) & _MASK) >> 8


class KeptShare:
    """The part of all rows that is kept: all, or one in two, in four, ... of what they belong to."""

    def __init__(self) -> None:
        self.size = 1
        """One in so many is kept."""
        self._below = UNITS
        self.is_by_row = False
        """Whether so much belongs together that rows are kept each by itself."""

    def keeps(self, unit: int) -> bool:
        return unit < self._below

    def halve(self) -> None:
        self.size *= 2
        self._below = UNITS // self.size

    def told(self, files: Iterable[FileCoverage], kept: Mapping[str, int]) -> list[FileCoverage]:
        """Return what was `kept` of each file, which says so where that is a share."""
        if self.size == 1:
            return list(files)
        return [self._kept(file, kept.get(file.name, 0)) for file in files]

    def problem(self, source: str) -> list[FileProblem]:
        """Say that a share was kept; nothing where all was."""
        return [FileProblem(source, self._words())] if self.size > 1 else []

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
        return f"sampled: one in {self.size} of its rows was read, evenly over its time"


class Sampler(Generic[Row]):
    """Keeps at most `most` rows: a share of them that is halved whenever it is too large."""

    def __init__(self, most: int, unit: Callable[[Row], int], own: Callable[[Row], int]) -> None:
        """Let `unit` number what a row belongs to, and `own` the row itself."""
        self._most = most
        self._unit = unit
        self._own = own
        self.rows: list[Row] = []
        self.share = KeptShare()

    def take(self, row: Row) -> None:
        """Keep a row, if it is one of the share."""
        if not self._is_kept(row):
            return
        self.rows.append(row)
        while len(self.rows) > self._most:
            self.share.halve()
            kept = [row for row in self.rows if self._is_kept(row)]
            if len(kept) < self._most // _LEAST:
                self.share.is_by_row = True
                kept = [row for row in self.rows if self._is_kept(row)]
            self.rows[:] = kept

    def _is_kept(self, row: Row) -> bool:
        share = self.share
        return share.size == 1 or share.keeps((self._own if share.is_by_row else self._unit)(row))

    def told(self, files: Iterable[FileCoverage]) -> list[FileCoverage]:
        """Return what was kept of each file, which says so where that is a share."""
        return self.share.told(files, Counter(row.file for row in self.rows))
