"""One task for one peer: picked late, attempted as often as is safe, recorded once."""

import asyncio
from dataclasses import replace

from weft.core import NO_USAGE, JsonObject, Reason, Result, Usage
from weft.core.errors import WeftError
from weft.core.protocol_errors import PeerAwayError
from weft.loop import OUTPUT_INVALID
from weft.plan import events
from weft.plan.calls.attempts import attempt_once, task_of
from weft.plan.calls.call import Attempt, PeerCall, failed, message_id_of
from weft.plan.calls.forms import held_to
from weft.plan.calls.grants import granted
from weft.plan.calls.questions import UNKNOWN, decision, settled, was_asked
from weft.plan.calls.records import (
    Spent,
    adopted,
    finish,
    pause_after,
    record_failure,
    spent_before,
    unreached,
)
from weft.plan.model import Call, Node
from weft.plan.peers import PickedPeer, Target
from weft.plan.prompts import prompt_of, suspects_in
from weft.plan.walk import At, Walk

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


async def run_call(walk: Walk, node: Node, at: At) -> Result:
    if not isinstance(node, Call):
        raise TypeError(f"not a call: {node.kind}")
    frame, schema = walk.plan.frame or {}, node.output_schema
    call = PeerCall(
        kind="call",
        path=at.path,
        target=Target(
            node.capability,
            node.peer,
            node.role,
            str(frame.get("domain", "general")),
            grants=node.grants,
        ),
        prompt=prompt_of(walk, node.prompt, at),
        arguments=node.arguments or {},
        grants=granted(walk, node, at, perform=perform),
        context=node.context,
        risk=node.risk,
        about=suspects_in(node.prompt, at),
        output_schema=schema,
        retries=node.retries,
        read=None if schema is None else lambda result: held_to(schema, result, at.path),
    )
    return await perform(walk, call, at)


async def perform(walk: Walk, call: PeerCall, at: At) -> Result:
    """Return the step's recorded result, or have it done and record it."""
    stored = walk.journal.steps.get(call.path)
    if stored is not None:
        if walk.on_adopted is not None:
            walk.on_adopted(task_of(walk, call, at, ""))
        return adopted(walk, call, at, stored)
    spent = spent_before(walk, call.path, at.purse)
    if _was(spent.last, UNKNOWN):
        call = replace(call, target=_next_target(call.target, _peer_of(spent.last), lost=True))
    if spent.last is not None and spent.last.get("final") is True:
        return Result.model_validate(spent.last).model_copy(update={"usage": spent.usage})
    while True:
        result, picked, attempt = await _once(walk, call, at, spent)
        if result.ok:
            return await finish(walk, call, at, attempt, _spending(result, spent.usage))
        if result.status in {"interrupted", "canceled"} or attempt is None:
            return _spending(result, spent.usage)
        lost = _codes(result) == {UNKNOWN}
        twice = UNREADABLE in _codes(result) and _was(spent.last, UNREADABLE)
        # A lost attempt is only made again where a person said so, who is not to be counted.
        within = lost or (spent.attempts < call.retries and not twice)
        again = within and _may_repeat(call, result, picked)
        record = await record_failure(walk, call, attempt, result, before=spent, again=again)
        if not again:
            return _spending(result, spent.usage)
        spent = spent.and_(record)
        await _rest(walk, at, pause_after(walk, spent.attempts))
        call = replace(call, target=_next_target(call.target, attempt.peer, lost=lost))


async def _once(
    walk: Walk, call: PeerCall, at: At, spent: Spent
) -> tuple[Result, PickedPeer | None, Attempt | None]:
    number = spent.attempts + 1
    await walk.last_step.settle()
    refused = walk.refusal(at)
    if refused is not None:
        return _refused(walk, call, refused), None, None
    message_id = message_id_of(walk.journal.run_id, call.path, spent.answered + 1)
    decided = decision(walk, call, message_id, number)
    if decided is not None:
        return decided[0], None, decided[1]
    attempt = Attempt(number, message_id, call.target.name, walk.clock.monotonic())
    result, picked, attempt = await _reached(walk, call, at, attempt, spent)
    if (unreached(result) or _is_away(result)) and _perhaps_done(walk, call, picked, spent):
        message = f"{result.reasons[0].message}; it may have taken the task before"
        result = failed(UNKNOWN, message, call.path, peer=attempt.peer)
    if picked is None and _codes(result) != {UNKNOWN}:
        walk.outcomes.end(call.path, "failed")
        data = events.StepEnd(kind=call.kind, attempt=number, reasons=result.reasons)
        walk.journal.emit(events.StepFailed(path=call.path, data=data))
        return result, None, None
    # A verdict may be readable where the whole answer has not its form.
    in_words = call.kind == "judge" and _codes(result) == {OUTPUT_INVALID}
    if call.read is not None and (result.ok or in_words):
        result = call.read(result)
    return await settled(walk, call, picked, attempt, result), picked, attempt


async def _reached(
    walk: Walk, call: PeerCall, at: At, attempt: Attempt, spent: Spent
) -> tuple[Result, PickedPeer | None, Attempt]:
    """Make the attempt, and wait for a peer that is gone, as one that restarts is.

    Only where another attempt is left and nobody can have the task yet, another provider is asked
    at once.
    """
    give_up_at = walk.clock.monotonic() + walk.pace.restart_seconds
    pause, started = walk.pace.retry_seconds, ""
    while True:
        picked, result = _picked(walk, call)
        if picked is not None:
            attempt = replace(attempt, peer=picked.peer.name)
            if started != attempt.peer:
                started = attempt.peer
                _tell_start(walk, call, attempt)
            result = await attempt_once(walk, call, at, picked, attempt)
            if not unreached(result) or result.usage != NO_USAGE:
                # What reached nobody costs nothing.
                at.purse.spend(result.usage)
        last = picked is None or spent.attempts >= call.retries
        in_doubt = _perhaps_done(walk, call, picked, spent)
        # Who has been away for longer than a restart takes is waited for only where it may have the task.
        waits = (unreached(result) and (last or in_doubt)) or (_is_away(result) and in_doubt)
        late = walk.clock.monotonic() + pause >= give_up_at
        if not waits or late or walk.refusal(at) is not None:
            return result, picked, attempt
        await _rest(walk, at, pause)
        if walk.refusal(at) is not None:
            # What was left before may have gone elsewhere meanwhile.
            return result, picked, attempt
        pause = min(2 * pause, LONGEST_PAUSE)


async def _rest(walk: Walk, at: At, seconds: float) -> None:
    """Wait, but not beyond the step's time."""
    left = seconds if at.deadline is None else at.deadline.remaining(walk.clock)
    await asyncio.sleep(max(min(seconds, left), 0.0))


def _picked(walk: Walk, call: PeerCall) -> tuple[PickedPeer | None, Result]:
    """Return who does the step now, or why nobody does."""
    try:
        return walk.peers.pick(call.target, walk.authority.principal), Result(status="failed")
    except WeftError as error:
        peer = error.peers[0] if isinstance(error, PeerAwayError) else None
        return None, failed(error.code, str(error), call.path, peer=peer, retryable=error.retryable)


def _is_away(result: Result) -> bool:
    return _codes(result) == {PeerAwayError.code}


def _tell_start(walk: Walk, call: PeerCall, attempt: Attempt) -> None:
    start = events.StepStart(
        kind=call.kind, peer=attempt.peer, attempt=attempt.number, task_id=attempt.message_id
    )
    walk.journal.emit(events.StepStarted(path=call.path, agent=attempt.peer, data=start))


def _perhaps_done(walk: Walk, call: PeerCall, picked: PickedPeer | None, spent: Spent) -> bool:
    """Tell whether a peer that cannot be reached now may have been reached before.

    Another owner of the run may have sent the message, an attempt may have been lost, or the peer
    may wait for the answer to its own question.
    """
    if call.kind == "judge" or (picked is not None and picked.effects == "none"):
        return False
    held = walk.journal.held
    recovered = held is not None and held.epoch > 1
    return recovered or _was(spent.last, UNKNOWN) or was_asked(walk, call.path)


def _may_repeat(call: PeerCall, result: Result, picked: PickedPeer | None) -> bool:
    """Tell whether the failure invites another attempt and nothing can be done twice by it."""
    codes = _codes(result)
    if not codes or codes & NEVER_AGAIN or not result.reasons[0].retryable:
        return False
    if call.kind == "judge" or (picked is not None and picked.effects == "none"):
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


def _refused(walk: Walk, call: PeerCall, why: Reason) -> Result:
    walk.outcomes.end(call.path, "not_started")
    placed = why.model_copy(update={"path": call.path})
    if why.code == "canceled":
        return Result(status="canceled", reasons=(placed,))
    data = events.StepEnd(kind=call.kind, reasons=(placed,))
    walk.journal.emit(events.StepFailed(path=call.path, data=data))
    return Result(status="failed", reasons=(placed,))


def _spending(result: Result, before: Usage) -> Result:
    """Return the result with what the attempts before it took, too."""
    if before == NO_USAGE:
        return result
    return result.model_copy(update={"usage": before + result.usage})
