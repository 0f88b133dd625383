"""Keeps long-lived work alive: what goes wrong once is logged, and the work goes on."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from types import TracebackType

from weft.core.clock import SYSTEM_CLOCK, Clock
from weft.core.contained import EscapedError, contained
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


class _Guard(AbstractContextManager[None, bool]):
    """A class, because a generator costs three times as much, and every message passes here."""

    __slots__ = ("_contained", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._contained = contained()

    def __enter__(self) -> None:
        self._contained.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if raised is None:
            return False
        try:
            self._contained.__exit__(kind, raised, trace)
        except EscapedError as error:
            report(self._name, error)
            return True
        if isinstance(raised, Exception):
            report(self._name, raised)
            return True
        return False


def guarded(name: str) -> AbstractContextManager[None, bool]:
    """Log what goes wrong with one message, row or file, and go on behind the block."""
    return _Guard(name)


def report(name: str, error: Exception) -> None:
    """Log an error that ended nothing: as a warning what a caller could act on, else in full."""
    if isinstance(error, WeftError):
        log.warning("work_failed", extra={"work": name, "code": error.code, "error": str(error)})
    else:
        log.error("work_failed", extra={"work": name}, exc_info=error)
