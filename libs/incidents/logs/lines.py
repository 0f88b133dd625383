"""Lines of one file put together into entries: what has no time belongs to the line before it."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from incidents.dating import Dating
from incidents.files import SourceFile
from incidents.formats import Sample
from incidents.logs.entry import LEVELS, LogEntry
from incidents.logs.envelopes import read_line, whole_lines
from incidents.logs.passing import CONTINUES, Passing
from incidents.logs.stamps import stamp
from incidents.logs.text import TextLayout

_LEARNED_FROM = 200
_ENOUGH = 0.02
_MOST_JOINED = 40
_MOST_CHARACTERS = 8192
_TRACES = ("Traceback (most recent call last)", "Exception in thread", "panic: ", "goroutine ")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.$]{0,120}+(?:: |\Z)")
_CLOSING = ")]},; "
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
        self._passing = Passing(source, lambda line: read_line(line, dating, self._layout))
        self._joined: list[str] = []
        self._at = 0

    def entries(self) -> Iterator[Numbered]:
        """Yield each entry; what cannot be read costs its line."""
        current: Numbered | None = None
        rows = whole_lines(self._passing.kept(self._source.lines()))
        for number, line, entry in self._source.made_of(rows, self._read):
            is_next = number <= self._at + 1 or not self._passing.is_sampled
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
        self._passing.check(line, entry)
        return number, line, entry

    def _goes_on(self, current: LogEntry, entry: LogEntry, line: str, *, is_next: bool) -> bool:
        """Have a line that goes on with the entry before it join that one."""
        if entry.is_record or entry.is_damaged or entry.time is not None:
            return False
        if (first := _LEVEL_FIRST.match(line)) and first["level"] in LEVELS:
            return self._is_second(current, entry)
        begins = line.startswith(_TRACES)
        if begins and current.level not in _TROUBLE and not self._joined:
            return False
        goes_on = begins or CONTINUES.match(line) is not None or not line.strip(_CLOSING)
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
