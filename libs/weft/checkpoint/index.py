"""What a database holds as a whole: lists of it for those who may see them, and the end of what is old."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

from weft.checkpoint.base import Run, RunStatus, ThreadKey
from weft.core import Principal, RunId

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some entries of a list, newest first."""

    entries: tuple[T, ...]
    next: int | None = None
    """Where the next page begins; None behind the last entry."""


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are wanted; None is no condition."""

    status: RunStatus | None = None
    thread_id: str | None = None
    agent: str | None = None
    """Whom the request named."""
    subject: str | None = None
    """Whose they are; that of another finds nothing, unless the principal administers the tenant."""
    created_after: float | None = None
    """Seconds since the Unix epoch."""


@dataclass(frozen=True, slots=True)
class ThreadSummary:
    """A thread without what was said in it."""

    key: ThreadKey
    created_at: float
    updated_at: float
    waits: RunId | None = None
    """Its run that waits for a person, if there is one."""
    active: RunId | None = None
    """Its newest run that has not ended, if there is one."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a look for old things came to."""

    runs: int = 0
    """Whose log and contents are gone."""
    threads: int = 0
    """Whose messages are gone."""
    forgotten: int = 0
    """Runs of which nothing is left, their keys included."""

    def __add__(self, other: "Pruned") -> "Pruned":
        return Pruned(
            self.runs + other.runs,
            self.threads + other.threads,
            self.forgotten + other.forgotten,
        )

    def __bool__(self) -> bool:
        return self != Pruned()


class RunIndex(ABC):
    """Lists runs and threads, each without repeats or holes while others are added; prunes old ones."""

    @abstractmethod
    async def runs(
        self,
        principal: Principal,
        wanted: RunFilter | None = None,
        *,
        limit: int,
        before: int | None = None,
    ) -> Page[Run]:
        """Return the principal's runs, or all of the tenant to who administers it.

        A page may be short, or empty, where few runs meet the conditions: only `next` tells the end.
        """

    @abstractmethod
    async def threads(
        self, principal: Principal, *, limit: int, before: int | None = None
    ) -> Page[ThreadSummary]:
        """Return the principal's threads, the one that was begun last first.

        To who administers the tenant they are those of all its subjects.
        """

    @abstractmethod
    async def waiting(self, tenant: str, *, limit: int, before: int | None = None) -> Page[Run]:
        """Return the tenant's runs that wait for a person, whosever they are."""

    @abstractmethod
    async def find_waiting(self, tenant: str, run_id: RunId) -> Run | None:
        """Return the tenant's run of this id if it waits for a person."""

    @abstractmethod
    async def prune(self, *, older_s: float, forget_s: float, limit: int) -> Pruned:
        """Take the contents of runs and threads at rest for `older_s` seconds, at most `limit` each.

        Of a run its row stays (state, times, use and key), until its whole thread is at rest for
        `forget_s`. What has not ended, waiting runs included, is never old.
        """
