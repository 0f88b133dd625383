"""An answer lasts no longer than the credential it is given to."""

import asyncio
from types import TracebackType
from typing import Protocol, Self

import anyio

from weft.core import Principal
from weft.core.errors import UnauthenticatedError
from weft.core.supervision import report

RECHECK_SECONDS = 2.0
"""With the two seconds after which a key file is read again, less than the five of a revocation."""


class BearerAuthenticator(Protocol):
    """Turns a credential into a principal, or raises `UnauthenticatedError`."""

    async def authenticate(self, credential: str) -> Principal: ...


class Lease:
    """Cancels what runs in it once its credential no longer stands for its principal.

    Most requests are over before the first look: they pay for a timer, not for a task.
    """

    def __init__(
        self, authenticator: BearerAuthenticator, credential: str, principal: Principal
    ) -> None:
        self._authenticator = authenticator
        self._credential = credential
        self._principal = principal
        self._scope = anyio.CancelScope()
        self._look: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None
        self.lost = False

    def __enter__(self) -> Self:
        self._scope.__enter__()
        self._look_later()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if self._look is not None:
            self._look.cancel()
        if self._looking is not None:
            self._looking.cancel()
        return self._scope.__exit__(kind, error, trace)

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._look = loop.call_later(RECHECK_SECONDS, self._look_now)

    def _look_now(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._recheck())

    async def _recheck(self) -> None:
        try:
            self.lost = await self._authenticator.authenticate(self._credential) != self._principal
        except UnauthenticatedError:
            self.lost = True
        except Exception as error:  # noqa: BLE001 - whoever knows cannot be asked now
            # That is no word against the credential: the next look will tell.
            report("credential check", error)
        if self.lost:
            self._scope.cancel()
        else:
            self._look_later()
