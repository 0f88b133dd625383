"""Keeps long-lived work alive: what goes wrong once is logged, and the work goes on."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from weft.core.clock import SYSTEM_CLOCK, Clock
from weft.core.contained import contained
from weft.core.errors import WeftError

__all__ = ["forever", "guarded", "kept_going", "report"]

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0
SETTLED_SECONDS = 10.0
"""Work that lasted this long was well: its next fault is answered at once again."""


async def forever(
    work: Callable[[], Awaitable[None]], *, name: str, clock: Clock = SYSTEM_CLOCK
) -> None:
    """Do `work`, and again after each error, with growing pauses; return once it returns.

    For the loops that a process lives by: no message, row or outage may end one. A cancellation of
    the surrounding task passes; one that only leaked out of a library counts as an error.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        began = clock.monotonic()
        try:
            with contained():
                return await work()
        except Exception as error:  # noqa: BLE001 - the edge of a loop
            report(name, error)
        if clock.monotonic() - began > SETTLED_SECONDS:
            pause = FIRST_PAUSE_SECONDS
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


@asynccontextmanager
async def kept_going(work: Callable[[], Awaitable[None]], *, name: str) -> AsyncIterator[None]:
    """Keep `work` going `forever` beside the block, and end it with the block.

    Unlike in a task group nothing that goes wrong on one side ends the other.
    """
    task = asyncio.create_task(forever(work, name=name), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@contextmanager
def guarded(name: str) -> Iterator[None]:
    """Log what goes wrong with one message, row or file, and go on behind the block."""
    try:
        with contained():
            yield
    except Exception as error:  # noqa: BLE001 - the edge of one item
        report(name, error)


def report(name: str, error: Exception) -> None:
    """Log an error that ended nothing: as a warning what a caller could act on, else in full."""
    if isinstance(error, WeftError):
        log.warning("work_failed", extra={"work": name, "code": error.code, "error": str(error)})
    else:
        log.error("work_failed", extra={"work": name}, exc_info=error)
