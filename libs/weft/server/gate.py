"""What stands between a caller and new work: a rate, a number of streams, what the store can do.

Cancelling and answering pass in a lane of their own: whoever wants less work or unblocks some is not
asked to wait for what else he asked.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

from starlette.types import Scope

from weft.core import Principal
from weft.core.edge_errors import QuotaExceededError
from weft.server.overload import Overload
from weft.server.rates import Fields, Rates

__all__ = ["RequestGate"]

_OWN_LANE = ("/cancel", "/resume")
_CREATING = frozenset({"/v1/runs", "/invoke", "/stream"})


class RequestGate:
    """Refuses by method and path, before a body is read or the store is asked."""

    def __init__(self, rates: Rates, overload: Overload) -> None:
        self._rates = rates
        self._overload = overload

    def admit(self, scope: Scope, principal: Principal, fields: Fields) -> None:
        """Count the request, and add to `fields` what every answer to it carries.

        Raises:
            TooManyCallsError: The caller asks too often, or holds too many streams.
            OverloadedError: It asks for a run, and too many wait.
        """
        path: str = scope["path"]
        if path.endswith(_OWN_LANE):
            self._rates.take_own_lane(principal)
            return
        self._rates.take(principal, fields)
        if scope["method"] == "POST" and _creates(path):
            self._overload.check(principal)

    def over_quota(self, principal: Principal) -> QuotaExceededError | None:
        """Return the refusal of the run that this request asks for, if it may have no more.

        To be asked once it is known that the request is no repetition.
        """
        allowance = self._rates.allowance_of(principal)
        if allowance is None:
            return None
        return self._overload.over_quota(principal, most=allowance.active + allowance.queued)

    def hold(self, scope: Scope, principal: Principal) -> AbstractContextManager[None]:
        """Count a request that streams or waits for as long as the context lasts.

        Each holds a connection, of which there are so many for everybody.

        Raises:
            TooManyCallsError: The caller holds as many open as it may.
        """
        if _streams(scope):
            return self._rates.stream(principal)
        if _waits(scope):
            return self._rates.wait(principal)
        return nullcontext()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the store for as long as the context lasts."""
        async with self._overload.watching():
            yield


def _creates(path: str) -> bool:
    return path in _CREATING or (path.startswith("/v1/threads/") and path.endswith("/runs"))


def _waits(scope: Scope) -> bool:
    if scope["path"] == "/invoke":
        return True
    return any(name == b"prefer" and b"wait" in value.lower() for name, value in scope["headers"])


def _streams(scope: Scope) -> bool:
    if scope["path"].endswith("/stream"):
        return True
    return any(
        name == b"accept" and b"text/event-stream" in value for name, value in scope["headers"]
    )
