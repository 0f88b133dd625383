"""Who works next: a few at a time, the rest in a bounded line, one subject after the other."""

import asyncio
from collections import deque

from weft.core.process_errors import ToolBusyError


class FairQueue:
    """Lets `width` callers in at a time; up to `waiting` more wait, half of them for one subject.

    Subjects come in turn, so whoever asks for much waits behind whoever asks for little. Belongs to
    one event loop.
    """

    def __init__(self, width: int, waiting: int) -> None:
        self._width = width
        self._most = waiting
        self._most_each = max(1, waiting // 2)
        self._free = width
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lines.values()))

    async def take(self, subject: str) -> None:
        """Wait for a turn; every one taken is given back by `give`.

        Raises:
            ToolBusyError: Too many wait already.
        """
        if self._free and not self._lines:
            self._free -= 1
            return
        line = self._lines.get(subject, ())
        if self.waiting >= self._most or len(line) >= self._most_each:
            raise ToolBusyError(self.waiting, self._width)
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(subject, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled() or not turn.done():
                self._forget(subject, turn)
            else:
                self.give()
            raise

    def give(self) -> None:
        """End a turn; the next caller begins."""
        self._free += 1
        while self._lines:
            subject = next(iter(self._lines))
            line = self._lines.pop(subject)
            turn = line.popleft()
            if line:
                self._lines[subject] = line  # behind all the others
            if not turn.done():
                self._free -= 1
                turn.set_result(None)
                return

    def _forget(self, subject: str, turn: asyncio.Future[None]) -> None:
        line = self._lines.get(subject)
        if line is None:
            return
        if turn in line:
            line.remove(turn)
        if not line:
            del self._lines[subject]
