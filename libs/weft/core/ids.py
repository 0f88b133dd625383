"""Server-made identifiers: time-ordered hex for rows, random hex for what must not be guessed."""

import hashlib
import os
import re
import secrets
from collections import defaultdict, deque
from functools import lru_cache
from typing import NewType

from weft.core.clock import SYSTEM_CLOCK, Clock

RunId = NewType("RunId", str)
InterruptId = NewType("InterruptId", str)

HEX_ID = re.compile(r"[0-9a-f]{16,64}")
DRAWN_AT_ONCE = 128
_drawn: defaultdict[int, deque[str]] = defaultdict(deque)
"""Random texts by their bytes, none of which was used yet."""


def new_id(clock: Clock = SYSTEM_CLOCK) -> str:
    """Return 32 hex digits: 48 bits of milliseconds, then 80 random bits.

    Ids made later sort later (to the millisecond), so an index on them grows at its end.
    """
    return f"{int(clock.now() * 1000):012x}{random_hex(10)}"


def new_run_id(clock: Clock = SYSTEM_CLOCK) -> RunId:
    return RunId(new_id(clock))


def secret_id() -> str:
    """Return 32 hex digits that nobody can guess, not even knowing when they were made."""
    return secrets.token_hex(16)


@lru_cache(maxsize=1024)
def name_digest(name: str) -> str:
    """Return 32 hex digits that stand for a configured name wherever only hex may stand."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def random_hex(size: int) -> str:
    """Return `size` random bytes as hex digits; any thread may ask.

    They are the system's own, drawn for many calls at once: each drawing hands the interpreter's
    lock to whoever waits for it.
    """
    drawn = _drawn[size]
    while True:
        try:
            return drawn.popleft()
        except IndexError:
            text, length = secrets.token_hex(size * DRAWN_AT_ONCE), 2 * size
            drawn.extend(text[at : at + length] for at in range(0, len(text), length))


# A forked child would give the same out as its parent.
os.register_at_fork(after_in_child=_drawn.clear)
