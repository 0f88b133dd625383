"""A peer that carries out a durable run: what happens is in the run's log, and its end is answered."""

from collections.abc import Callable

import anyio

from weft.core import Reason, Result
from weft.loop.peer import Peer, PeerRun, Task
from weft.runs import Journal

GRACE_SECONDS = 5.0
LEAVE_SECONDS = 0.5
"""Beyond its grace, for a peer's report."""
NO_ANSWER = Reason(code="peer_failed", message="the agent gave no answer")


async def carried_out(
    peer: Peer, task: Task, journal: Journal, *, whole: Callable[[Result], Result] | None = None
) -> Result:
    """Return what `peer` makes of the task; where this is cancelled, the peer ends its work first.

    `whole` adds to a result what its events brought.
    """
    run = peer.start(task)
    try:
        async for event in run:
            journal.emit(event)
        result = await run
        return _answered(result if whole is None else whole(result))
    except BaseException:
        await _stop(run, journal)
        raise


def _answered(result: Result) -> Result:
    """Return the result, or a failure where success brought nothing at all."""
    more = result.artifacts or result.claims or result.verdict or result.partial
    if result.status == "completed" and result.blank and not more:
        return result.model_copy(update={"status": "failed", "reasons": (NO_ANSWER,)})
    return result


async def _stop(run: PeerRun, journal: Journal) -> None:
    """Let the peer end its work, also while this task is being cancelled."""
    reason, grace_s = journal.stopping("the run was stopped", GRACE_SECONDS)
    with anyio.move_on_after(grace_s + LEAVE_SECONDS, shield=True):
        await run.cancel(reason, grace_s=grace_s)
