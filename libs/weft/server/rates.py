"""How often one principal may ask, and how many streams it may hold open, in this process."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from weft.a2a.server.admission import CallRates
from weft.core import SYSTEM_CLOCK, Clock, Principal

__all__ = ["Rate", "Rates"]

UNLIMITED = "unlimited"
"""The scope of a key that no rate and no quota holds; `admin` has it too."""

Fields = list[tuple[bytes, bytes]]
"""Header fields of an answer."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests per second, how many may come at once, and streams open at once."""

    per_s: float = 20.0
    burst: int = 40
    streams: int = 20


class Rates:
    """Counts requests by tenant and subject."""

    def __init__(self, rate: Rate, clock: Clock = SYSTEM_CLOCK) -> None:
        self._rate = rate
        self._accounts = CallRates(
            per_second=rate.per_s, burst=rate.burst, streams=rate.streams, clock=clock
        )
        window = rate.burst / rate.per_s
        self._policy = f'"requests";q={rate.burst};w={window:.0f}'.encode()

    def take(self, principal: Principal, fields: Fields) -> None:
        """Count a request and add the fields that tell its caller what is left, refused or not.

        Raises:
            TooManyCallsError: Nothing is left.
        """
        if principal.may(UNLIMITED):
            return
        left = 0.0
        try:
            left = self._accounts.call(principal)
        finally:
            full_in = (self._rate.burst - left) / self._rate.per_s
            state = f'"requests";r={int(left)};t={full_in:.0f}'
            fields += ((b"ratelimit", state.encode()), (b"ratelimit-policy", self._policy))

    def stream(self, principal: Principal) -> AbstractContextManager[None]:
        """Count a stream for as long as the context lasts.

        Raises:
            TooManyCallsError: The caller holds as many open as it may.
        """
        if principal.may(UNLIMITED):
            return nullcontext()
        self._accounts.check_streams(principal)
        return self._accounts.stream(principal)
