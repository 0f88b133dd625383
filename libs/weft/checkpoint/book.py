"""What came of protocols, kept with the runs that used them and for as long as these."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from weft.core import Principal, RunId, Tally

NEWEST = 1_000
"""So many runs count for a protocol: what was long ago is forgotten."""


@dataclass(frozen=True, slots=True)
class BookEntry:
    """What one part of a run says of its protocol."""

    goal: str
    domain: str
    protocol: str
    success: bool


class OutcomeBook(ABC):
    """Counts what endings brought (`Ending.book`), each tenant's apart; deletion takes it away."""

    @abstractmethod
    async def tallies(
        self, tenant: str, goal: str, domain: str, protocols: Collection[str]
    ) -> Mapping[str, Tally]:
        """Return what came of each of `protocols` in its newest `NEWEST` runs."""

    @abstractmethod
    async def rate(self, principal: Principal, run_id: RunId, *, bad: bool) -> None:
        """Let the run count as no success, or take that back; the last word holds.

        Raises:
            NotFoundError: The principal has no such run of its own.
            RunNotRateableError: Nothing is kept of what it came to.
        """
