"""Server-made identifiers: time-ordered hex for rows, random hex for what must not be guessed."""

import hashlib
import re
import secrets
from functools import lru_cache
from typing import NewType

from weft.core.clock import SYSTEM_CLOCK, Clock

RunId = NewType("RunId", str)
InterruptId = NewType("InterruptId", str)

HEX_ID = re.compile(r"[0-9a-f]{16,64}")


def new_id(clock: Clock = SYSTEM_CLOCK) -> str:
    """Return 32 hex digits: 48 bits of milliseconds, then 80 random bits.

    Ids made later sort later (to the millisecond), so an index on them grows at its end.
    """
    return f"{int(clock.now() * 1000):012x}{secrets.token_hex(10)}"


def new_run_id(clock: Clock = SYSTEM_CLOCK) -> RunId:
    return RunId(new_id(clock))


def secret_id() -> str:
    """Return 32 hex digits that nobody can guess, not even knowing when they were made."""
    return secrets.token_hex(16)


@lru_cache(maxsize=1024)
def name_digest(name: str) -> str:
    """Return 32 hex digits that stand for a configured name wherever only hex may stand."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]
