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
from weft.plan.peers import Picked, Target
from weft.plan.prompts import prompt_of
from weft.plan.questions import UNKNOWN, settled
from weft.plan.records import (
    Spent,
    adopted,
    finish,
    pause_after,
    record_failure,
    spent_before,
)

UNREADABLE = "verdict_unreadable"
NOTHING_DONE = frozenset({"peer_unavailable", "queue_full", "thread_busy", "thread_interrupted"})
"""Reports that the peer refused before it started."""
MODEL_FAILED = frozenset(
    {
        "model_unavailable",
        "model_timeout",
        "rate_limited",
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
    if spent.last is not None and spent.last.get("final") is True:
        return Result.model_validate(spent.last).model_copy(update={"usage": spent.usage})
    while True:
        result, picked, attempt = await _once(engine, job, at, spent)
        if result.ok:
            return await finish(engine, job, at, attempt, _spending(result, spent.usage))
        if result.status in {"interrupted", "canceled"} or attempt is None:
            return _spending(result, spent.usage)
        twice = UNREADABLE in _codes(result) and _was(spent.last, UNREADABLE)
        again = spent.attempts < job.retries and not twice and _may_repeat(job, result, picked)
        record = await record_failure(engine, job, attempt, result, again=again)
        if not again:
            return _spending(result, spent.usage)
        spent = spent.and_(record)
        await asyncio.sleep(pause_after(engine, spent.attempts))
        job = replace(job, target=_next_target(job.target, attempt.peer))


async def _once(
    engine: Engine, job: Assignment, at: At, spent: Spent
) -> tuple[Result, Picked | None, Attempt | None]:
    number = spent.attempts + 1
    await engine.settle()
    refused = engine.refusal(at)
    if refused is not None:
        return _refused(engine, job, refused), None, None
    try:
        picked = engine.peers.pick(job.target, engine.mandate.principal)
    except WeftError as error:
        engine.calls[job.path] = "failed"
        result = failed(error.code, str(error), job.path, retryable=error.retryable)
        data = events.StepEnd(kind=job.kind, attempt=number, reasons=result.reasons)
        engine.journal.emit(events.StepFailed(path=job.path, data=data))
        return result, None, None
    name = picked.peer.name
    message_id = message_id_of(engine.journal.run_id, job.path, spent.answered + 1)
    attempt = Attempt(number, message_id, name, engine.clock.monotonic())
    start = events.StepStart(kind=job.kind, peer=name, attempt=number, task_id=message_id)
    engine.journal.emit(events.StepStarted(path=job.path, agent=name, data=start))
    result = await attempt_once(engine, job, at, picked, attempt)
    at.purse.spend(result.usage)
    if result.ok and job.read is not None:
        result = job.read(result)
    return await settled(engine, job, picked, attempt, result), picked, attempt


def _may_repeat(job: Assignment, result: Result, picked: Picked | None) -> bool:
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


def _next_target(target: Target, tried: str) -> Target:
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
