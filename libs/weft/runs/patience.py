"""A write that waits for its database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from weft.core.errors import StoreError

T = TypeVar("T")

PATIENCE_SECONDS = 10.0
"""How long a write waits for a database that is away or full; then its run is left to its lease."""


async def patiently(write: Callable[[], Awaitable[T]]) -> T:
    """Repeat a write, which every write may be, while the database is away or full."""
    delay = 0.02
    waited = 0.0
    while True:
        try:
            return await write()
        except StoreError:
            if waited >= PATIENCE_SECONDS:
                raise
        await asyncio.sleep(delay)
        waited += delay
        delay = min(delay * 2, 1.0)
