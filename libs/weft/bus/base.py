"""The doorbell and the fan-out: what may be lost without losing a run."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager


class Bus(ABC):
    """Carries wake-ups and live events between processes.

    Publishing never waits and never raises for an absent server: the database is the record, and
    whoever waits polls it as a backstop. Subjects come from `weft.bus.subjects` alone.
    """

    @abstractmethod
    def publish(self, subject: str, payload: bytes) -> None:
        """Send soon, or drop it while the server is away."""

    @abstractmethod
    def subscribe(
        self, subject: str, *, queue: str | None = None, places: int = 1024
    ) -> AbstractAsyncContextManager[AsyncGenerator[tuple[str, bytes], None]]:
        """Yield (subject, payload) as they come; of one `queue`, one subscriber gets each.

        A subscriber with `places` unread messages misses what follows.
        """

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether messages travel right now."""

    @abstractmethod
    async def flush(self) -> None:
        """Return once what was published has left, or the server is known to be away."""

    @abstractmethod
    async def aclose(self) -> None:
        """Withdraw every subscription and disconnect."""
