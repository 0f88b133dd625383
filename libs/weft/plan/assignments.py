"""One task for one peer: picked late, attempted as often as is safe, recorded once."""

import asyncio
from dataclasses import replace

from weft.core import NO_USAGE, JsonObject, Reason, Result, Usage
from weft.core.errors import WeftError
from weft.plan import events
from weft.plan.attempts import attempt_once
from weft.plan.engine import At, Engine
from weft.plan.jobs import Assignment, Attempt, failed, message_id_of
from weft.plan.model import Call, Node
from weft.plan.peers import PickedPeer, Target
from weft.plan.prompts import prompt_of
from weft.plan.questions import UNKNOWN, decision, settled, was_asked
from weft.plan.records import (
    Spent,
    adopted,
    finish,
    pause_after,
    record_failure,
    spent_before,
    unreached,
)

LONGEST_PAUSE = 2.0
UNREADABLE = "verdict_unreadable"
NOTHING_DONE = frozenset({"peer_unavailable", "queue_full", "thread_busy", "thread_interrupted"})
"""Reports that the peer refused before it started."""
MODEL_FAILED = frozenset(
    {
        "model_unavailable",
        "model_timeout",
        "model_rate_limited",
        "model_circuit_open",
        "all_models_failed",
    }
)
"""The peer's own model calls were repeated already, as often and as long as its agent says."""
NEVER_AGAIN = MODEL_FAILED | {
    "budget_exhausted",
    "deadline_exceeded",
    "depth_exceeded",
    "canceled",
}


async def run_call(engine: Engine, node: Node, at: At) -> Result:
    if not isinstance(node, Call):
        raise TypeError(f"not a call: {node.kind}")
    frame = engine.plan.frame or {}
    assignment = Assignment(
        kind="call",
        path=at.path,
        target=Target(node.capability, node.peer, node.role, str(frame.get("domain", "general"))),
        prompt=prompt_of(engine, node.prompt, at),
        arguments=node.arguments or {},
        grants=node.grants,
        context=node.context,
        risk=node.risk,
        output_schema=node.output_schema,
        retries=node.retries,
    )
    return await perform(engine, assignment, at)


async def perform(engine: Engine, job: Assignment, at: At) -> Result:
    """Return the step's recorded result, or have it done and record it."""
    stored = engine.journal.steps.get(job.path)
    if stored is not None:
        return adopted(engine, job, at, stored)
    spent = spent_before(engine, job.path, at.purse)
    if _was(spent.last, UNKNOWN):
        job = replace(job, target=_next_target(job.target, _peer_of(spent.last), lost=True))
    if spent.last is not None and spent.last.get("final") is True:
        return Result.model_validate(spent.last).model_copy(update={"usage": spent.usage})
    while True:
        result, picked, attempt = await _once(engine, job, at, spent)
        if result.ok:
            return await finish(engine, job, at, attempt, _spending(result, spent.usage))
        if result.status in {"interrupted", "canceled"} or attempt is None:
            return _spending(result, spent.usage)
        lost = _codes(result) == {UNKNOWN}
        twice = UNREADABLE in _codes(result) and _was(spent.last, UNREADABLE)
        # A lost attempt is only made again where a person said so, who is not to be counted.
        within = lost or (spent.attempts < job.retries and not twice)
        again = within and _may_repeat(job, result, picked)
        record = await record_failure(engine, job, attempt, result, again=again)
        if not again:
            return _spending(result, spent.usage)
        spent = spent.and_(record)
        await asyncio.sleep(pause_after(engine, spent.attempts))
        job = replace(job, target=_next_target(job.target, attempt.peer, lost=lost))


async def _once(
    engine: Engine, job: Assignment, at: At, spent: Spent
) -> tuple[Result, PickedPeer | None, Attempt | None]:
    number = spent.attempts + 1
    await engine.settle()
    refused = engine.refusal(at)
    if refused is not None:
        return _refused(engine, job, refused), None, None
    message_id = message_id_of(engine.journal.run_id, job.path, spent.answered + 1)
    decided = decision(engine, job, message_id, number)
    if decided is not None:
        return decided[0], None, decided[1]
    attempt = Attempt(number, message_id, job.target.name, engine.clock.monotonic())
    result, picked, attempt = await _reached(engine, job, at, attempt, spent)
    if unreached(result) and _perhaps_done(engine, job, picked, spent):
        message = f"{result.reasons[0].message}; it may have taken the task before"
        result = failed(UNKNOWN, message, job.path, peer=attempt.peer)
    if picked is None and _codes(result) != {UNKNOWN}:
        engine.calls[job.path] = "failed"
        data = events.StepEnd(kind=job.kind, attempt=number, reasons=result.reasons)
        engine.journal.emit(events.StepFailed(path=job.path, data=data))
        return result, None, None
    if result.ok and job.read is not None:
        result = job.read(result)
    return await settled(engine, job, picked, attempt, result), picked, attempt


async def _reached(
    engine: Engine, job: Assignment, at: At, attempt: Attempt, spent: Spent
) -> tuple[Result, PickedPeer | None, Attempt]:
    """Make the attempt, and wait for a peer that is gone, as one that restarts is.

    Only where another attempt is left and nobody can have the task yet, another provider is asked
    at once.
    """
    give_up_at = engine.clock.monotonic() + engine.pace.restart_seconds
    pause, told = engine.pace.retry_seconds, ""
    while True:
        picked, result = _picked(engine, job)
        if picked is not None:
            attempt = replace(attempt, peer=picked.peer.name)
            if told != attempt.peer:
                told = attempt.peer
                _tell_start(engine, job, attempt)
            result = await attempt_once(engine, job, at, picked, attempt)
            at.purse.spend(result.usage)
        last = picked is None or spent.attempts >= job.retries
        waits = unreached(result) and (last or _perhaps_done(engine, job, picked, spent))
        late = engine.clock.monotonic() + pause >= give_up_at
        if not waits or late or engine.refusal(at) is not None:
            return result, picked, attempt
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _picked(engine: Engine, job: Assignment) -> tuple[PickedPeer | None, Result]:
    """Return who does the step now, or why nobody does."""
    try:
        return engine.peers.pick(job.target, engine.mandate.principal), Result(status="failed")
    except WeftError as error:
        return None, failed(error.code, str(error), job.path, retryable=error.retryable)


def _tell_start(engine: Engine, job: Assignment, attempt: Attempt) -> None:
    start = events.StepStart(
        kind=job.kind, peer=attempt.peer, attempt=attempt.number, task_id=attempt.message_id
    )
    engine.journal.emit(events.StepStarted(path=job.path, agent=attempt.peer, data=start))


def _perhaps_done(engine: Engine, job: Assignment, picked: PickedPeer | None, spent: Spent) -> bool:
    """Tell whether a peer that cannot be reached now may have been reached before.

    Another owner of the run may have sent the message, an attempt may have been lost, or the peer
    may wait for the answer to its own question.
    """
    if job.kind == "judge" or (picked is not None and picked.effects == "none"):
        return False
    held = engine.journal.held
    recovered = held is not None and held.epoch > 1
    return recovered or _was(spent.last, UNKNOWN) or was_asked(engine, job.path)


def _may_repeat(job: Assignment, result: Result, picked: PickedPeer | None) -> bool:
    """Tell whether the failure invites another attempt and nothing can be done twice by it."""
    codes = _codes(result)
    if not codes or codes & NEVER_AGAIN or not result.reasons[0].retryable:
        return False
    if job.kind == "judge" or (picked is not None and picked.effects == "none"):
        return True
    return codes <= NOTHING_DONE or codes == {UNKNOWN}


def _codes(result: Result) -> frozenset[str]:
    return frozenset(reason.code for reason in result.reasons)


def _was(record: JsonObject | None, code: str) -> bool:
    return record is not None and code in _codes(Result.model_validate(record))


def _peer_of(record: JsonObject | None) -> str:
    return str((record or {}).get("peer") or "")


def _next_target(target: Target, tried: str, *, lost: bool) -> Target:
    """Return who is wanted next: anybody better, but of a lost attempt only who may have it."""
    if lost:
        return replace(target, peer=tried or target.peer)
    return replace(target, tried=target.tried | {tried})


def _refused(engine: Engine, job: Assignment, why: Reason) -> Result:
    engine.calls[job.path] = "not_started"
    placed = why.model_copy(update={"path": job.path})
    if why.code == "canceled":
        return Result(status="canceled", reasons=(placed,))
    data = events.StepEnd(kind=job.kind, reasons=(placed,))
    engine.journal.emit(events.StepFailed(path=job.path, data=data))
    return Result(status="failed", reasons=(placed,))


def _spending(result: Result, before: Usage) -> Result:
    """Return the result with what the attempts before it took, too."""
    if before == NO_USAGE:
        return result
    return result.model_copy(update={"usage": before + result.usage})
