"""How long a peer that fell silent is asked again, and how often."""

import asyncio
import random

from weft.core.errors import DeadlineExceededError
from weft.core.protocol_errors import AnswerLostError

AWAY_SECONDS = 20.0
"""Without any news, until a task's caller gives its peer up; a restart takes less."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0


class Patience:
    """Pauses that grow while nothing gets on, and end when there was no news for too long.

    `until` is a time of the running loop.
    """

    def __init__(self, until: float) -> None:
        self._until = until
        self._now = asyncio.get_running_loop().time
        self._news_at = self._now()
        self._pause = FIRST_PAUSE

    def alive(self) -> None:
        """The peer was heard: it is there, whatever it says."""
        self._news_at = self._now()

    def progressed(self) -> None:
        """The task got on: a break after this is a fresh one."""
        self._news_at = self._now()
        self._pause = FIRST_PAUSE

    @property
    def exhausted(self) -> bool:
        """Whether the peer has been silent for too long."""
        return self._now() - self._news_at > AWAY_SECONDS

    async def pause(self) -> None:
        """Wait before the peer is asked again.

        Raises:
            AnswerLostError: It has been silent for too long.
            DeadlineExceededError: The time would be over.
        """
        if self.exhausted:
            raise AnswerLostError(
                f"the peer has not been heard for {AWAY_SECONDS:g} s; "
                "whether it does the task is unknown"
            )
        # Many callers of one peer come back at different moments.
        pause = self._pause * random.uniform(0.75, 1.0)  # noqa: S311 - spreads load, guards nothing
        if self._now() + pause >= self._until:
            raise DeadlineExceededError("the time is over before the peer's task ended")
        await asyncio.sleep(pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
