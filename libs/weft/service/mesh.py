"""What every member of a mesh opens: its key, the bus, the catalogue, its database."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from weft.a2a.keys import SigningKey, Trust, open_key, publish
from weft.bus.nats import NatsBus, nats_bus
from weft.catalog import Catalog, Entry
from weft.catalog.nats_kv import nats_catalog
from weft.checkpoint import Checkpointer, get_checkpointer
from weft.service.settings import ServiceSettings

WITHDRAW_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Member:
    """A service's place in the mesh."""

    name: str
    key: SigningKey
    trust: Trust
    bus: NatsBus
    catalog: Catalog
    checkpointer: Checkpointer


@asynccontextmanager
async def member(
    name: str, settings: ServiceSettings, *, checkpointer: str | None = None
) -> AsyncIterator[Member]:
    """Yield everything a service needs to take part; close it on the way out.

    Without a `checkpointer` URL the database is `<home>/<name>.db`.
    """
    key = await anyio.to_thread.run_sync(_identity, name, settings.home)
    trust = Trust(directory=settings.home / "trust")
    url = checkpointer or f"sqlite:{settings.home / name}.db"
    async with (
        aclosing(get_checkpointer(url)) as opened,
        nats_bus(settings.nats_url, name=name) as bus,
        nats_catalog(bus) as catalog,
    ):
        yield Member(name, key, trust, bus, catalog, opened)


async def withdrawn(catalog: Catalog, entry: Entry) -> None:
    """Take `entry` back, within a time that leaves enough for what else must be left in order."""
    with anyio.move_on_after(WITHDRAW_SECONDS):
        await catalog.withdraw(entry)


def _identity(name: str, home: Path) -> SigningKey:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = home / "keys"
    keys.mkdir(mode=0o700, exist_ok=True)
    key = open_key(keys / f"{name}.key", name)
    publish(key, home / "trust")
    return key
