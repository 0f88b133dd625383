"""The place of who speaks for callers and calls the others: the router's and the gateway's."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from weft.a2a.client import MeshVouch, open_session
from weft.bus.nats import NatsBus
from weft.catalog import Catalog
from weft.catalog.nats_kv import nats_catalog
from weft.identity import Trust
from weft.service.mesh import Member, joined
from weft.service.settings import ServiceSettings

__all__ = ["FrontMember", "front_member"]


@dataclass(frozen=True, slots=True)
class FrontMember(Member):
    """A place in the mesh, and what one calls the others with."""

    session: aiohttp.ClientSession


@asynccontextmanager
async def front_member(
    name: str, settings: ServiceSettings, *, checkpointer: str
) -> AsyncIterator[FrontMember]:
    """Yield everything that is needed to find the others and to speak for callers.

    Raises:
        ConfigError: A credential cannot be used.
    """
    async with open_session() as session:

        def catalogs(bus: NatsBus, trust: Trust) -> AbstractAsyncContextManager[Catalog]:
            file = settings.home / "catalog" / f"{name}.json"
            return nats_catalog(bus, MeshVouch(trust, session), file=file)

        async with joined(name, settings, checkpointer, front=True, catalogs=catalogs) as self:
            yield FrontMember(
                self.name,
                self.key,
                self.trust,
                self.bus,
                self.catalog,
                self.checkpointer,
                session,
            )
