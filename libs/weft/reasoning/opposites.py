"""Words that say the opposite of each other about one thing; and how words are brought to one form."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["OPPOSITES", "Pole", "stem"]


class Pole(NamedTuple):
    """What a word says, and which of two opposites it is."""

    scale: str
    positive: bool
    two_sided: bool
    """Whether not being the one is being the other."""


_SCALES: Mapping[str, tuple[str, str]] = {
    # What is between the two is said as well: not to rise is not to fall.
    "change": (
        "rise rose risen increase grow grew grown climb jump double triple higher up improve raise",
        "fall fell fallen decrease drop shrink shrank halve lower down worsen reduce cut degrade",
    ),
    "amount": (
        "high many most more large big long often above exceed",
        "low few little less fewer small short rarely below",
    ),
    "speed": ("fast quick rapid faster", "slow slower sluggish"),
    "order": ("before earlier first precede", "after later last follow"),
    "age": ("new newer newest recent", "old older oldest"),
    "place": ("ahead", "behind"),
    "flow": ("send sent write wrote written upload publish", "receive read download subscribe"),
    "rank": ("best", "worst"),
}
_SIDES: Mapping[str, tuple[str, str]] = {
    "health": (
        "ok healthy available reachable alive succeed success successful work pass valid correct",
        "fail failure unhealthy unavailable unreachable dead crash broken invalid hang incorrect",
    ),
    "switch": ("enable activate active", "disable deactivate inactive"),
    "door": ("open opened", "close closed shut"),
    "motion": (
        "start begin began begun run running resume launch",
        "stop end halt pause terminate",
    ),
    "room": ("full", "empty"),
    "being": ("present exist found", "missing absent lack"),
    "leave": (
        "allow permit accept approve grant",
        "deny block refuse reject forbid prohibit decline",
    ),
    "link": ("connect attach join", "disconnect detach"),
    "set": ("add insert create include", "remove delete drop_table exclude"),
    "same": ("same equal identical unchanged", "different other changed"),
    "truth": ("true", "false wrong"),
    "danger": ("safe secure", "unsafe dangerous insecure"),
    "need": ("required necessary mandatory", "optional unnecessary"),
    "cipher": ("encrypt encrypted", "decrypt unencrypted plaintext"),
    "sync": ("synchronous", "asynchronous"),
    "dating": ("current unexpired", "expired outdated stale"),
    "side": ("left inside internal", "right outside external"),
    "public": ("public", "private"),
    "hand": ("manual manually", "automatic automatically"),
    "manner": ("read-only readonly immutable", "writable mutable"),
    "kind": ("static permanent", "dynamic temporary"),
    "known": ("known", "unknown"),
    "used": ("used busy", "unused idle free"),
}
_ENDINGS = ("ingly", "edly", "ing", "ies", "ied", "ed", "es", "ly", "s")
_SHORTEST = 3


def stem(word: str) -> str:
    """Return the word without what its use in a sentence adds."""
    for ending in _ENDINGS:
        left = word[: -len(ending)]
        if word.endswith(ending) and len(left) >= _SHORTEST and not word.endswith(("ss", "eed")):
            left += "y" if ending in {"ies", "ied"} else ""
            if len(left) > _SHORTEST and left[-1] == left[-2] and left[-1] not in "ls":
                left = left[:-1]
            word = left
            break
    return word.removesuffix("e") if len(word) > _SHORTEST else word


def _poles() -> Iterator[tuple[str, Pole]]:
    for scales, two_sided in ((_SCALES, False), (_SIDES, True)):
        for scale, sides in scales.items():
            for words, positive in zip(sides, (True, False), strict=True):
                for word in words.split():
                    yield stem(word), Pole(scale, positive, two_sided)


OPPOSITES: Mapping[str, Pole] = MappingProxyType(dict(_poles()))
"""By the form that `stem` gives."""
