"""Times as log lines write them, and where in a line they stand."""

import re
from collections.abc import Callable
from typing import NamedTuple

from incidents.dating import NAMED_ZONES, Dating

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_MONTH = "(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_CLOCK = r"(?P<hour>\d\d?+)[:.](?P<minute>\d\d)[:.](?P<second>\d\d)(?:[.,:](?P<part>\d{1,9}+))?"
_NAMES = "|".join(sorted(NAMED_ZONES, key=len, reverse=True))
_ZONE = rf"(?: ?+(?P<zone>[+-]\d\d:?\d\d(?!\d)|[+-]\d\d(?![\d:])|(?:{_NAMES})(?![a-z])))?"
_END = r"(?![\d:])"
_FLAGS = re.IGNORECASE

_DASHED = re.compile(
    r"(?P<year>(?:19|20)\d\d)[-/.](?P<month>\d\d?+)[-/.](?P<day>\d\d?+)[t ,_-]{1,2}+"
    rf"{_CLOCK}{_ZONE}{_END}",
    _FLAGS,
)
_PACKED = re.compile(
    r"(?P<year>(?:19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)[-t _]"
    r"(?:(?P<hour>\d\d?+):(?P<minute>\d\d?+):(?P<second>\d\d?+)(?:[.,:](?P<part>\d{1,9}+))?"
    r"|(?P<hours>\d\d)(?P<minutes>\d\d)(?P<seconds>\d\d)(?:[.,](?P<parts>\d{1,9}+))?)"
    rf"{_ZONE}{_END}",
    _FLAGS,
)
_SHORT = re.compile(
    r"(?P<year>\d\d)[/-]?+(?P<month>\d\d)[/-]?+(?P<day>\d\d) "
    r"(?P<hour>\d\d):?(?P<minute>\d\d):?(?P<second>\d\d)(?:[.,](?P<part>\d{1,9}+))?(?=[\s\],])"
)
_DAY_FIRST = re.compile(
    rf"(?:[a-z]{{3}},? )?(?P<day>\d\d?+)[-/ ]{_MONTH}[-/ ](?P<year>(?:19|20)\d\d)[: ]{_CLOCK}{_ZONE}{_END}",
    _FLAGS,
)
_NO_YEAR = re.compile(
    rf"(?:(?:mon|tue|wed|thu|fri|sat|sun) )?{_MONTH} {{1,2}}+(?P<day>\d\d?+),?+(?: (?P<year>(?:19|20)\d\d))? (?:@ )?+{_CLOCK}"
    rf"(?: (?P<half>[ap]m))?{_ZONE}(?: (?P<late>(?:19|20)\d\d)(?!\d))?{_END}",
    _FLAGS,
)
_DAY_MONTH = re.compile(
    rf"(?P<day>\d\d?+)[-./](?P<month>\d\d?+)[-./](?P<year>(?:19|20)\d\d),?+ {_CLOCK}"
    rf"(?: (?P<half>[ap]m))?{_ZONE}{_END}",
    _FLAGS,
)
_KLOG = re.compile(
    r"(?P<year>(?:20\d\d)?)(?P<month>\d\d)(?P<day>\d\d) (?P<hour>\d\d):(?P<minute>\d\d):"
    r"(?P<second>\d\d)\.(?P<part>\d{1,9})"
)
_MONTH_DAY = re.compile(rf"(?P<month>\d\d)[-.](?P<day>\d\d) {_CLOCK}(?=[\s\],])")
_EPOCH = re.compile(r"(?P<epoch>1\d{9}(?:\d{9}|\d{6}|\d{3}|\.\d{1,9}+)?+|2[01]\d{8})(?![\w.:/-])")
_TOKEN = re.compile(r"[^\s|\[(<>\"'=]++")
_TOKENS = 8
_CENTURY = 2000
_MONTHS_OF_YEAR = 12
_SEARCHED = 400
_KLOG_LETTERS = "IWEFD"


class Stamp(NamedTuple):
    """A time in a line: unix seconds, None where it is no time, and where it stands."""

    time: float | None
    start: int
    end: int
    column: int
    """How many words stand before it."""


def _dated(match: re.Match[str], dating: Dating) -> float | None:
    parts = match.groupdict()
    if parts.get("hours"):
        parts |= {name: parts[f"{name}s"] for name in ("hour", "minute", "second", "part")}
    year = parts.get("year") or parts.get("late") or "0"
    month = parts["month"]
    number = _MONTHS.get(month.lower()) or int(month)
    hour = int(parts["hour"])
    if half := parts.get("half"):
        hour = hour % 12 + (12 if half.lower() == "pm" else 0)
    part = parts.get("part")
    second = int(parts["second"]) + (int(part) / 10 ** len(part) if part else 0.0)
    full = int(year) + (_CENTURY if len(year) == len("20") else 0)
    date = (full, number, int(parts["day"]))
    return dating.seconds(date, (hour, int(parts["minute"]), second), parts.get("zone") or "")


def _day_or_month(match: re.Match[str], dating: Dating) -> float | None:
    """Read a day and a month where it is certain which is which: a date that may be either is none."""
    first, second = int(match["day"]), int(match["month"])
    swapped = second > _MONTHS_OF_YEAR
    if not swapped and first <= _MONTHS_OF_YEAR and match[0][len(match["day"])] == "/":
        return None
    day, month = (second, first) if swapped else (first, second)
    hour = int(match["hour"])
    if half := match["half"]:
        hour = hour % 12 + (12 if half.lower() == "pm" else 0)
    part = match["part"]
    seconds = int(match["second"]) + (int(part) / 10 ** len(part) if part else 0.0)
    date = (int(match["year"]), month, day)
    return dating.seconds(date, (hour, int(match["minute"]), seconds), match["zone"] or "")


def _counted(match: re.Match[str], _clock: Dating) -> float | None:
    digits, _, part = match["epoch"].partition(".")
    seconds: float = int(digits) / 10 ** (len(digits) - 10)
    return seconds + (int(part) / 10 ** len(part) if part else 0.0)


Form = tuple[re.Pattern[str], Callable[[re.Match[str], Dating], float | None]]
_DIGITS: tuple[Form, ...] = (
    (_DASHED, _dated),
    (_PACKED, _dated),
    (_DAY_FIRST, _dated),
    (_SHORT, _dated),
    (_DAY_MONTH, _day_or_month),
    (_MONTH_DAY, _dated),
    (_EPOCH, _counted),
)
_WORDS: tuple[Form, ...] = ((_NO_YEAR, _dated), (_DAY_FIRST, _dated))
_NAMES_OF_TIME = frozenset(_MONTHS) | {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}


def stamp(line: str, dating: Dating, columns: frozenset[int] | None = None) -> Stamp | None:
    """Return the first time among the first words of a line; None if there is none.

    `columns` tells before how many words it may stand besides none; None: after whatever does not
    read as a sentence.
    """
    prose = 0
    for column, token in enumerate(_TOKEN.finditer(line, 0, _SEARCHED)):
        if column >= _TOKENS or prose > 1:
            return None
        if columns is not None and column and column not in columns:
            if column > max(columns, default=0):
                return None
            continue
        start = token.start()
        if (read := _read(line, start, column, dating)) is not None:
            return read
        word = token[0]
        prose += word.isalpha() and word.islower() and len(word) > 1
    return None


def _read(line: str, start: int, column: int, dating: Dating) -> Stamp | None:
    first = line[start]
    forms: tuple[Form, ...] = ()
    if first.isdigit():
        forms = _DIGITS
    elif line[start : start + 3].lower() in _NAMES_OF_TIME:
        forms = _WORDS
    elif column == 0 and first in _KLOG_LETTERS and line[start + 1 : start + 2].isdigit():
        forms, start = ((_KLOG, _dated),), start + 1
    for pattern, made in forms:
        if match := pattern.match(line, start):
            return Stamp(made(match, dating), start, match.end(), column)
    return None
