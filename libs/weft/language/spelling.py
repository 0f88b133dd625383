"""Words of the tables that were typed wrong: a letter too few, too many, or two in each other's place.

A letter for another is no slip here: `charges` are no `changes`.
"""

from collections.abc import Iterable

__all__ = ["Spelling"]

_SHORTEST = 5
_LONGEST = 20


class Spelling:
    """Knows words, and finds the one that a slip was meant to be."""

    def __init__(self, listed: Iterable[str], *, besides: Iterable[str] = ()) -> None:
        """`besides` are words of their own, however near they stand to one of `listed`."""
        self._words = frozenset(listed)
        self._besides = frozenset(besides)
        self._slips: dict[str, str] = {}
        for word in sorted(self._words):
            if word.isalpha() and len(word) >= _SHORTEST:
                for slip in (*_shorter(word), *_swapped(word)):
                    self._slips.setdefault(slip, word)

    def meant(self, word: str) -> str:
        """Return the word of the table that `word` was meant to be; itself where there is none."""
        if (
            word in self._words
            or word in self._besides
            or not _SHORTEST <= len(word) <= _LONGEST
            or not word.isalpha()
        ):
            return word
        if word in self._slips:
            return self._slips[word]
        return next((short for short in _shorter(word) if short in self._words), word)


def _shorter(word: str) -> list[str]:
    """Return `word` without one of its letters, its first stays."""
    return [word[:at] + word[at + 1 :] for at in range(1, len(word)) if len(word) > _SHORTEST]


def _swapped(word: str) -> list[str]:
    pairs = range(1, len(word) - 1)
    swapped = [word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in pairs]
    return [slip for slip in swapped if slip != word]
