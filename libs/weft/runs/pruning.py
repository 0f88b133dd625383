"""Old runs and threads go by themselves, a few at a time, beside everything else."""

import asyncio
import logging
import random
from dataclasses import dataclass

from weft.checkpoint import Checkpointer, Pruned

log = logging.getLogger(__name__)

KEEP_DAYS = 30.0
"""How long what has ended is kept, unless somebody says otherwise."""
DAY_SECONDS = 86_400.0
KEYS_DAYS = 7.0
"""How long a run's key outlives its contents at least: a late duplicate still finds it."""
LOOK_SECONDS = 3600.0
TOGETHER = 50
"""Of runs, and of threads, in one commit: others wait for it no longer than for any other."""
PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Pruner:
    """Takes from one database what ended more than `keep_days` ago; 0 keeps everything for good.

    The row of a run, with its key, stays for as long again, seven days at least. Any number of
    processes may prune one database.
    """

    checkpointer: Checkpointer
    keep_days: float = KEEP_DAYS

    async def keep(self) -> None:
        """Look now and then for what has become old, until cancelled."""
        while self.keep_days:
            if pruned := await self.sweep():
                counts = {"threads": pruned.threads, "forgotten": pruned.forgotten}
                log.info("pruned", extra={"runs": pruned.runs, **counts})
            await asyncio.sleep(LOOK_SECONDS * random.uniform(0.9, 1.1))  # noqa: S311 - jitter

    async def sweep(self) -> Pruned:
        """Take everything that is old now, and return what it came to."""
        total = Pruned()
        if not self.keep_days:
            return total
        older_s = self.keep_days * DAY_SECONDS
        forget_s = older_s + max(older_s, KEYS_DAYS * DAY_SECONDS)
        while some := await self.checkpointer.index.prune(
            older_s=older_s, forget_s=forget_s, limit=TOGETHER
        ):
            total += some
            await asyncio.sleep(PAUSE_SECONDS)
        return total
