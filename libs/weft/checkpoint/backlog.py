"""How much a store has to do: what admission looks at before it takes more."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Share(NamedTuple):
    """One principal's part of the work."""

    queued: int
    active: int
    """Running, or stopping at somebody's word."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The open runs of one operation, as last committed; those that wait for a person rest."""

    accepted: int
    """How many runs the store ever took; grows with each one."""
    oldest_wait: float = 0.0
    """Seconds that the oldest queued run has waited, by the database's clock."""
    shares: Mapping[tuple[str, str], Share] = field(default_factory=dict)
    """By tenant and subject."""

    @property
    def queued(self) -> int:
        return sum(share.queued for share in self.shares.values())

    @property
    def active(self) -> int:
        return sum(share.active for share in self.shares.values())
