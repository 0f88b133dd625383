"""Forgetting what was done for a caller's run: a method of this mesh beside those of A2A.

A caller that deletes a conversation names its runs; whoever worked for them finds by their id what
it holds of the same principal, and erases it as a deletion of its own would.
"""

from typing import Annotated, Final

from pydantic import Field

from weft.a2a.wire.models import Scoped
from weft.core import JsonObject, Principal
from weft.runs import Runs

__all__ = ["MAX_RUNS"]

METHOD: Final = "EraseRuns"
MAX_RUNS = 100
"""In one call."""


class EraseRequest(Scoped):
    """Names mesh-wide runs of the caller's."""

    runs: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=64)], ...],
        Field(min_length=1, max_length=MAX_RUNS),
    ]


async def erase(runs: Runs, principal: Principal, request: EraseRequest) -> JsonObject:
    """Erase every conversation that holds work for these runs; what is under way is cancelled."""
    store = runs.checkpointer
    erased = 0
    for key in await store.threads.rooted(principal, request.runs):
        for run in await store.runs.thread_runs(key):
            if not run.terminal:
                await runs.cancel(
                    principal, run.run_id, reason="its thread was deleted", wait_s=0.0
                )
        erased += await store.threads.delete(key, cancel=True)
    return {"erased": erased}
