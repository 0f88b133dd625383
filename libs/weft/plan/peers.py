"""How an interpreter comes by the peers that its plan calls."""

from dataclasses import dataclass
from typing import Protocol

from weft.catalog import Capability, Effects, RiskLevel
from weft.core import Principal
from weft.loop import Peer


@dataclass(frozen=True, slots=True)
class Target:
    """Who is wanted for a step, as the plan says it."""

    capability: str | None = None
    peer: str | None = None
    role: str | None = None
    domain: str = "general"
    tried: frozenset[str] = frozenset()
    """Names that failed in this step; another provider is better."""
    authors: frozenset[str] = frozenset()
    """Names behind the work to be judged; anybody else is better."""
    grants: tuple[str, ...] = ()
    """Capabilities that whoever is picked may use: what they may change, it may change."""

    @property
    def name(self) -> str:
        """Who is wanted, in a word."""
        return self.peer or self.capability or self.role or "a peer"


@dataclass(frozen=True, slots=True)
class PickedPeer:
    """Who does the step, and what may be done if it fails."""

    peer: Peer
    effects: Effects = "unknown"
    """`none` allows another attempt whatever became of the first."""
    risk: RiskLevel = "low"
    """What is at stake if nobody can tell whether it did its work."""


class PeerSource(Protocol):
    """Picks a peer at the moment a step starts, among those the principal may call."""

    def pick(self, target: Target, principal: Principal) -> PickedPeer:
        """Return the best peer for `target`.

        Raises:
            PeerUnavailableError: There is none now.
            ForbiddenError: The principal may call none of them.
        """
        ...

    def describe(self, capability: str, principal: Principal) -> Capability | None:
        """Return what its providers say of `capability`, as far as the principal may call them."""
        ...

    def bound(self, target: Target) -> bool:
        """Tell whether `target` names something this source could ever provide."""
        ...
