"""How often one principal may ask, and how many answers it may hold open, in this process."""

from contextlib import AbstractContextManager, nullcontext

from weft.a2a.server.call_rates import CallRates
from weft.core import SYSTEM_CLOCK, Allowance, Clock, Principal

__all__ = ["Rates"]

Fields = list[tuple[bytes, bytes]]
"""Header fields of an answer."""


class Rates:
    """Counts requests by tenant and subject."""

    def __init__(self, allowance: Allowance, clock: Clock = SYSTEM_CLOCK) -> None:
        self._allowance = allowance
        self._accounts = CallRates(clock=clock)
        self._waits = CallRates(clock=clock)
        self._own_lane = CallRates(clock=clock)

    def allowance_of(self, principal: Principal) -> Allowance | None:
        """Return what the principal may ask for; None is as much as it likes."""
        if principal.limits == "none":
            return None
        return principal.limits or self._allowance

    def take(self, principal: Principal, fields: Fields) -> None:
        """Count a request and add the fields that tell its caller what is left, refused or not.

        Raises:
            TooManyCallsError: Nothing is left.
        """
        allowance = self.allowance_of(principal)
        if allowance is None:
            return
        left = 0.0
        try:
            left = self._accounts.call(principal, per_second=allowance.per_s, burst=allowance.burst)
        finally:
            full_in = (allowance.burst - left) / allowance.per_s
            window = allowance.burst / allowance.per_s
            state = f'"requests";r={int(left)};t={full_in:.0f}'
            policy = f'"requests";q={allowance.burst};w={window:.0f}'
            fields += ((b"ratelimit", state.encode()), (b"ratelimit-policy", policy.encode()))

    def take_own_lane(self, principal: Principal) -> None:
        """Count a request to cancel or to answer, which nothing else that is asked uses up.

        As many may come at once as there may be runs of the principal's, and then as any others.

        Raises:
            TooManyCallsError: Nothing is left.
        """
        allowance = self.allowance_of(principal)
        if allowance is not None:
            most = allowance.active + allowance.queued + allowance.burst
            self._own_lane.call(principal, per_second=allowance.per_s, burst=most)

    def stream(self, principal: Principal) -> AbstractContextManager[None]:
        """Count a stream for as long as the context lasts.

        Raises:
            TooManyCallsError: The caller holds as many open as it may.
        """
        allowance = self.allowance_of(principal)
        if allowance is None:
            return nullcontext()
        return self._accounts.stream(principal, most=allowance.streams)

    def wait(self, principal: Principal) -> AbstractContextManager[None]:
        """Count a request that waits, of which nobody has more at once than runs to wait for.

        Raises:
            TooManyCallsError: The caller has as many under way as it may.
        """
        allowance = self.allowance_of(principal)
        if allowance is None:
            return nullcontext()
        most = allowance.active + allowance.queued
        return self._waits.stream(principal, most=most, what="requests that wait")
