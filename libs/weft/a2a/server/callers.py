"""Who may call an agent, and how much of it at once: asked before a body is read, by any binding."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from weft.a2a.server.call_rates import CallRates
from weft.a2a.server.http import loopback, named_here
from weft.a2a.server.tasks import TaskLimits
from weft.core import LOCAL, Authority, JsonObject
from weft.core.edge_errors import InvalidHostError
from weft.core.errors import ForbiddenError, UnauthenticatedError
from weft.identity import Caller


class Authenticator(Protocol):
    """Tells who sends a request, from its headers (names in lower case)."""

    @property
    def schemes(self) -> Mapping[str, JsonObject]:
        """Return what it asks for, any one of them, as the card's security schemes by name."""
        ...

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller.

        Raises:
            UnauthenticatedError: Nothing valid says who it is.
        """
        ...

    async def stands(self, caller: Caller) -> bool:
        """Tell whether what said so still counts."""
        ...


class Callers:
    """The callers of one agent; without `authenticator` only those of its own machine."""

    def __init__(self, agent: str, authenticator: Authenticator | None, limits: TaskLimits) -> None:
        self._agent = agent
        self._authenticator = authenticator
        self._limits = limits
        self._rates = CallRates()

    async def admit(self, headers: Mapping[str, str], address: str | None) -> Caller:
        """Return who calls from `address` (None where the transport has none).

        Raises:
            UnauthenticatedError: Nothing valid says who it is.
            InvalidHostError: It names a server that this one is not.
            ForbiddenError: It may not call this agent.
            TooManyCallsError: It calls too often.
        """
        caller = await self._identified(headers, address)
        if not caller.principal.may_call(self._agent):
            raise ForbiddenError(f"agents:{self._agent}")
        self._rates.call(
            caller.principal, per_second=self._limits.calls_per_s, burst=self._limits.burst
        )
        return caller

    def stream(self, caller: Caller) -> AbstractContextManager[None]:
        """Count a stream of the caller's for as long as the context lasts.

        Raises:
            TooManyCallsError: It must close one first.
        """
        return self._rates.stream(caller.principal, most=self._limits.streams)

    def standing(self, caller: Caller) -> Callable[[], Awaitable[bool]]:
        """Return what tells, whenever asked, whether the caller still is who it was."""

        async def stands() -> bool:
            return self._authenticator is None or await self._authenticator.stands(caller)

        return stands

    async def _identified(self, headers: Mapping[str, str], address: str | None) -> Caller:
        if self._authenticator is not None:
            return await self._authenticator.authenticate(headers)
        if address is not None and not loopback(address):
            raise UnauthenticatedError("this server answers its own machine only")
        if address is not None and not named_here(headers.get("host", "")):
            raise InvalidHostError("this server answers to the names of its own machine only")
        return Caller(Authority(LOCAL))
