"""The numbers of a clause, each with what it counts: the same length of time in other units is the same."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from weft.reasoning.opposites import stem

__all__ = ["COUNTING", "Quantity", "quantities_in"]

_TOKEN = re.compile(r"\d+(?:\.\d+)?|%|[a-zµ]+", re.IGNORECASE)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_UNITS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), ("time", 1e-9)),
        **dict.fromkeys(("us", "µs", "microsecond", "microseconds"), ("time", 1e-6)),
        **dict.fromkeys(("ms", "millisecond", "milliseconds"), ("time", 1e-3)),
        **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("time", 1.0)),
        **dict.fromkeys(("min", "mins", "minute", "minutes"), ("time", 60.0)),
        **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), ("time", 3600.0)),
        **dict.fromkeys(("d", "day", "days"), ("time", 86400.0)),
        **dict.fromkeys(("%", "percent"), ("share", 0.01)),
        **dict.fromkeys(("b", "byte", "bytes"), ("bytes", 1.0)),
        **dict.fromkeys(("kb", "kib", "kilobytes"), ("bytes", 1e3)),
        **dict.fromkeys(("mb", "mib", "megabytes"), ("bytes", 1e6)),
        **dict.fromkeys(("gb", "gib", "gigabytes"), ("bytes", 1e9)),
        **dict.fromkeys(("tb", "tib", "terabytes"), ("bytes", 1e12)),
    }
)
_WORDS = {
    word: str(number)
    for number, word in enumerate(
        [
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ],
        start=2,
    )
}
COUNTING = frozenset(_UNITS) | frozenset(_WORDS)
"""Words that belong to a number and name nothing themselves."""
_ABOUT = frozenset({"about", "around", "roughly", "nearly", "almost", "approximately", "some"})
ROUGHLY = 0.1
"""How far a number may be off that is only said to be about so much."""
_NO_NOUN = frozenset(
    [
        "a",
        "an",
        "and",
        "at",
        "by",
        "for",
        "from",
        "in",
        "is",
        "of",
        "on",
        "or",
        "per",
        "than",
        "the",
        "to",
        "was",
        "were",
        "with",
    ]
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, in the unit in which it was said, and of what it is."""

    value: float
    decimals: int
    kind: str
    factor: float = 1.0
    rough: bool = False

    def is_about(self, other: "Quantity") -> bool:
        """Tell whether both are numbers of the same, whatever they come to."""
        return self.kind == other.kind

    def fits(self, other: "Quantity") -> bool:
        """Tell whether `other` is this number, as precisely as this one is told."""
        converted = other.value * other.factor / self.factor
        if self.rough:
            return math.isclose(converted, self.value, rel_tol=ROUGHLY)
        step = 10.0**-self.decimals
        return abs(converted - self.value) <= step / 2 * (1 + 1e-9) or math.isclose(
            converted, self.value
        )


def quantities_in(text: str) -> tuple[Quantity, ...]:
    """Return the numbers of a clause; none that is a zero, which says that there is nothing."""
    return tuple(_read(text))


def _read(text: str) -> Iterator[Quantity]:
    tokens = _TOKEN.findall(_THOUSANDS.sub("", text.casefold()))
    tokens = [_WORDS.get(token, token) for token in tokens]
    for place, token in enumerate(tokens):
        if not token[0].isdigit() or float(token) == 0:
            continue
        behind = tokens[place + 1] if place + 1 < len(tokens) else ""
        before = tokens[place - 1] if place else ""
        kind, factor = _UNITS.get(behind, ("", 1.0))
        if not kind:
            noun = behind if behind.isalpha() and behind not in _NO_NOUN else before
            kind = stem(noun)
        _, _, fraction = token.partition(".")
        yield Quantity(float(token), len(fraction), kind, factor, rough=before in _ABOUT)
