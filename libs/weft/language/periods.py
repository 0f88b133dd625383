"""Time words: `before 09:20`, `between 9:10 and 9:20`, `in the last half an hour`, `since yesterday`."""

import re
from collections.abc import Iterator, Sequence

from weft.language.lexicon import words
from weft.language.text import kept_of_short_texts

__all__ = ["period_of"]

_SEARCHED = 4096
_TOKEN = re.compile(r"\d{4}-\d\d-\d\d|\d\d?:\d\d(?::\d\d)?|\d++|[a-z]++|[-\u2013]", re.IGNORECASE)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_HALVES = {"am": 0, "pm": 12}
_NOON = 12
_BOUNDS = {
    "before": "before", "until": "before", "till": "before", "by": "before", "after": "after",
    "since": "after", "from": "after", "past": "after", "around": "around", "about": "around",
    "at": "around", "near": "around",
}  # fmt: skip
_RANGE = words("and to until till - \u2013")
_BACK = words("last past previous recent")
_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "ten": 10,
    "fifteen": 15, "twenty": 20, "thirty": 30, "half": 0, "couple": 2, "few": 3,
}  # fmt: skip
_UNITS = {
    "s": "seconds", "sec": "seconds", "secs": "seconds", "second": "seconds", "seconds": "seconds",
    "m": "minutes", "min": "minutes", "mins": "minutes", "minute": "minutes", "minutes": "minutes",
    "h": "hours", "hr": "hours", "hrs": "hours", "hour": "hours", "hours": "hours",
    "d": "days", "day": "days", "days": "days", "week": "weeks", "weeks": "weeks",
}  # fmt: skip
_DAYS = words("yesterday today")
_HALF = {"hours": "30 minutes", "minutes": "30 seconds", "days": "12 hours"}


@kept_of_short_texts
def period_of(text: str) -> str:
    """Return the first time words of `text` in one form, else nothing.

    `before T`, `after T`, `around T`, `T to T`, `last N unit`, `N unit ago`, `yesterday`, `today` or
    `after` one of these, where T is a day, a time of it, or both.
    """
    tokens = [match[0].lower() for match in _TOKEN.finditer(text[:_SEARCHED])]
    for at in range(len(tokens)):
        period = _back(tokens, at) or _at_a_stamp(tokens, at)
        if period:
            return period
        if tokens[at] in _DAYS:
            since = at and _BOUNDS.get(tokens[at - 1]) == "after"
            return f"after {tokens[at]}" if since else tokens[at]
    return ""


def _at_a_stamp(tokens: Sequence[str], at: int) -> str:
    stamp, end = _stamp(tokens, at)
    if not stamp:
        return ""
    if end < len(tokens) and tokens[end] in _RANGE:
        until, _ = _stamp(tokens, end + 1)
        if until:
            return f"{stamp} to {until}"
    before = tokens[at - 1] if at else ""
    return f"{_BOUNDS.get(before, 'around')} {stamp}"


def _stamp(tokens: Sequence[str], at: int) -> tuple[str, int]:
    """Return the day, the time or both that stand at `at`, and where they end."""
    if at >= len(tokens):
        return "", at
    if _DAY.fullmatch(tokens[at]):
        after = at + 1 + (at + 1 < len(tokens) and tokens[at + 1] in ("t", "at"))
        clock, end = _clock(tokens, after)
        return (f"{tokens[at]} {clock}", end) if clock else (tokens[at], at + 1)
    return _clock(tokens, at)


def _clock(tokens: Sequence[str], at: int) -> tuple[str, int]:
    if at >= len(tokens):
        return "", at
    if tokens[at] in _NAMED_HOURS:
        return _NAMED_HOURS[tokens[at]], at + 1
    half = _HALVES.get(tokens[at + 1]) if at + 1 < len(tokens) else None
    if ":" in tokens[at]:
        hour, _, rest = tokens[at].partition(":")
        return _hour(int(hour), half, rest), at + 1 + (half is not None)
    if tokens[at].isdecimal() and (half is not None or _is_an_hour(tokens, at)):
        return _hour(int(tokens[at]), half, "00"), at + 1 + (half is not None)
    return "", at


def _is_an_hour(tokens: Sequence[str], at: int) -> bool:
    """`since 9`, `at 14 o'clock`, `between 9 and 10`: a number behind a bound, and nothing it counts."""
    if not tokens[at].isdecimal() or len(tokens[at]) > len("24"):
        return False
    after = tokens[at + 1] if at + 1 < len(tokens) else ""
    if after in _CLOCKS:
        return True
    before = tokens[at - 1] if at else ""
    if before == "between":
        return _ends_a_range(tokens, at + 2)
    if before in _RANGE and tokens[max(0, at - 3) : at - 2] in (["between"], ["from"]):
        return _ends_a_range(tokens, at)
    alone = not after or after in _AFTER_HOURS or not after.isalnum()
    return alone and before in _BEFORE_HOURS


def _ends_a_range(tokens: Sequence[str], at: int) -> bool:
    """`between 9 and 10`: two hours of a day, of nothing that could be counted."""
    pair = [*tokens[at - 2 : at - 1], *tokens[at : at + 1]]
    hours = [int(token) for token in pair if token.isdecimal() and len(token) <= len("24")]
    after = tokens[at + 1] if at + 1 < len(tokens) else ""
    return (
        len(hours) == len(pair) == _PAIR
        and max(hours) <= _DAY_HOURS
        and (not after or after in _AFTER_HOURS | _CLOCKS | _HALVES.keys())
    )


_PAIR, _DAY_HOURS = 2, 24


_NAMED_HOURS = {"noon": "12:00", "midday": "12:00", "midnight": "00:00"}
_CLOCKS = words("oclock o h uhr hrs")
_BEFORE_HOURS = words("since after before until till at from")
_AFTER_HOURS = words("in on for of to and until till today yesterday this or")


def _hour(hour: int, half: int | None, rest: str) -> str:
    hour = hour if half is None else hour % _NOON + half
    return f"{hour:02d}:{rest}" if hour < 2 * _NOON else ""


def _back(tokens: Sequence[str], at: int) -> str:
    """`last 30 minutes`, `the past hour`, `ten minutes ago`."""
    if tokens[at] in _BACK:
        length, _ = _length(tokens, at + 1)
        return f"last {length}" if length else ""
    length, end = _length(tokens, at)
    ago = bool(length) and end < len(tokens) and tokens[end] == "ago"
    return f"{length} ago" if ago else ""


def _length(tokens: Sequence[str], at: int) -> tuple[str, int]:
    amount: int | None = None
    for place in range(at, min(at + _LONGEST, len(tokens))):
        said = tokens[place]
        unit = _UNITS.get(said)
        if unit is not None:
            halved = "half" in tokens[at:place]
            length = _HALF.get(unit, "") if halved else f"{1 if amount is None else amount} {unit}"
            return length, place + 1
        number = next(_numbers(said), None)
        if number is None and said != "of":
            return "", at
        amount = number if number is not None else amount
    return "", at


_LONGEST = 4


def _numbers(said: str) -> Iterator[int]:
    if said.isdecimal() and len(said) <= _DIGITS:
        yield int(said)
    elif said in _NUMBERS:
        yield _NUMBERS[said]


_DIGITS = 5
