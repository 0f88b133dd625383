"""Rows of which there are too many to keep: an even share of them, the same of every file.

A row is kept or not by what it belongs to, a trace, a moment or its own place: so a trace is kept
whole, in whatever files its rows stand, and the same data gives the same rows.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar
from zlib import crc32

from incidents.problems import FileProblem
from weft.core import FileCoverage
from weft.core.result import Window

SAMPLED = "sampled"
UNITS = 1 << 24
_MASK = (1 << 32) - 1
_SPREAD = 0x9E3779B1
"""The golden section of that: its multiples divide a range evenly, however many they are."""
_LEAST = 8
"""If halving leaves less than such a part, too much of it belonged together."""


class LineShare(NamedTuple):
    """Which share is kept of the lines of a file from one to another."""

    first: int
    last: float
    share: "KeptShare"


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


class Sampler(Generic[Row]):
    """Keeps at most `most` rows: a share of them that is halved whenever it is too large.

    Of several windows each has as large a part of `most`; what lies in none of them is not kept.
    """

    def __init__(
        self,
        most: int,
        unit: Callable[[Row], int],
        own: Callable[[Row], int],
        at: Callable[[Row], float],
        windows: Sequence[Window] = (),
    ) -> None:
        """Let `unit` number what a row belongs to, `own` the row itself, and `at` say its time."""
        self._most = most // max(1, len(windows))
        self._unit = unit
        self._own = own
        self._at = at
        self._windows = tuple(windows)
        self.parts: tuple[SampledPart[Row], ...] = tuple(
            SampledPart() for _ in self._windows or (None,)
        )
        """One of each window; one of all where there are none."""

    def take(self, row: Row) -> None:
        """Keep a row, if it is in a window, and one of its share."""
        part = self._part(row) if self._windows else self.parts[0]
        if part is None or not self._is_kept(part.share, row):
            return
        part.rows.append(row)
        while len(part.rows) > self._most:
            part.share.halve()
            kept = [row for row in part.rows if self._is_kept(part.share, row)]
            if len(kept) < self._most // _LEAST:
                part.share.is_by_row = True
                kept = [row for row in part.rows if self._is_kept(part.share, row)]
            part.rows[:] = kept

    def rows(self) -> list[Row]:
        return [row for part in self.parts for row in part.rows]

    def told(self, files: Iterable[FileCoverage]) -> list[FileCoverage]:
        """Return what was kept of each file, which says so where that is a share."""
        if not self._windows and not self._words():
            return list(files)
        kept = Counter(row.file for part in self.parts for row in part.rows)
        return [told_share(file, kept[file.name], self._words()) for file in files]

    def problem(self, source: str) -> list[FileProblem]:
        """Say that a share was kept; nothing where all was."""
        words = self._words()
        return [FileProblem(source, words)] if words else []

    def _words(self) -> str:
        sizes = [part.share.size for part in self.parts]
        if len(set(sizes)) == 1:
            return share_words(sizes[0])
        parts = ", ".join(f"one in {size}" for size in sizes)
        return f"{SAMPLED}: {parts} of the rows of its windows was read, evenly over their time"

    def _part(self, row: Row) -> "SampledPart[Row] | None":
        at = self._at(row)
        for window, part in zip(self._windows, self.parts, strict=True):
            if window.start <= at <= window.end:
                return part
        return None

    def _is_kept(self, share: KeptShare, row: Row) -> bool:
        return share.size == 1 or share.keeps((self._own if share.is_by_row else self._unit)(row))


@dataclass(slots=True)
class SampledPart(Generic[Row]):
    """The rows of one window, and which share of all that are there they are."""

    rows: list[Row] = field(default_factory=list)
    share: KeptShare = field(default_factory=KeptShare)


def share_words(size: int) -> str:
    """Say that one in so many was read; nothing where all was."""
    return (
        f"{SAMPLED}: one in {size} of its rows was read, evenly over its time" if size > 1 else ""
    )


def told_share(file: FileCoverage, kept: int, words: str) -> FileCoverage:
    """Return what was `kept` of a file, and in `words` what share that is."""
    part = kept / max(file.rows, 1)
    changes = {
        "rows": kept,
        "dated": round(file.dated * part),
        "levelled": round(file.levelled * part),
        "reason": "; ".join(filter(None, (words, file.reason))),
    }
    return file.model_copy(update=changes) if file.rows else file


def is_sampled(files: Iterable[FileCoverage]) -> bool:
    """Tell whether of any of the files only a share was kept."""
    return any(file.reason.startswith(SAMPLED) for file in files)
