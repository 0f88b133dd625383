"""Where a specialist serves: in a mesh that finds it, or alone, spoken to by its address."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import anyio.to_thread

from weft.a2a.server import Authenticator, KeyCallers
from weft.bus import Bus, MemoryBus
from weft.checkpoint import Checkpointer, get_checkpointer
from weft.core.errors import ConfigError
from weft.core.private_files import make_private_directory
from weft.identity import ApiKeys, Verifier
from weft.identity.api_keys import OWNER
from weft.service.mesh import Member, member
from weft.service.settings import SpecialistSettings

__all__ = ["Site", "site_of"]


@dataclass(frozen=True, slots=True)
class Site:
    """What a specialist serves with; without `authenticator` it serves its own machine."""

    checkpointer: Checkpointer
    bus: Bus
    authenticator: Authenticator | None
    member: Member | None = None
    """Its place in the mesh, where it is in one."""


def site_of(
    name: str, settings: SpecialistSettings, *, at: str
) -> AbstractAsyncContextManager[Site]:
    """Return what opens the site of the specialist `name`, which is reached at the address `at`.

    Raises:
        ConfigError: On entering: the name, a key or a credential cannot be used.
    """
    if settings.open or settings.api_key is not None:
        return _alone(name, settings)
    return _in_mesh(name, settings, at)


@asynccontextmanager
async def _in_mesh(name: str, settings: SpecialistSettings, at: str) -> AsyncIterator[Site]:
    async with member(name, settings, checkpointer=settings.checkpointer) as self:
        verifier = Verifier(self.trust, audience=name, at=at)
        yield Site(self.checkpointer, self.bus, verifier, self)


@asynccontextmanager
async def _alone(name: str, settings: SpecialistSettings) -> AsyncIterator[Site]:
    callers = _key_callers(settings)
    await anyio.to_thread.run_sync(partial(make_private_directory, settings.home))
    url = settings.checkpointer or f"sqlite:{settings.home / name}.db"
    async with aclosing(get_checkpointer(url)) as checkpointer, aclosing(MemoryBus()) as bus:
        yield Site(checkpointer, bus, callers)


def _key_callers(settings: SpecialistSettings) -> KeyCallers | None:
    if settings.api_key is None:
        return None
    if settings.open:
        raise ConfigError(
            "--open serves everybody on this machine and --api-key only who has the key: "
            "give one of them"
        )
    return KeyCallers(ApiKeys({OWNER: settings.api_key.get_secret_value()}))
