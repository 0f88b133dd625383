"""Times as recordings write them, brought to unix seconds."""

import re
from datetime import UTC, datetime

from incidents.dating import UTC_DATING, Dating

_LAST = 1e20
"""No dating shows more, in whatever unit."""
_CENTURY = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
"""What is dated later, or before 1970, is no record of an incident: its time was not read."""
_MOST_DIGITS = 20
_MILLENNIUM = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
"""No recording counts milliseconds, or less, of an earlier time: it is another kind of number."""
_COMPACT = re.compile(r"((?:19|20)\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:(\d\d)(\d{3})?)?")
"""A date without separators, such as 20251124161640, to the minute, second or millisecond."""
_SCALES = (10**9, 10**6, 10**3)


def moment(value: object, dating: Dating = UTC_DATING) -> float | None:
    """Return unix seconds of an ISO 8601 text or of a number in s, ms, us or ns; None if neither.

    A text without a zone is in the dating's. Digits alone are a date where they can be one, else a
    number.
    """
    seconds = _text(value, dating) if isinstance(value, str) else _number(value)
    return seconds if seconds is not None and 0 <= seconds < _CENTURY else None


def recorded(value: object, dating: Dating = UTC_DATING) -> float | None:
    """As `moment`, for what was written when it happened: nothing that is read was before 2000.

    A line that was cut in its time shows a number, which would be some seconds of 1970.
    """
    seconds = moment(value, dating)
    return seconds if seconds is not None and seconds >= _MILLENNIUM else None


def nanoseconds(text: str) -> float | None:
    """Return unix seconds of a text of digits that counts nanoseconds; None if it does not."""
    if not _is_count(text):
        return None
    seconds = int(text) / 10**9
    return seconds if seconds < _CENTURY else None


def _is_count(text: str) -> bool:
    """Tell whether a text is a number that a dating can show (`str.isdigit` knows more digits)."""
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _text(text: str, dating: Dating) -> float | None:
    if _is_count(text):
        return _digits(text)
    try:
        read = datetime.fromisoformat(text.replace(",", ".", 1) if "," in text else text)
    except ValueError:
        return _written(text)
    return (read if read.tzinfo else dating.placed(read)).timestamp()


def _written(text: str) -> float | None:
    try:
        return _scaled(float(text))
    except ValueError:
        return None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LAST:
        return None
    return _digits(str(value)) if isinstance(value, int) else _scaled(value)


def _digits(text: str) -> float | None:
    compact = _COMPACT.fullmatch(text)
    if compact is None:
        return _scaled(int(text))
    year, month, day, hour, minute, second, thousandths = (
        int(digits or 0) for digits in compact.groups()
    )
    try:
        read = datetime(year, month, day, hour, minute, second, thousandths * 1000, tzinfo=UTC)
    except ValueError:
        return None
    return read.timestamp()


def _scaled(value: float) -> float | None:
    if not 0 <= value < _LAST:
        return None
    for scale in _SCALES:
        if value >= 10**8 * scale:
            seconds = value / scale
            return seconds if seconds >= _MILLENNIUM else None
    return value
