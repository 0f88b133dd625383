"""Deleted threads: every specialist forgets them too, however long one of them is away."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from router_service.peers import MeshPeers
from weft.a2a.client import A2AClient
from weft.a2a.erasure import MAX_RUNS
from weft.checkpoint import Erasing, ThreadStore
from weft.core import SYSTEM_CLOCK, Clock, Principal, RunId
from weft.core.errors import WeftError

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
CALL_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 60.0
AT_ONCE = 1000
"""Deleted runs looked at together; the next look goes on behind them, so nobody waits for ever
behind those of a service that never returns."""
REMEMBERED = 20_000
"""Deleted runs of which is kept who was told; of others all are asked again, which does no harm."""


@dataclass(slots=True)
class Erasures:
    """Asks each service in view until all of them, and all that were called, have answered.

    What is left to do stands in the database; what was done since this process began is all that is
    kept here, and asking twice does no harm.
    """

    threads: ThreadStore
    peers: MeshPeers
    clock: Clock = SYSTEM_CLOCK
    _after: int = 0
    """Where the next look begins."""
    _done: dict[RunId, set[str]] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    _not_before: dict[str, float] = field(default_factory=dict)

    async def keep(self) -> None:
        """Look again and again for what is left to erase, until cancelled."""
        while True:
            await self.sweep()
            await asyncio.sleep(LOOK_SECONDS)

    async def sweep(self) -> None:
        """Ask whoever may still hold something of a deleted run."""
        deleted = await self.threads.erasing(limit=AT_ONCE, after=self._after)
        self._after = deleted[-1].position if len(deleted) == AT_ONCE else 0
        left = [run for run in deleted if run.over]
        clients = self.peers.one_of_each()
        self._remember(left)
        if not left or not clients:
            return
        async with asyncio.TaskGroup() as tasks:
            for service, client in clients.items():
                if self.clock.monotonic() >= self._not_before.get(service, 0.0):
                    tasks.create_task(self._ask(service, client, left))
        # What the router does itself stands nowhere but in the database that was erased first.
        names = {run.run_id: {*run.peers, *clients} - self.peers.own_names for run in left}
        gone = [run_id for run_id, peers in names.items() if peers <= self._done[run_id]]
        if gone:
            await self.threads.erased(gone)
            for run_id in gone:
                del self._done[run_id]

    def _remember(self, left: Sequence[Erasing]) -> None:
        """Keep who was told of these, and of as many others as there is room for."""
        done = {run.run_id: self._done.pop(run.run_id, set()) for run in left}
        others = [*self._done.items()]
        room = max(REMEMBERED - len(done), 0)
        self._done = {**dict(others[max(len(others) - room, 0) :]), **done}

    async def _ask(self, service: str, client: A2AClient, left: Sequence[Erasing]) -> None:
        mine: dict[tuple[str, str], list[RunId]] = {}
        for run in left:
            if service not in self._done[run.run_id]:
                mine.setdefault((run.tenant, run.subject), []).append(run.run_id)
        for (tenant, subject), runs in mine.items():
            scopes = frozenset({f"agents:{service}"})
            principal = Principal(tenant=tenant, subject=subject, scopes=scopes)
            for start in range(0, len(runs), MAX_RUNS):
                some = runs[start : start + MAX_RUNS]
                try:
                    await client.erase(principal, some, within=CALL_SECONDS)
                except WeftError as error:
                    self._later(service, error)
                    return
                self._failures.pop(service, None)
                for run_id in some:
                    self._done[run_id].add(service)

    def _later(self, service: str, error: WeftError) -> None:
        failures = self._failures[service] = self._failures.get(service, 0) + 1
        pause = min(2.0 ** min(failures, 10) / 2, LONGEST_PAUSE_SECONDS)
        self._not_before[service] = self.clock.monotonic() + pause
        log.warning("erasure_waits", extra={"peer": service, "code": error.code, "pause_s": pause})
