"""What every member of a mesh opens: its key, the bus, the catalogue, its database."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from weft.a2a import Sealer
from weft.bus.credentials import BusUser, read_user
from weft.bus.nats import NatsBus, nats_bus
from weft.catalog import Catalog
from weft.catalog.announcing import nats_announcer
from weft.checkpoint import Checkpointer, get_checkpointer
from weft.core import ROUTER
from weft.core.errors import ConfigError
from weft.core.private_files import make_private_directory
from weft.identity import SigningKey, Trust, open_key, publish
from weft.service.settings import ServiceSettings

__all__ = ["Member", "announced", "member"]

WITHDRAW_SECONDS = 1.0
USUAL_BUS = "nats://127.0.0.1:4222"
FRONT = frozenset({ROUTER, "gateway"})
"""Names whose keys speak for every caller: no specialist may publish one of its own as theirs."""


@dataclass(frozen=True, slots=True)
class Member:
    """A service's place in the mesh."""

    name: str
    key: SigningKey
    trust: Trust
    bus: NatsBus
    catalog: Catalog
    checkpointer: Checkpointer


Catalogs = Callable[[NatsBus, Trust], AbstractAsyncContextManager[Catalog]]
"""Opens the catalogue of a service that is on this bus and trusts these keys."""


@asynccontextmanager
async def member(
    name: str, settings: ServiceSettings, *, checkpointer: str | None = None
) -> AsyncIterator[Member]:
    """Yield everything a specialist needs to take part; close it on the way out.

    It speaks for no caller and looks nobody up, and can do neither: who does is a `front_member`.
    Without a `checkpointer` URL the database is `<home>/<name>.db`.

    Raises:
        ConfigError: The name is the mesh's own, or a credential cannot be used.
    """
    if name in FRONT:
        raise ConfigError(f"{name!r} is the mesh's own name: give the specialist another one")
    url = checkpointer or f"sqlite:{settings.home / name}.db"
    async with joined(name, settings, url, front=False, catalogs=_announcer) as self:
        yield self


@asynccontextmanager
async def joined(
    name: str, settings: ServiceSettings, url: str, *, front: bool, catalogs: Catalogs
) -> AsyncIterator[Member]:
    """Yield the place of `name`, with the database at `url`; for `member` and `front_member`."""
    key, user = await anyio.to_thread.run_sync(partial(_identity, name, settings.home, front=front))
    trust = Trust(directory=settings.home / "trust")
    async with (
        aclosing(get_checkpointer(url)) as checkpointer,
        nats_bus(_bus_url(settings, user), name=name, user=user) as bus,
        catalogs(bus, trust) as catalog,
    ):
        yield Member(name, key, trust, bus, catalog, checkpointer)


def _bus_url(settings: ServiceSettings, user: BusUser | None) -> str:
    return settings.nats_url or (user and user.url) or USUAL_BUS


def _announcer(bus: NatsBus, _: Trust) -> AbstractAsyncContextManager[Catalog]:
    return nats_announcer(bus)


@asynccontextmanager
async def announced(
    catalog: Catalog, sealer: Sealer, *, leaving: Callable[[], None]
) -> AsyncIterator[None]:
    """Be there for the others while the context lasts; `leaving` is called before it is taken back.

    What is taken back leaves time for what else must be left in order.
    """
    sealer.open = True
    await catalog.publish(sealer.entry, sealer.sealed)
    try:
        yield
    finally:
        leaving()
        sealer.open = False
        with anyio.move_on_after(WITHDRAW_SECONDS):
            await catalog.withdraw(sealer.entry)


def _identity(name: str, home: Path, *, front: bool) -> tuple[SigningKey, BusUser | None]:
    make_private_directory(home)
    keys = home / "keys"
    make_private_directory(keys)
    key = replace(open_key(keys / f"{name}.key", name), issuer=front)
    publish(key, home / "trust")
    return key, read_user(home, name)
