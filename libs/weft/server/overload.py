"""Refuses new runs while the store has more to do than it gets done in a moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from weft.checkpoint import Backlog, RunStore, Share
from weft.core import SYSTEM_CLOCK, Clock, Principal
from weft.core.edge_errors import OverloadedError, QuotaExceededError
from weft.core.errors import StoreError
from weft.core.supervision import kept_going, report

__all__ = ["Overload", "OverloadBounds"]

SAMPLE_SECONDS = 0.1
FORGET = 0.8
"""How much of the last rate stays at each sample: a rate is one of the last half second."""
EMPTY = Backlog(accepted=0)


@dataclass(frozen=True, slots=True)
class OverloadBounds:
    """When a front door takes no more; a deployment whose runs are long may let them wait longer."""

    queued: int = 1000
    """Runs that may wait in one store."""
    wait_s: float = 2.5
    """How long a new run may expect to wait, at the rate at which runs end now."""
    spare: int = 128
    """Runs that may wait at any rate: at first none is known, and long runs end seldom. Those that
    a worker takes at once count too until the next look, so it is more than one has slots."""
    latency_s: float = 1.0
    """How long the store may take for a look at its backlog, this process's own delay included."""


class Overload:
    """Knows what the store has to do from a look each tenth of a second, and counts on from there.

    Make it with `watching()`; `check` itself waits for nothing.
    """

    def __init__(
        self, store: RunStore, operation: str, bounds: OverloadBounds, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._store = store
        self._operation = operation
        self._bounds = bounds
        self._clock = clock
        self._seen = EMPTY
        self._seen_at = clock.monotonic()
        self._looking_since: float | None = None
        self._taken: dict[tuple[str, str], int] = {}
        self._ended_per_s = 0.0
        self._wanted = asyncio.Event()

    def check(self, principal: Principal) -> None:
        """Return if a new run of the principal may be taken; it is then counted as taken.

        Raises:
            OverloadedError: There is too much to do, and this principal has its share of it.
        """
        self._wanted.set()
        key = (principal.tenant, principal.subject)
        self._check_store(key, self._open(key))
        self._taken[key] = self._taken.get(key, 0) + 1

    def over_quota(self, principal: Principal, *, most: int) -> QuotaExceededError | None:
        """Return the refusal of a run that was taken already, if the principal has over `most`."""
        # The run itself counts already.
        if self._open((principal.tenant, principal.subject)) > most:
            return QuotaExceededError(most)
        return None

    def _open(self, key: tuple[str, str]) -> int:
        own = self._seen.shares.get(key, Share(0, 0))
        return own.queued + own.active + self._taken.get(key, 0)

    def _check_store(self, key: tuple[str, str], mine: int) -> None:
        late = self._looking_since is not None and (
            self._clock.monotonic() - self._looking_since > self._bounds.latency_s
        )
        if late:
            raise OverloadedError("the database is slow; ask again in a moment")
        queued = self._seen.queued + sum(self._taken.values())
        room = max(self._bounds.spare, self._ended_per_s * self._bounds.wait_s)
        if queued < min(room, self._bounds.queued):
            return
        # Whoever has less than an even share is not who filled the queue.
        others = self._seen.shares.keys() | self._taken.keys() | {key}
        even = (queued + self._seen.active) / len(others)
        if mine >= even or queued >= min(2 * room, self._bounds.queued):
            raise OverloadedError("too many runs wait already; ask again in a moment")

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look at the store while runs are asked for, for as long as the context lasts."""
        async with kept_going(self._watch, name="overload"):
            yield

    async def _watch(self) -> None:
        while True:
            if not self._seen.queued:
                await self._wanted.wait()
            self._wanted.clear()
            await self.look()
            await asyncio.sleep(SAMPLE_SECONDS)

    async def look(self) -> None:
        """Look at the store once; while it does not answer, the last look stands and ages."""
        if self._looking_since is None:
            self._looking_since = self._clock.monotonic()
        taken = dict(self._taken)
        try:
            seen = await self._store.backlog(self._operation)
        except StoreError as error:
            report("overload", error)
            return
        self._looking_since = None
        # What was taken while the store looked may be in its count or not: it counts once more,
        # so that the queue is never longer than it seems.
        self._taken = {
            key: count - taken.get(key, 0)
            for key, count in self._taken.items()
            if count > taken.get(key, 0)
        }
        self._measure(seen)

    def _measure(self, seen: Backlog) -> None:
        now = self._clock.monotonic()
        began = seen.accepted - self._seen.accepted
        ended = max(began - (seen.queued + seen.active - self._seen.queued - self._seen.active), 0)
        rate = ended / max(now - self._seen_at, SAMPLE_SECONDS / 2)
        if now - self._seen_at > 1.0:
            self._ended_per_s = rate
        else:
            self._ended_per_s = FORGET * self._ended_per_s + (1 - FORGET) * rate
        self._seen, self._seen_at = seen, now
