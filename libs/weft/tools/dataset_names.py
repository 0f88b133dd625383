"""Names and times as recordings write them, brought to one form."""

import re
from datetime import UTC, datetime

_POD = re.compile(r"-[0-9a-f]{6,10}-[a-z0-9]{5}$")
_REPLICA = re.compile(r"-\d{1,3}$")
_LAST = 1e20
"""No clock shows more, in whatever unit."""
_DIGITS = {13: 10**3, 16: 10**6, 19: 10**9}


def service_of(pod: str) -> str:
    """Return the service a pod belongs to: its name without template hash or replica number."""
    name = pod.strip()
    stripped = _POD.sub("", name)
    return stripped if stripped != name else _REPLICA.sub("", name)


def moment(value: object) -> float | None:
    """Return unix seconds of an ISO 8601 text or of a number in s, ms, us or ns; None if neither.

    A text without a zone is UTC.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _scaled(float(value))
    if not isinstance(value, str) or not value:
        return None
    if value.isdigit():
        return int(value) / _DIGITS.get(len(value), 1)
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return _number(value)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _number(text: str) -> float | None:
    try:
        return _scaled(float(text))
    except ValueError:
        return None


def _scaled(value: float) -> float | None:
    if not 0 <= value < _LAST:
        return None
    for scale in (1e9, 1e6, 1e3):
        if value >= 1e8 * scale:
            return value / scale
    return value
