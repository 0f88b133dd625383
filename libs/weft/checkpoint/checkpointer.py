"""One database, with everything that is kept in it."""

from abc import ABC, abstractmethod

from weft.checkpoint.base import RunStore, ThreadStore
from weft.checkpoint.book import OutcomeBook
from weft.checkpoint.effects import EffectStore
from weft.checkpoint.index import RunIndex


class Checkpointer(ABC):
    """One database that holds runs with what came of them, threads and effects; `aclose` closes it."""

    @property
    @abstractmethod
    def runs(self) -> RunStore: ...

    @property
    @abstractmethod
    def threads(self) -> ThreadStore: ...

    @property
    @abstractmethod
    def effects(self) -> EffectStore: ...

    @property
    @abstractmethod
    def index(self) -> RunIndex: ...

    @property
    @abstractmethod
    def book(self) -> OutcomeBook: ...

    @abstractmethod
    async def ping(self) -> None:
        """Return once the database answered.

        Raises:
            StoreUnavailableError: It did not.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Finish what was submitted and close every connection."""
