"""What ends a run's work before it ends by itself: a cancel from any thread, or a limit that is met."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import anyio

from weft.loop.terminate import Stop


class _Work(NamedTuple):
    """Where a run's work is done, and what ends it there."""

    loop: asyncio.AbstractEventLoop
    thread: int
    scope: anyio.CancelScope


class Stopping:
    """Why one run stops, and the only way in which its work is stopped."""

    def __init__(self) -> None:
        self._work: _Work | None = None
        """None before the work begins."""
        self._canceled: str | None = None
        self._decided: Stop | None = None

    @property
    def canceled(self) -> bool:
        return self._canceled is not None

    @property
    def stop(self) -> Stop:
        """Why the work has ended: by its own decision, unless a cancel cut it short."""
        cut = self._work is not None and self._work.scope.cancelled_caught
        if self._decided is None or (self.canceled and cut):
            return Stop("canceled", self._canceled or "canceled")
        return self._decided

    @contextmanager
    def working(self) -> Iterator[bool]:
        """Yield whether there is anything to do; what is done inside ends when it must."""
        scope = anyio.CancelScope()
        self._work = _Work(asyncio.get_running_loop(), threading.get_ident(), scope)
        with scope:
            yield not self.canceled

    def cancel(self, reason: str = "") -> None:
        """Ask for the end, from any thread; before the start it prevents the work."""
        self._canceled = reason or "canceled"
        if self._work is None:
            return
        if self._work.thread == threading.get_ident():
            self._work.scope.cancel()
        else:
            self._work.loop.call_soon_threadsafe(self._work.scope.cancel)

    def decide(self, stop: Stop) -> None:
        """Say why the work is about to end by itself."""
        self._decided = stop

    def give_up(self, stop: Stop) -> None:
        """Stop the work under way; an end that was decided before stands."""
        self._decided = self._decided or stop
        if self._work is not None:
            self._work.scope.cancel()
