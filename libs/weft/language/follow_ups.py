"""Requests that go on with what was said on their thread."""

import re
from collections.abc import Iterable, Sequence

from weft.core import Message
from weft.language.cues import Reading
from weft.language.question_words import FOLLOWING, OPENING_FOLLOW_UPS
from weft.language.questions import EARLIER

__all__ = ["asked_before", "in_context", "points_back"]

_WORD = re.compile(r"[^\W_]++")
_LONGEST = 7
_FEW = 3
_MOST_BACK = 3
"""So many requests are gone back at most, from one that points back to the next."""
_ONE = 500
"""So many characters of an earlier request are kept."""
_BACK = frozenset(
    {"that", "it", "again", "same", "instead", "them", "those", "this", "they", "there"}
)


def points_back(text: str) -> bool:
    """Tell whether `text` only makes sense after what was said before it."""
    reading = Reading.of(text)
    words = [word.text for word in reading.words]
    if not words or len(words) > _LONGEST:
        return False
    # As it stands: the words leave out what parts clauses, such as `and`.
    spoken = " ".join(_WORD.findall(text.lower())) + " "
    if any(spoken.startswith(f"{opener} ") for opener in OPENING_FOLLOW_UPS):
        return True
    if not _BACK.isdisjoint(words):
        return True
    # `why is checkout slow?` begins like a follow-up, and says all by itself.
    return len(words) <= _FEW and any(spoken.startswith(f"{opener} ") for opener in FOLLOWING)


def asked_before(history: Iterable[Message]) -> tuple[str, ...]:
    """Return what the newest request on a thread goes on with, latest first."""
    requests = [message.content for message in history if message.role == "user"]
    earlier: list[str] = []
    for text in reversed(requests):
        earlier.append(" ".join(text[:_ONE].split()))
        if len(earlier) == _MOST_BACK or not points_back(text):
            break
    return tuple(earlier)


def in_context(text: str, earlier: Sequence[str]) -> str:
    """Return `text` with a line for each request that it goes on with."""
    return "\n".join([text, *(f"{EARLIER}{request}" for request in earlier)])
