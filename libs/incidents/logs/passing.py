"""Lines of which nothing is kept, told by their text alone: to read them all takes far longer."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import inf

from incidents.files import SourceFile
from incidents.logs.entry import LogEntry
from incidents.sampling import KeptShare, unit_at, unit_of

CONTINUES = re.compile(
    r"[ \t]|at [\w$.<]|Caused by: |Suppressed: |\.\.\. \d|Traceback \(most recent|During handling of"
    r"|The above exception|goroutine \d|created by "
)
"""How lines begin that go on with an entry."""
_NAMED_ID = re.compile(
    r"(?:race|RACE)[_.-]?+[iI][dD][\"']?+\s?+[:=]\s?+[\"']?+([0-9a-fA-F][0-9a-fA-F-]{7,35}+)"
)
_ID_IN_PATH = re.compile(r"/traces/([0-9a-fA-F]{8,32}+)")
_ID_IN_BRACKETS = re.compile(r"\[[\w.-]{1,64}+,([0-9a-fA-F]{16,32}+),[0-9a-fA-F]{16}")
_TRACE_IDS = (_NAMED_ID, _ID_IN_PATH, _ID_IN_BRACKETS)
_BEGINNINGS = frozenset("{[<0123456789")
"""No line begins so that goes on with another."""
_SEARCHED = 4096
_EVERYTHING = KeptShare()
_LEARNED_FROM = 200


class Passing:
    """Tells of one file's lines which may be kept, by the traces that stand in their text.

    It says so only while the traces found in the text are those that are read in the lines: else
    what it passes over would be chosen twice.
    """

    def __init__(self, source: SourceFile, read: Callable[[str], LogEntry]) -> None:
        self._source = source
        self._file = unit_of(source.file.name)
        lines = list(islice(source.sample.lines, _LEARNED_FROM))
        traces = [(line, read(line).trace_id) for line in lines]
        self._pattern = next(
            (
                pattern
                for pattern in _TRACE_IDS
                if all(_trace(pattern, line) == trace for line, trace in traces)
            ),
            None,
        )

    @property
    def is_sampled(self) -> bool:
        return any(part.share.size > 1 for part in self._source.shares)

    def check(self, line: str, entry: LogEntry) -> None:
        """Compare what was read of a line with what is found in its text."""
        if self._pattern is not None and _trace(self._pattern, line) != entry.trace_id:
            self._pattern = None

    def kept(self, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """Yield the lines of which something may be kept."""
        file, passes = self._file, True
        last: float = 0
        share: KeptShare | None = None
        for number, line in lines:
            if number > last:
                last, share = self._part(number)
            if share is None:
                continue
            if share.size > 1 and (pattern := self._pattern) is not None:
                if line[0] in _BEGINNINGS or CONTINUES.match(line) is None:
                    trace = "" if share.is_by_row else _trace(pattern, line)
                    passes = share.keeps(unit_of(trace) if trace else unit_at(file, number))
                if not passes:
                    continue
            yield number, line

    def _part(self, number: int) -> tuple[float, KeptShare | None]:
        """Return up to which line the share of a line is the same, and that; None: none is kept."""
        parts = self._source.shares
        if not parts:
            return inf, _EVERYTHING
        later = min((part.first for part in parts if part.first > number), default=inf) - 1
        for part in reversed(parts):
            if part.first <= number <= part.last:
                return min(part.last, later), part.share
        return later, None


def _trace(pattern: re.Pattern[str], line: str) -> str:
    begin = 0
    if pattern is _NAMED_ID:  # to look for the word alone is far cheaper
        begin = line.find("race")
        if begin < 0 and (begin := line.find("RACE")) < 0:
            return ""
    match = pattern.search(line, begin, _SEARCHED)
    return match[1].lower() if match else ""
