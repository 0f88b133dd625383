"""Keeps the leases of claimed runs: renewed in time, given up in time, told of what ends them."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from weft.checkpoint import Held, RunStore
from weft.core import SYSTEM_CLOCK, Clock, JsonObject
from weft.core.supervision import guarded

__all__ = ["RENEW_SECONDS", "Leased", "Leases"]

log = logging.getLogger(__name__)

RENEW_SECONDS = 1.0
RETRY_SECONDS = 0.2
"""How soon a renewal that failed is tried again."""
TRUST_SECONDS = 2.0
"""An owner stops itself this long after it sent the last renewal that succeeded."""


class Leased(Protocol):
    """A claimed run under way, which stops when it is told to."""

    @property
    def held(self) -> Held: ...

    def lose(self) -> None:
        """Hear that the claim is over, or can no longer be trusted: write nothing more."""
        ...

    def cancel(self, request: JsonObject) -> None:
        """Hear that somebody wants the run to end; told again until it is no longer leased."""
        ...


class Leases:
    """Renews the claims of one owner's runs each second, whatever the store does meanwhile."""

    def __init__(
        self,
        store: RunStore,
        runs: Callable[[], Sequence[Leased]],
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`runs` returns those whose claims are to be kept now."""
        self._store = store
        self._runs = runs
        self._clock = clock
        self._trusted = clock.monotonic()

    async def keep(self) -> None:
        """Renew until cancelled. A store that is away or full costs a warning and a retry."""
        self._trusted = self._clock.monotonic()
        pause = RENEW_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = RENEW_SECONDS if await self._renewed() else RETRY_SECONDS
            if self._left() <= 0:
                untrusted = tuple(self._runs())
                log.warning("leases_given_up", extra={"runs": len(untrusted)})
                for run in untrusted:
                    run.lose()
                # What is claimed from now on has a whole lease before it.
                self._trusted = self._clock.monotonic()

    async def look(self) -> None:
        """Renew now, for it was said that there is news of a run.

        Raises:
            StoreError: The database is away or full.
        """
        claims = tuple(run.held for run in self._runs())
        if not claims:
            return
        renewal = await self._store.renew(claims)
        for run in self._runs():
            # What was handed over or ended meanwhile is nobody's business here.
            if run.held not in claims:
                continue
            run_id = run.held.run_id
            if run_id in renewal.lost:
                run.lose()
            elif (request := renewal.canceling.get(run_id)) is not None:
                run.cancel(request)

    async def _renewed(self) -> bool:
        sent, done = self._clock.monotonic(), False
        with guarded("renewal of leases"):
            # A renewal that hangs is worth as little as one that fails.
            async with asyncio.timeout(max(self._left(), 0.0)):
                await self.look()
            done = True
        if done:
            self._trusted = sent
        return done

    def _left(self) -> float:
        return self._trusted + TRUST_SECONDS - self._clock.monotonic()
