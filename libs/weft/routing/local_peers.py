"""The peers of one process: tools, each behind an agent of its own, and whoever plays the roles."""

from collections.abc import Iterable, Mapping

from weft.catalog import Capability, Effects
from weft.core import Principal
from weft.core.protocol_errors import PeerUnavailableError
from weft.loop import Agent, Peer
from weft.models import Model
from weft.plan import PickedPeer, Target
from weft.routing.capabilities import CapabilityIndex
from weft.tools import Tool

TURNS = 4
"""Model calls of an agent with one tool: it is to use it, perhaps once more, and to say what came."""


class LocalPeers:
    """Picks among the tools of this process and the peers that play its roles."""

    def __init__(
        self, model: Model, tools: Iterable[Tool], roles: Mapping[str, Peer], index: CapabilityIndex
    ) -> None:
        """`model` stays the caller's to close."""
        self._roles = dict(roles)
        self._index = index
        self._by_tool = {
            tool.name: Agent(model, tools=[tool], name=tool.name, max_iterations=TURNS)
            for tool in tools
        }

    def pick(self, target: Target, principal: Principal) -> PickedPeer:
        """Return who does it; where both a capability and a role are named, the capability decides.

        Raises:
            PeerUnavailableError: Nobody here does.
        """
        offered = self.describe(target.capability, principal) if target.capability else None
        if offered is not None and offered.tool_name in self._by_tool:
            return PickedPeer(self._by_tool[offered.tool_name], offered.effects, offered.risk)
        peer = None if target.capability or target.peer else self._roles.get(target.role or "")
        if peer is None:
            raise PeerUnavailableError(_missing(target))
        return PickedPeer(peer, self._effects(target, principal))

    def describe(self, capability: str, principal: Principal) -> Capability | None:
        """Return what is known of a tool; whoever has this router may use all of its tools."""
        del principal
        return next(iter(self._index.lookup([capability]).capabilities), None)

    def bound(self, target: Target) -> bool:
        """Tell whether something here goes by the target's name."""
        if target.peer is not None:
            return False
        if target.capability is not None:
            offered = self._index.lookup([target.capability]).capabilities
            return any(capability.tool_name in self._by_tool for capability in offered)
        return target.role in self._roles

    def _effects(self, target: Target, principal: Principal) -> Effects:
        """Words alone change nothing; what is granted may."""
        granted = [self.describe(name, principal) for name in target.grants]
        harmless = all(capability and capability.effects == "none" for capability in granted)
        return "none" if harmless else "unknown"


def _missing(target: Target) -> str:
    wanted = target.capability or target.peer
    if wanted is not None:
        return f"nothing in this process serves {wanted!r}"
    return f"nobody in this process plays the role {target.role!r}: give the router one in `roles`"
