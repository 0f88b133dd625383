"""One try: a peer is started, followed, and stopped when the time is over."""

import asyncio
import logging

from weft.checkpoint.nested import NestedJournal
from weft.core import JsonObject, JsonValue, Path, Reason, Result
from weft.core.contained import contained
from weft.core.errors import FencedError, StoreUnavailableError, WeftError
from weft.loop import PeerRun, Task
from weft.plan import events
from weft.plan.engine import At, Engine
from weft.plan.jobs import Assignment, Attempt, failed
from weft.plan.outcomes import stopped
from weft.plan.peers import PickedPeer
from weft.plan.questions import answers_for

log = logging.getLogger(__name__)

STOP_SECONDS = 1.0
"""What a peer gets to end in once its step's time is over."""


async def attempt_once(
    engine: Engine, job: Assignment, at: At, picked: PickedPeer, attempt: Attempt
) -> Result:
    engine.calls[job.path] = "open"
    engine.agents[job.path] = attempt.peer
    run: PeerRun | None = None
    left = None if at.deadline is None else at.deadline.remaining(engine.clock)
    limit = asyncio.timeout(left)
    try:
        run = picked.peer.start(_task(engine, job, at, attempt))
        engine.open[job.path] = run
        async with limit:
            with contained():
                result = await _followed(engine, run, job.path)
    except asyncio.CancelledError:
        if not engine.journal.handed_over:
            await _cancel(engine, run, job, attempt)
        raise
    except (FencedError, StoreUnavailableError):
        raise
    except WeftError as error:
        return failed(
            error.code, str(error), job.path, peer=attempt.peer, retryable=error.retryable
        )
    except Exception as error:
        # A peer may be anybody's code: its bug fails its own step.
        if run is not None and limit.expired() and isinstance(error, TimeoutError):
            return await _stopped(run, job, attempt)
        log.exception("peer_crashed", extra={"peer": attempt.peer, "path": job.path})
        message = "the peer raised an unexpected error"
        return failed("peer_failed", message, job.path, peer=attempt.peer)
    finally:
        engine.open.pop(job.path, None)
    return _placed(_sensible(engine, result), job.path, peer=attempt.peer)


async def _followed(engine: Engine, run: PeerRun, path: Path) -> Result:
    async for event in run:
        engine.journal.emit(event.under(path))
    return await run


async def _stopped(run: PeerRun, job: Assignment, attempt: Attempt) -> Result:
    await run.cancel("deadline exceeded", grace_s=STOP_SECONDS)
    return failed("deadline_exceeded", "the step's time is over", job.path, peer=attempt.peer)


async def _cancel(engine: Engine, run: PeerRun | None, job: Assignment, attempt: Attempt) -> None:
    """Tell the peer to stop although this task is being cancelled itself."""
    report: JsonValue = None
    if run is not None:
        why, grace_s = engine.journal.stopping(engine.why_canceled, engine.grace_s)
        stop = asyncio.ensure_future(run.cancel(why, grace_s=grace_s))
        try:
            report = await asyncio.shield(stop)
        except asyncio.CancelledError:
            report = await stop
        except Exception:  # noqa: BLE001 - whatever the peer answers, the cancellation goes on
            log.warning("cancel_failed", extra={"peer": attempt.peer, "path": job.path})
    engine.calls[job.path] = stopped(engine, job.path, report)
    data = events.StepEnd(
        kind=job.kind,
        peer=attempt.peer,
        attempt=attempt.number,
        duration_ms=since(engine, attempt),
    )
    engine.journal.emit(events.StepCanceled(path=job.path, agent=attempt.peer, data=data))


def _task(engine: Engine, job: Assignment, at: At, attempt: Attempt) -> Task:
    mandate, journal = engine.mandate, engine.journal
    budget = at.purse.left()
    hops = None if budget.hops is None else budget.hops - 1
    return Task(
        prompt=job.prompt,
        message_id=attempt.message_id,
        principal=mandate.principal,
        arguments=job.arguments,
        metadata=_metadata(mandate.metadata, at),
        history=mandate.history if job.context == "thread" else (),
        capability=job.target.capability,
        role=job.target.role,
        grants=job.grants,
        output_schema=job.output_schema,
        budget=budget if hops is None else budget.model_copy(update={"hops": hops}),
        deadline=at.deadline,
        path=job.path,
        run_id=journal.root_id,
        thread_id=journal.thread_id or None,
        act=mandate.act,
        depth=mandate.depth + 1,
        traceparent=mandate.traceparent,
        answers=answers_for(engine, job.path),
        journal=NestedJournal(journal, job.path),
    )


def _metadata(metadata: JsonObject, at: At) -> JsonObject:
    return metadata if at.approval is None else {**metadata, "approval": at.approval}


def _sensible(engine: Engine, result: Result) -> Result:
    """Turn an end that only the run itself may come to into a failure of its step."""
    if result.status == "interrupted" and not result.interrupts:
        message = "the peer waits without saying for what"
    elif result.status == "skipped" or (result.status == "canceled" and not engine.canceling):
        message = f"the peer's task ended as {result.status}"
    else:
        return result
    reason = Reason(code="peer_failed", message=message)
    return result.model_copy(update={"status": "failed", "reasons": (reason, *result.reasons)})


def _placed(result: Result, path: Path, peer: str) -> Result:
    """Give reasons and questions of a peer their place in this run."""
    if not result.reasons and not result.interrupts:
        if result.status == "failed":
            return failed("peer_failed", "the peer failed without a reason", path, peer=peer)
        return result
    return result.model_copy(
        update={
            "reasons": tuple(
                each.model_copy(update={"path": (*path, *each.path), "peer": each.peer or peer})
                for each in result.reasons
            ),
            "interrupts": tuple(
                each.model_copy(update={"path": (*path, *each.path), "agent": each.agent or peer})
                for each in result.interrupts
            ),
        }
    )


def since(engine: Engine, attempt: Attempt) -> float:
    return round((engine.clock.monotonic() - attempt.began) * 1000, 3)
