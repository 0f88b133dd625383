"""Where committed events meet those in this process who wait for them."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from weft.checkpoint import Run
from weft.core import RunId
from weft.events import Envelope

PLACES = 256
"""Events a listener may leave unread; then it reads the store instead."""


class Listener:
    """Receives one run's events as they are committed; may miss some, and never blocks."""

    def __init__(self) -> None:
        self._unread: list[Envelope] = []
        self._news: asyncio.Future[None] | None = None
        """What `next` waits for, while it waits."""
        self._last = 0
        self._asked = False
        self._hinted = 0
        self._hinted_end = False
        self._after = 0
        """Behind which number news is waited for now."""
        self._end = False
        """Whether only an end is waited for now."""

    def tell(self, events: Sequence[Envelope]) -> None:
        # A listener that lags drops what it has: the hole in the numbers sends it to the store.
        if len(self._unread) + len(events) > PLACES:
            self._unread = []
        self._unread.extend(events[-PLACES:])
        self._last = max(self._last, events[-1].seq)
        self._wake()

    def look(self, last: int, *, end: bool) -> None:
        """Hear that the store holds events up to number `last`; what was not told is read there.

        `end` tells that the run has ended or waits for a person.
        """
        if last > self._last and (end or not self._end):
            self._last = last
            self._asked = True
            self._wake()

    def hint(self, seq: int, *, end: bool) -> None:
        """Hear that the store may hold more, up to `seq`, and perhaps the run's end or question."""
        self._hinted = max(self._hinted, seq)
        self._hinted_end |= end
        if self._due():
            self._wake()

    async def next(
        self, *, within: float, after: int = 0, end: bool = False
    ) -> list[Envelope] | None:
        """Return the unread events; [] asks to read the store, None says that nothing came.

        A hint asks for it if it speaks of something behind number `after`; with `end` only if it
        speaks of an end.
        """
        self._after, self._end = after, end
        if not (self._due() or await self._woken(within)):
            return None
        # Read once, a hint has served: one that was made up cannot make its reader spin.
        self._hinted, self._hinted_end, self._asked = 0, False, False
        unread, self._unread = self._unread, []
        return unread

    async def _woken(self, within: float) -> bool:
        """Tell whether there were news within so many seconds: a future and a timer, and no more."""
        loop = asyncio.get_running_loop()
        self._news = news = loop.create_future()
        timer = loop.call_later(within, _resolve, news)
        try:
            await news
        finally:
            timer.cancel()
            self._news = None
        return self._due()

    def _wake(self) -> None:
        if self._news is not None:
            _resolve(self._news)

    def _due(self) -> bool:
        hinted = self._hinted_end if self._end else self._hinted > self._after
        return bool(self._unread) or self._asked or hinted


class Hub:
    """Hands each run's events to its listeners."""

    def __init__(self) -> None:
        self._listeners: dict[RunId, list[Listener]] = {}
        self._ended: dict[RunId, Run] = {}

    @contextmanager
    def listen(self, run_id: RunId) -> Iterator[Listener]:
        listener = Listener()
        self._listeners.setdefault(run_id, []).append(listener)
        try:
            yield listener
        finally:
            remaining = self._listeners[run_id]
            remaining.remove(listener)
            if not remaining:
                del self._listeners[run_id]
                self._ended.pop(run_id, None)

    def has(self, run_id: RunId) -> bool:
        return run_id in self._listeners

    @property
    def listened(self) -> tuple[RunId, ...]:
        """The runs that somebody listens to."""
        return tuple(self._listeners)

    def look(self, run_id: RunId, last: int, *, end: bool) -> None:
        """Say how far the run's log is in the store, and whether the run has settled there."""
        for listener in self._listeners.get(run_id, ()):
            listener.look(last, end=end)

    def end(self, run: Run) -> None:
        """Keep the run as it ended in this process, for as long as somebody listens."""
        if run.run_id in self._listeners:
            self._ended[run.run_id] = run

    def ended(self, run_id: RunId) -> Run | None:
        """Return the run if it ended here and is kept: then the store need not be asked."""
        return self._ended.get(run_id)

    def tell(self, run_id: RunId, events: Sequence[Envelope]) -> None:
        """Hand on what this process committed itself."""
        for listener in self._listeners.get(run_id, ()):
            listener.tell(events)

    def hint(self, run_id: RunId, seq: int, *, end: bool) -> None:
        """Hand on what somebody says was committed; only the store is believed."""
        for listener in self._listeners.get(run_id, ()):
            listener.hint(seq, end=end)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
