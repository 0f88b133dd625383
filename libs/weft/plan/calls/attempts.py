"""One try: a peer is started, followed, and stopped when the time is over."""

import asyncio
import logging

from pydantic import ValidationError

from weft.core import (
    APPROVAL,
    NO_USAGE,
    JsonObject,
    JsonValue,
    Parts,
    Path,
    Reason,
    Result,
    Usage,
    parts_of,
)
from weft.core.contained import contained
from weft.core.errors import FencedError, StoreUnavailableError, WeftError
from weft.core.protocol_errors import PeerAwayError, PeerUnavailableError
from weft.loop import MODELS_AWAY, PeerRun, Task, stopped
from weft.plan import events
from weft.plan.calls.call import Attempt, PeerCall, failed
from weft.plan.calls.questions import answers_for
from weft.plan.calls.uses import Uses
from weft.plan.peers import PickedPeer
from weft.plan.walk import At, PlanCancel, Walk
from weft.runs import NestedJournal

log = logging.getLogger(__name__)

LATE = "deadline_exceeded"
UNREPORTED = Usage(unknown=True)
NOT_THERE = frozenset({PeerUnavailableError.code, PeerAwayError.code})
STOP_SECONDS = 1.0
"""What a peer gets to end in once its step's time is over."""


async def attempt_once(
    walk: Walk, call: PeerCall, at: At, picked: PickedPeer, attempt: Attempt
) -> Result:
    walk.outcomes.begin(call.path, attempt.peer)
    run: PeerRun | None = None
    left = None if at.deadline is None else at.deadline.remaining(walk.clock)
    limit = asyncio.timeout(left)
    uses, task = Uses.of(walk, call.path), task_of(walk, call, at, attempt.message_id)
    try:

        async def follow(task: Task) -> Result:
            nonlocal run
            run = picked.peer.start(task)
            walk.open[call.path] = run
            return await _followed(walk, run, call.path)

        async with limit:
            with contained():
                result = await uses.made(task, follow)
    except asyncio.CancelledError:
        if not walk.journal.handed_over:
            report = await _cancel(walk, run, call, at, attempt)
            at.purse.spend(_end(walk, call, attempt, _spent(report, run, uses, task)))
        elif run is not None:
            # It was called, and nobody says here what it took.
            at.purse.spend(UNREPORTED)
        raise
    except (FencedError, StoreUnavailableError):
        raise
    except WeftError as error:
        refused = failed(
            error.code, str(error), call.path, peer=attempt.peer, retryable=error.retryable
        )
        return refused if run is None or error.code in NOT_THERE else _unreported(refused)
    except Exception as error:
        # A peer may be anybody's code: its bug fails its own step.
        if run is not None and limit.expired() and isinstance(error, TimeoutError):
            report = await stopped(run, _late, attempt.peer, answer_s=0.0)
            late = failed(LATE, "the step's time is over", call.path, peer=attempt.peer)
            return late.spent_before(_spent(report, run, uses, task))
        log.exception("peer_crashed", extra={"peer": attempt.peer, "path": call.path})
        message = "the peer raised an unexpected error"
        return _unreported(failed("peer_failed", message, call.path, peer=attempt.peer))
    finally:
        walk.open.pop(call.path, None)
    return _placed(_sensible(walk, result), call.path, peer=attempt.peer)


def _unreported(result: Result) -> Result:
    """Say of a peer that was called, and ended without an outcome, that nobody knows what it took."""
    return result.model_copy(update={"usage": UNREPORTED})


async def _followed(walk: Walk, run: PeerRun, path: Path) -> Result:
    async for event in run:
        walk.hear(event.under(path))
    return await run


def _late() -> tuple[str, float]:
    return "deadline exceeded", STOP_SECONDS


async def _cancel(
    walk: Walk, run: PeerRun | None, call: PeerCall, at: At, attempt: Attempt
) -> JsonValue:
    """Tell the peer to stop although this task is being cancelled itself; return what it reports."""
    report: JsonValue = None

    def stopping() -> tuple[str, float]:
        request = walk.canceling or PlanCancel()
        why, grace_s = walk.journal.stopping(request.reason, request.grace_s)
        if at.deadline is not None:
            # Who is cancelled gets no more time than who goes on.
            grace_s = min(grace_s, max(at.deadline.remaining(walk.clock), 0.0) + STOP_SECONDS)
        return why, grace_s

    if run is not None:
        report = await stopped(run, stopping, attempt.peer, answer_s=0.0)
    walk.outcomes.stop(call.path, report)
    return report


def _end(walk: Walk, call: PeerCall, attempt: Attempt, spent: Usage) -> Usage:
    """Say that the call was stopped, and what it took; return that."""
    data = events.StepEnd(
        kind=call.kind,
        peer=attempt.peer,
        attempt=attempt.number,
        usage=spent,
        duration_ms=since(walk, attempt),
    )
    walk.journal.emit(events.StepCanceled(path=call.path, agent=attempt.peer, data=data))
    return spent


def _spent(report: JsonValue, run: PeerRun | None, uses: Uses, task: Task) -> Usage:
    """Return what a stopped attempt took: as its peer reports, or, here, as it wrote down."""
    said = report if isinstance(report, dict) else {}
    if run is None or said.get("outcome") == "not_started":
        return uses.spent
    here = NO_USAGE if task.journal is None else task.journal.spent
    # Who works here and spent nothing has said so, and that is not what a journal begins with.
    own = UNREPORTED if here is NO_USAGE else here
    if "usage" in said:
        try:
            own = Usage.model_validate(said["usage"])
        except ValidationError:
            own = UNREPORTED
    return uses.spent + own


def task_of(walk: Walk, call: PeerCall, at: At, message_id: str) -> Task:
    """Return what the peer of a step is asked."""
    journal = walk.journal
    here = walk.authority.narrowed(budget=at.purse.left(), deadline=at.deadline)
    return Task(
        parts=_said(call),
        message_id=message_id,
        authority=here.rooted(journal.root_id).for_call(),
        metadata=_metadata(walk, call, at),
        history=walk.history if call.context == "thread" else (),
        capability=call.target.capability,
        role=call.target.role,
        grants=call.grants,
        output_schema=call.output_schema,
        path=call.path,
        thread_id=journal.thread_id or None,
        answers=answers_for(walk, call.path),
        journal=NestedJournal(journal, call.path, tell=walk.hear),
    )


def _said(call: PeerCall) -> Parts:
    return parts_of(call.prompt, call.arguments) if call.arguments else parts_of(call.prompt)


def _metadata(walk: Walk, call: PeerCall, at: At) -> JsonObject:
    """Return the run's metadata with what the plan adds; no request says what was approved."""
    metadata = {name: value for name, value in walk.metadata.items() if name != APPROVAL}
    metadata |= call.about
    if at.approval is not None:
        metadata = {**metadata, APPROVAL: at.approval}
    if walk.models_away:
        before = metadata.get(MODELS_AWAY)
        away = {**(before if isinstance(before, dict) else {}), **walk.models_away}
        metadata = {**metadata, MODELS_AWAY: away}
    return metadata


def _sensible(walk: Walk, result: Result) -> Result:
    """Turn an end that only the run itself may come to into a failure of its step."""
    if result.status == "interrupted" and not result.interrupts:
        message = "the peer waits without saying for what"
    elif result.status == "skipped" or (result.status == "canceled" and not walk.canceling):
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
                reason.model_copy(
                    update={"path": (*path, *reason.path), "peer": reason.peer or peer}
                )
                for reason in result.reasons
            ),
            "interrupts": tuple(
                question.model_copy(
                    update={"path": (*path, *question.path), "agent": question.agent or peer}
                )
                for question in result.interrupts
            ),
        }
    )


def since(walk: Walk, attempt: Attempt) -> float:
    return round((walk.clock.monotonic() - attempt.began) * 1000, 3)
