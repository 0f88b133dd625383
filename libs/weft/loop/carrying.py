"""A peer that carries out a durable run: what happens is in the run's log, and its end is answered."""

from collections.abc import Callable
from functools import partial

from weft.core import Reason, Result
from weft.loop.peer import Peer, PeerRun, Task
from weft.loop.stopped import stopped
from weft.runs import Journal

GRACE_SECONDS = 5.0
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
        await _stop(run, journal, peer.name)
        raise


def _answered(result: Result) -> Result:
    """Return the result, or a failure where success brought nothing at all."""
    more = result.artifacts or result.claims or result.verdict or result.partial
    if result.status == "completed" and result.blank and not more:
        return result.model_copy(update={"status": "failed", "reasons": (NO_ANSWER,)})
    return result


async def _stop(run: PeerRun, journal: Journal, name: str) -> None:
    """Let the peer end its work, also while this task is being cancelled."""
    why = partial(journal.stopping, "the run was stopped", GRACE_SECONDS)
    report = await stopped(run, why, name)
    if isinstance(report, dict) and "effects" in report:
        # Of what has not ended in its grace nobody else tells.
        journal.report = {"effects": report["effects"]}
