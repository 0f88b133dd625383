"""How much one caller may ask for: a rate of calls, and streams open at once."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from weft.core import SYSTEM_CLOCK, Clock, Principal
from weft.core.protocol_errors import TooManyCallsError

__all__ = ["CallRates"]

MAX_CALLERS = 4096
"""Callers remembered; the one unheard of for longest starts anew with a full bucket."""


@dataclass(slots=True)
class _Account:
    at: float
    tokens: float = float("inf")
    """A bucket is full at first, however large."""
    streams: int = 0


class CallRates:
    """Counts per tenant and subject; refuses before anything is read or stored."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._accounts: OrderedDict[tuple[str, str], _Account] = OrderedDict()

    def call(self, principal: Principal, *, per_second: float, burst: float) -> float:
        """Count one call and return how many more may come at once.

        Raises:
            TooManyCallsError: The caller must wait.
        """
        now = self._clock.monotonic()
        account = self._account(principal)
        earned = (now - account.at) * per_second
        account.tokens = min(account.tokens + earned, burst)
        account.at = now
        if account.tokens < 1:
            raise TooManyCallsError("too many calls; wait a second")
        account.tokens -= 1
        return account.tokens

    @contextmanager
    def stream(
        self, principal: Principal, *, most: int, what: str = "open streams"
    ) -> Iterator[None]:
        """Count a stream, or whatever else is counted here, for as long as the context lasts.

        Raises:
            TooManyCallsError: The caller must close one first.
        """
        account = self._account(principal)
        if account.streams >= most:
            raise TooManyCallsError(f"too many {what}; close one first")
        account.streams += 1
        try:
            yield
        finally:
            account.streams -= 1

    def _account(self, principal: Principal) -> _Account:
        key = (principal.tenant, principal.subject)
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account(self._clock.monotonic())
            while len(self._accounts) > MAX_CALLERS:
                self._accounts.popitem(last=False)
        else:
            self._accounts.move_to_end(key)
        return account
