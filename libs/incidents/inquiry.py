"""What a question asks of recorded data: the names in it, and its time words by the data's own clock."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf

from incidents.times import moment
from weft.core import JsonValue
from weft.core.errors import InputError
from weft.core.result import Window
from weft.language import Question, names_the_same

__all__ = ["EVERYTHING", "Inquiry", "named_alert", "named_window"]

_DAY = 86_400.0
_UNITS = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": _DAY, "weeks": 7 * _DAY}
_AROUND = (60.0, 120.0)
"""So many seconds before and after a moment are around it."""
_LATER = 3600.0
"""A time of day that lies further behind the last row than this was yesterday's."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A question to one source."""

    names: tuple[str, ...] = ()
    period: str = ""
    measures: tuple[str, ...] = ()
    about_calls: bool = False
    """Who calls whom is asked."""
    named: Window | None = None
    """The time that the request names as a value, whatever its words say; an end may be open."""
    alert: float | None = None
    """When the request says that it was noticed; unix seconds."""

    @classmethod
    def of(cls, question: str, window: JsonValue = None) -> "Inquiry":
        """Return what a question asks, of the time that `window` names, if it names one.

        Raises:
            InputError: `window` is none.
        """
        read = Question.of(question)
        named, alert = (None, None) if window is None else _times(window)
        calls = read.kind == "calls"
        return cls(read.names, read.period, read.measures, calls, named, alert)

    @property
    def is_timed(self) -> bool:
        """Whether a time is asked about, in words or as a value."""
        return bool(self.period) or self.named is not None

    def window(self, first: float, last: float) -> Window | None:
        """Return the time asked about, in data that lasts from `first` to `last`; None is all."""
        if self.named is not None:
            start = first if self.named.start == -inf else self.named.start
            end = max(start, last) if self.named.end == inf else self.named.end
            return Window(start=start, end=end)
        words = self.period.split()
        if not words:
            return None
        if words[0] == "last" and words[-1] in _UNITS:
            return Window(start=last - _seconds(words[1:]), end=last)
        if words[-1] == "ago":
            length = _seconds(words[:-1])
            return Window(start=last - 1.25 * length, end=last - 0.75 * length)
        return _dated(words, first, last)

    def concerns(self, name: str) -> bool:
        """Tell whether the question names `name`, or a part of it."""
        return any(names_the_same(word, name) for word in self.names)

    def measures_by(self, metric: str) -> bool:
        """Tell whether `metric` is called as what the question asks to have measured."""
        return any(called in metric.lower() for called in self.measures)


EVERYTHING = Inquiry()
"""Asks nothing in particular."""


def _times(value: JsonValue) -> tuple[Window | None, float | None]:
    """Return the window of a request, and its alert."""
    alert = value.get("alert") if isinstance(value, dict) else None
    if isinstance(value, dict) and alert is not None and not value.keys() & {"start", "end"}:
        return None, named_alert(alert)
    return named_window(value), None if alert is None else named_alert(alert)


def named_alert(value: JsonValue) -> float:
    """Return when a request says that it was noticed.

    Raises:
        InputError: That is no time.
    """
    alert = moment(value)
    if alert is None:
        raise InputError(
            "alert_time is no time: name it in Unix seconds or as 2026-01-31T09:20:00Z",
            field="alert_time",
        )
    return alert


def named_window(value: JsonValue) -> Window:
    """Return the window that a request names with `start`, `end` or both; an end may be open.

    Raises:
        InputError: It is none.
    """
    if not isinstance(value, dict):
        raise InputError("window is an object with start and end", field="window")
    start, end = moment(value.get("start")), moment(value.get("end"))
    unread = [name for name in ("start", "end") if value.get(name) and moment(value[name]) is None]
    if (start is None and end is None) or unread:
        words = "neither a start nor an end that is a time"
        words = f"a {unread[0]} that is no time" if unread else words
        raise InputError(
            f"window has {words}: name one or both, in Unix seconds or as 2026-01-31T09:20:00Z",
            field="window",
        )
    window = Window(start=-inf if start is None else start, end=inf if end is None else end)
    if window.start >= window.end:
        raise InputError("window must end after its start", field="window")
    return window


def _dated(words: list[str], first: float, last: float) -> Window | None:
    bound = words[0] if words[0] in ("before", "after", "around") else ""
    rest = words[1:] if bound else words
    if "to" in rest:
        at = rest.index("to")
        start, end = _moment(rest[:at], last), _moment(rest[at + 1 :], last)
        if start is None or end is None:
            return None
        return Window(start=min(start, end), end=max(start, end))
    moment = _moment(rest, last)
    if moment is None:
        return None
    before, after = (0.0, _DAY) if ":" not in rest[-1] else _AROUND
    bounds = {
        "before": (min(first, moment), moment),
        "after": (moment, max(last, moment)),
    }
    start, end = bounds.get(bound, (moment - before, moment + after))
    return Window(start=start, end=end)


def _moment(words: Iterable[str], last: float) -> float | None:
    """Return a day, a time of it, or both; a time alone is of the day that the data end in."""
    day = datetime.fromtimestamp(last, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    clock = timedelta()
    dated = False
    for word in words:
        if word in ("today", "yesterday"):
            day, dated = day - timedelta(days=word == "yesterday"), True
        elif ":" in word:
            hours, minutes, *seconds = (int(part) for part in word.split(":"))
            clock = timedelta(hours=hours, minutes=minutes, seconds=sum(seconds))
        else:
            try:
                day, dated = datetime.fromisoformat(word).replace(tzinfo=UTC), True
            except ValueError:
                return None
    moment = (day + clock).timestamp()
    return moment - _DAY if not dated and moment > last + _LATER else moment


def _seconds(words: list[str]) -> float:
    amount, unit = words[0], words[-1]
    return float(amount) * _UNITS.get(unit, 1.0)
