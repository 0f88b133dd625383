"""Agents outside the mesh as peers: their cards looked at again and again, and never a changed one used."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from weft.a2a.client.access import ForeignAccess, Secret
from weft.a2a.client.client import A2AClient
from weft.a2a.client.foreign_card import FetchedCard, fetch_foreign_card
from weft.a2a.client.guarded import guarded_session
from weft.a2a.wire.foreign_cards import read_foreign_card
from weft.catalog.outside import OutsideAgent
from weft.core import dumps
from weft.core.errors import WeftError
from weft.core.protocol_errors import CardRefusedError

__all__ = ["OutsidePeer", "outside_peer"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class OutsidePeer:
    """One of them, with a session of its own: what it holds up holds up nobody else."""

    agent: OutsideAgent
    client: A2AClient
    session: aiohttp.ClientSession
    changed: bool = False
    """Another card is served than the one that was added: until somebody looks, it is not called."""
    _fetched: FetchedCard | None = field(default=None, init=False)

    def check(self) -> None:
        """Return if it may be called.

        Raises:
            CardRefusedError: Its card is not the one that was added.
        """
        if self.changed:
            raise CardRefusedError(
                f"the card of {self.agent.name} changed since it was added: look at it, and add it "
                f"again with `weft agents add {self.agent.card_url} --name {self.agent.name}`"
            )

    async def look(self) -> float:
        """Compare the card that is served now; return in how many seconds to look again."""
        try:
            self._fetched = await fetch_foreign_card(
                self.session, self.agent.card_url, before=self._fetched
            )
        except WeftError as error:
            # Away or not, the card that was added holds; whoever is called then hears it.
            log.info("outside_card_unseen", extra={"peer": self.agent.name, "reason": error.code})
            return FetchedCard.LEAST_SECONDS
        changed = self._fetched.card != self.agent.card
        if changed and not self.changed:
            log.warning("outside_card_changed", extra={"peer": self.agent.name})
        self.changed = changed
        return self._fetched.seconds


@asynccontextmanager
async def outside_peer(agent: OutsideAgent) -> AsyncIterator[OutsidePeer]:
    """Yield the peer; its connections are closed on the way out.

    Raises:
        CardRefusedError: The card that was added cannot be used any more.
    """
    card = read_foreign_card(
        dumps(agent.card), service=agent.name, origin=agent.card_url, hosts=agent.hosts
    )
    secret = None
    if agent.credential is not None:
        credential = agent.credential
        secret = Secret(credential.header, credential.words, credential.read)
    access = ForeignAccess(card, secret, deduplicates=agent.deduplicates)
    async with guarded_session(agent.listed) as session:
        yield OutsidePeer(agent, A2AClient(card, session, access=access), session)
