"""A finished run as this machine's mesh wrote it down."""

import asyncio
from contextlib import aclosing
from pathlib import Path

from weft.checkpoint import Checkpointer, get_checkpointer
from weft.core import Principal, RunId
from weft.core.errors import ConfigError, NotFoundError
from weft.events import Envelope
from weft.plan import RecordedRun
from weft.service.keys import KeyFile

__all__ = ["recorded_run"]

PAGE = 1000


async def recorded_run(home: Path, run_id: str) -> RecordedRun:
    """Return the run of the mesh in `home`, whosever it is.

    Raises:
        ConfigError: There is no mesh, or no such run in it.
        EventsExpiredError: Too old: how it came about was pruned.
        StoreError: Its database cannot be read.
    """
    file = home / "runs.db"
    if not await asyncio.to_thread(file.is_file):
        raise ConfigError(f"there is no mesh in {home}: say --home of the one that has the run")
    records = await asyncio.to_thread(KeyFile(home / "keys.json").records)
    async with aclosing(get_checkpointer(f"sqlite:{file}")) as store:
        for tenant in sorted({record.tenant for record in records}):
            reader = Principal(tenant=tenant, subject="replay", scopes=frozenset({"admin"}))
            try:
                return await _read(store, reader, RunId(run_id))
            except NotFoundError:
                continue
    raise ConfigError(f"the mesh in {home} has no run {run_id}; `weft runs ls` lists them")


async def _read(store: Checkpointer, reader: Principal, run_id: RunId) -> RecordedRun:
    run = await store.runs.read(reader, run_id)
    log: list[Envelope] = []
    while page := await store.runs.events(
        reader, run_id, after=log[-1].seq if log else 0, limit=PAGE
    ):
        log += page
    return RecordedRun(run, await store.runs.steps(reader, run_id), log)
