"""Lines of one file put together into entries: what has no time belongs to the line before it."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from incidents.dating import Dating
from incidents.files import KeptShare, SourceFile
from incidents.formats import Sample
from incidents.logs.entry import LEVELS, LogEntry
from incidents.logs.envelopes import read_line, whole_lines
from incidents.logs.stamps import stamp
from incidents.logs.text import TextLayout
from incidents.sampling import unit_of

_LEARNED_FROM = 200
_ENOUGH = 0.02
_MOST_JOINED = 40
_MOST_CHARACTERS = 8192
_TRACES = ("Traceback (most recent call last)", "Exception in thread", "panic: ", "goroutine ")
_CONTINUES = re.compile(
    r"[ \t]|at [\w$.<]|Caused by: |Suppressed: |\.\.\. \d|Traceback \(most recent|During handling of"
    r"|The above exception|goroutine \d|created by "
)
_EXCEPTION = re.compile(r"[A-Za-z_][\w.$]{0,120}+(?:: |\Z)")
_CLOSING = ")]},; "
_TRACE_ID = re.compile(r"race[_.-]?+id[\"']?+\s?+[:=]\s?+[\"']?+([0-9a-f]{8,32}+)", re.IGNORECASE)
_SEARCHED = 4096
_TROUBLE = ("WARN", "ERROR", "FATAL")
_LEVEL_FIRST = re.compile(r"(?P<level>[A-Z]{4,8}): ")


def learned(sample: Sample, dating: Dating) -> TextLayout:
    """Return how a file's lines are read: before how many words its times may stand."""
    columns = Counter(
        mark.column
        for line in sample.lines[:_LEARNED_FROM]
        if (mark := stamp(line, dating)) is not None
    )
    enough = _ENOUGH * sum(columns.values())
    common = frozenset(column for column, count in columns.items() if count >= enough)
    return TextLayout(common or None)


def is_dated(sample: Sample, dating: Dating) -> bool:
    """Tell whether lines of the sample have times of their own."""
    layout = learned(sample, dating)
    lines = islice(sample.lines, _LEARNED_FROM)
    return any(read_line(line, dating, layout).time is not None for line in lines)


def place_of_line(file: str, number: int) -> str:
    """Return what a line belongs to that is of no trace: itself."""
    return f"{file}:{number}"


Numbered = tuple[int, LogEntry]
"""The number of an entry's first line, and what it says."""


class Assembly:
    """The entries of one file, each with the lines that go on with it."""

    def __init__(self, source: SourceFile, dating: Dating) -> None:
        self._source = source
        self._clock = dating
        self._layout = learned(source.sample, dating)
        self._is_dated = is_dated(source.sample, dating)
        self._is_strict = source.sample.name.casefold().endswith((".jsonl", ".ndjson"))
        self._joined: list[str] = []
        self._is_passing = False
        self._at = 0

    def entries(self) -> Iterator[Numbered]:
        """Yield each entry; what cannot be read costs its line."""
        current: Numbered | None = None
        rows = whole_lines(self._kept(self._source.lines()))
        for number, line, entry in self._source.made_of(rows, self._read):
            is_next = number <= self._at + 1 or not self._is_sampled
            self._at = number
            if current is not None and self._goes_on(current[1], entry, line, is_next=is_next):
                continue
            if current is not None:
                yield self._ended(current)
            current = (number, entry)
        if current is not None:
            yield self._ended(current)

    def _read(self, number: int, line: str) -> tuple[int, str, LogEntry] | None:
        entry = read_line(line, self._clock, self._layout)
        if not entry.is_record and (self._is_strict or line.startswith('{"')):
            return None
        return number, line, entry

    @property
    def _is_sampled(self) -> bool:
        return self._source.keeps is not None and self._source.keeps.share > 1

    def _kept(self, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """Yield the lines of which something may be kept: to read them all takes far longer."""
        share = self._source.keeps
        for number, line in lines:
            if share is None or share.share == 1 or self._passes(share, number, line):
                yield number, line

    def _passes(self, share: KeptShare, number: int, line: str) -> bool:
        if _CONTINUES.match(line) is None:
            trace = None if share.is_by_row else _TRACE_ID.search(line, 0, _SEARCHED)
            name = trace[1].lower() if trace else place_of_line(self._source.file.name, number)
            self._is_passing = share.keeps(unit_of(name))
        return self._is_passing

    def _goes_on(self, current: LogEntry, entry: LogEntry, line: str, *, is_next: bool) -> bool:
        """Have a line that goes on with the entry before it join that one."""
        if entry.is_record or entry.is_damaged or entry.time is not None:
            return False
        if (first := _LEVEL_FIRST.match(line)) and first["level"] in LEVELS:
            return self._is_second(current, entry)
        begins = line.startswith(_TRACES)
        if begins and current.level not in _TROUBLE and not self._joined:
            return False
        goes_on = begins or _CONTINUES.match(line) is not None or not line.strip(_CLOSING)
        if not goes_on and not entry.level:
            in_trace = bool(self._joined) or current.message.startswith(_TRACES)
            goes_on = self._is_dated or (in_trace and _EXCEPTION.match(line) is not None)
        if goes_on and is_next:
            self._join(line)
        return goes_on  # and if lines between were passed over, it belongs to one of those

    def _is_second(self, current: LogEntry, entry: LogEntry) -> bool:
        """Take the second line of Java's own layout, which tells level and message."""
        if current.level or current.time is None or self._joined:
            return False
        current.logger = current.logger or current.message.split(" ", 1)[0]
        current.level, current.message = entry.level, entry.message
        return True

    def _join(self, line: str) -> None:
        if len(self._joined) < _MOST_JOINED:
            self._joined.append(line.rstrip())

    def _ended(self, current: Numbered) -> Numbered:
        if self._joined:
            entry = current[1]
            text = "\n".join((entry.message, *self._joined))
            entry.message = text[:_MOST_CHARACTERS].strip()
            self._joined = []
        return current
