"""A sample as every layout of metrics gives it: of which series, when, and how much."""

import math
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

Counting = Literal["counter", "level", "unsaid"]
"""Whether a value only counts up until it is reset, is a level, or nobody says which."""
LARGEST = 1e300
"""A larger number is no measurement, and what is computed from it would be infinite."""
PER_SECOND = " per second"
_MOST_LABELS = 64
_MOST_CHARACTERS = 1 << 16
"""So much is read of the labels of one series."""
_ESCAPED = re.compile(r"\\([\\n\"])")


class Key:
    """What one series is of. A reader makes it once, and gives the same one with every sample."""

    __slots__ = ("counting", "labels", "name", "places", "service")

    def __init__(
        self,
        name: str,
        labels: Mapping[str, str],
        counting: Counting = "unsaid",
        *,
        service: str = "",
        places: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self.labels = tuple(sorted(labels.items())[:_MOST_LABELS])
        self.counting: Counting = counting
        self.service = service
        """Whose it is, where none of its labels says that."""
        self.places = tuple(sorted(places.items())[:_MOST_LABELS])
        """Labels that only say where it was measured."""

    @property
    def content(self) -> tuple[object, ...]:
        """Equal for the same series in another file."""
        return self.name, self.labels, self.places, self.service


class Distribution(NamedTuple):
    """A histogram at one time: how many values were at most each of `bounds`."""

    bounds: tuple[float, ...]
    """Ascending; the last is infinite."""
    counts: tuple[float, ...]
    """Cumulative: the last is how many there were at all."""
    total: float | None = None
    """The sum of all values."""
    is_delta: bool = False
    """Whether it counts since the one before, not since its process began."""


class Point(NamedTuple):
    """One sample; the time is unix seconds."""

    key: Key
    time: float | None
    """None if it has none."""
    value: float | Distribution | None
    """NaN where a value is missing, None where it is damaged."""
    line: int = 0
    """Line of the file, or the number of the item where a file is JSON."""


class CallEdge(NamedTuple):
    """That one service calls another."""

    caller: str
    called: str
    line: int


def number(text: object) -> float | None:
    """Return a number, or a text of one; None if it is none, or no measurement."""
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        return None
    try:
        value = float(text)
    except (ValueError, OverflowError):
        return None
    return value if not math.isfinite(value) or abs(value) <= LARGEST else None


def selector(text: str) -> tuple[str, dict[str, str]]:
    """Split `name{label="value"}` into its name and its labels."""
    name, brace, inside = text[:_MOST_CHARACTERS].partition("{")
    labels = dict(_labels(inside)) if brace else {}
    return labels.pop("__name__", "") or labels.pop("", "") or name.strip(), labels


def _labels(text: str) -> Iterator[tuple[str, str]]:
    """Yield the labels; a quoted name of the metric, which stands among them, has no label."""
    at = 0
    while at < len(text) and not text.startswith("}", at):
        if text[at] in ", \t":
            at += 1
            continue
        if text[at] == '"':
            end = _quoted(text, at)
            name, behind = text[at + 1 : end], end + 1
            if text[behind : behind + 1] != "=":
                yield "", _unescaped(name)
                at = behind
                continue
        else:
            end = behind = text.find("=", at)
            name = text[at:end].strip("!~ \t")
        if end < 0:
            return
        begin = behind + 1
        while text[begin : begin + 1] in ("~", " ", "\t"):
            begin += 1
        if text.startswith('"', begin):
            at = _quoted(text, begin) + 1
            yield name, _unescaped(text[begin + 1 : at - 1])
        else:
            stops = [stop for mark in ",}" if (stop := text.find(mark, begin)) >= 0]
            at = min(stops, default=len(text))
            yield name, text[begin:at].strip()


def _quoted(text: str, at: int) -> int:
    """Return where the quoted text that begins at `at` ends."""
    at += 1
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return at


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else match[1], text)
