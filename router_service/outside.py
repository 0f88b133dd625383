"""Agents outside the mesh that requests may be handed to, each for the tenants that it was added for."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from weft.a2a.client import OutsidePeer, outside_peer
from weft.a2a.outside import outside_provider
from weft.catalog import Provider
from weft.catalog.outside import OutsideAgent
from weft.core import SYSTEM_CLOCK, Clock, Principal
from weft.core.errors import ForbiddenError
from weft.core.protocol_errors import CardRefusedError
from weft.plan import PickedPeer, Target
from weft.service import OutsideFile

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class OutsideAgents:
    """Those of a file, which may change while the router runs; make it with `outside_agents`."""

    def __init__(
        self, file: OutsideFile, sessions: AsyncExitStack, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.revision = 0
        self.providers: tuple[Provider, ...] = ()
        self._file = file
        # Of one that was taken out a call may be under way: what it holds is closed with the router.
        self._sessions = sessions
        self._clock = clock
        self._agents: tuple[OutsideAgent, ...] = ()
        self._peers: dict[str, OutsidePeer] = {}
        self._looks_at: dict[str, float] = {}

    async def refresh(self) -> None:
        """Take in what the file says now."""
        agents = await self._file.current()
        if agents == self._agents:
            return
        self._agents = agents
        before, self._peers = self._peers, {}
        for agent in agents:
            kept = before.get(agent.name)
            peer = kept if kept is not None and kept.agent == agent else await self._opened(agent)
            if peer is not None:
                self._peers[agent.name] = peer
        self._looks_at = {
            name: at
            for name, at in self._looks_at.items()
            if self._peers.get(name) is not None and self._peers[name] is before.get(name)
        }
        self.providers = tuple(outside_provider(peer.agent) for peer in self._peers.values())
        self.revision += 1

    async def keep(self) -> None:
        """Refresh, and look at cards whose time has come, until cancelled."""
        while True:
            await self.refresh()
            now = self._clock.monotonic()
            due = [
                peer
                for name, peer in self._peers.items()
                if self._looks_at.get(name, float("-inf")) <= now
            ]
            for peer, seconds in zip(
                due, await asyncio.gather(*(peer.look() for peer in due)), strict=True
            ):
                self._looks_at[peer.agent.name] = now + seconds
            await asyncio.sleep(LOOK_SECONDS)

    def pick(self, target: Target, principal: Principal) -> PickedPeer | None:
        """Return who is meant by `target`, or None where it is nobody of these.

        Raises:
            ForbiddenError: It is there for others.
            CardRefusedError: Its card is another one than was added.
        """
        name = target.peer or (target.capability or "").partition("/")[0]
        peer = self._peers.get(name)
        if peer is None:
            return None
        agent = peer.agent
        if not outside_provider(agent).serves(principal):
            raise ForbiddenError(f"agents:{name}")
        peer.check()
        return PickedPeer(
            peer.client, effects="none" if agent.reads else "unknown", risk=agent.risk
        )

    async def _opened(self, agent: OutsideAgent) -> OutsidePeer | None:
        try:
            return await self._sessions.enter_async_context(outside_peer(agent))
        except CardRefusedError as error:
            log.warning("outside_agent_refused", extra={"peer": agent.name, "reason": str(error)})
            return None


@asynccontextmanager
async def outside_agents(file: OutsideFile) -> AsyncIterator[OutsideAgents]:
    """Yield those of the file; their connections are closed on the way out.

    Raises:
        ConfigError: The file cannot be understood.
    """
    await asyncio.to_thread(file.read)
    async with AsyncExitStack() as sessions:
        agents = OutsideAgents(file, sessions)
        await agents.refresh()
        yield agents
