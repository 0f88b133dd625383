"""Whether a word of a question means a name of the data."""

import difflib
import re

__all__ = ["names_the_same"]

_PARTS = re.compile(r"[^a-z0-9]+")
_SHORT = 3
_CLOSE = 0.84
_LONGEST = 100


def names_the_same(word: str, name: str) -> bool:
    """Tell whether `word` means `name`: in whole, in one of its parts, or in another number."""
    word, name = word.lower()[:_LONGEST], name.lower()[:_LONGEST]
    parts = [part for part in _PARTS.split(name) if part]
    wanted = _singular(word)
    if wanted in {_singular(part) for part in (name, *parts)}:
        return True
    if len(word) > _SHORT and _PARTS.sub("", name).startswith(_PARTS.sub("", wanted)):
        return True
    return difflib.SequenceMatcher(None, wanted, _singular(name)).ratio() >= _CLOSE


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > _SHORT else word
