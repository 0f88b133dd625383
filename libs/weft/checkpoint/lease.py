"""Keeps the leases of claimed runs: renewed in time, given up in time, told of what ends them."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from weft.checkpoint.base import Held, RunStore
from weft.core import SYSTEM_CLOCK, Clock, JsonObject
from weft.core.supervision import guarded

__all__ = ["RENEW_SECONDS", "Leases"]

log = logging.getLogger(__name__)

RENEW_SECONDS = 1.0
RETRY_SECONDS = 0.2
"""How soon a renewal that failed is tried again."""
TRUST_SECONDS = 2.0
"""An owner stops itself this long after it sent the last renewal that succeeded."""


class Leaseholder(Protocol):
    """Whoever works on claimed runs, and stops when it is told to."""

    def leased(self) -> Sequence[Held]:
        """Return the claims to keep now."""
        ...

    def lost(self, held: Held) -> None:
        """Hear that the claim is over, or can no longer be trusted: write nothing more."""
        ...

    def stop(self, held: Held, asked: JsonObject) -> None:
        """Hear that somebody wants the run to end; told again until it is no longer leased."""
        ...


class Leases:
    """Renews one holder's claims each second, whatever the store does meanwhile."""

    def __init__(
        self, store: RunStore, holder: Leaseholder, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._store = store
        self._holder = holder
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
                untrusted = tuple(self._holder.leased())
                log.warning("leases_given_up", extra={"runs": len(untrusted)})
                for held in untrusted:
                    self._holder.lost(held)
                # What is claimed from now on has a whole lease before it.
                self._trusted = self._clock.monotonic()

    async def look(self) -> None:
        """Renew now, for it was said that there is news of a run.

        Raises:
            StoreError: The database is away or full.
        """
        held = tuple(self._holder.leased())
        if not held:
            return
        renewal = await self._store.renew(held)
        # What was handed over or ended meanwhile is nobody's business here.
        current = {each.run_id: each for each in self._holder.leased() if each in held}
        for run_id, each in current.items():
            if run_id in renewal.lost:
                self._holder.lost(each)
            elif (asked := renewal.canceling.get(run_id)) is not None:
                self._holder.stop(each, asked)

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
