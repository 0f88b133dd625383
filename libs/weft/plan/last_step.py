"""Which finished step is written in the commit that ends its run."""

import asyncio
from dataclasses import replace

from weft.checkpoint import StepWrite
from weft.core import JsonObject
from weft.core.errors import FencedError
from weft.events import Event
from weft.runs import Journal


class LastStep:
    """Writes each finished step at once, but holds back the one that may be the run's last.

    That is a step which ends while no other branch is at work. It is written before a further step
    begins, or else with the end of the run.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._branches = 1
        self._held_back: list[StepWrite] = []
        self._order = asyncio.Lock()

    @property
    def held_back(self) -> tuple[StepWrite, ...]:
        return tuple(self._held_back)

    def fork(self, branches: int) -> None:
        """Count branches that now work in place of the one that starts them."""
        self._branches += branches - 1

    def leave(self) -> None:
        """Say that one of them is at work no more."""
        self._branches -= 1

    def join(self) -> None:
        """Say that the branch goes on which started those that have left."""
        self._branches += 1

    def tell(self, event: Event) -> None:
        """Tell `event` behind the end of every step so far."""
        if not self._held_back:
            self._journal.emit(event)
            return
        last = self._held_back[-1]
        self._held_back[-1] = replace(last, events=(*last.events, event))

    async def keep(self, write: StepWrite) -> JsonObject:
        """Write a finished step, unless it may be the last, and return the outcome to use."""
        # Who waits for its own commit is not at work: of steps that end together one is the last.
        self.leave()
        try:
            if self._branches == 0:
                self._held_back.append(write)
                return write.outcome
            return await self._journal.record(write.path, write.outcome, write.events)
        finally:
            self.join()

    async def settle(self) -> None:
        """Make what was held back durable, because a further step is about to begin.

        Raises:
            FencedError: Another writer's outcome was used already.
        """
        if not self._held_back and not self._order.locked():
            return
        async with self._order:
            writes, self._held_back = self._held_back, []
            for write in writes:
                stored = await self._journal.record(write.path, write.outcome, write.events)
                if stored is not write.outcome and stored != write.outcome:
                    held = self._journal.held
                    raise FencedError(self._journal.run_id, held.epoch if held else 0)
