"""What a call leaves behind: its attempts, and the result that is never made again."""

from dataclasses import dataclass

from weft.checkpoint import StepWrite
from weft.core import NO_USAGE, JsonObject, Path, Result, Usage
from weft.events import preview
from weft.plan import events
from weft.plan.budgets import Purse
from weft.plan.calls.attempts import since
from weft.plan.calls.call import Attempt, PeerCall
from weft.plan.walk import At, Walk

UNREACHED = "peer_unavailable"
UNKNOWN = "outcome_unknown"
_UNANSWERED = frozenset({UNREACHED, UNKNOWN})


@dataclass(frozen=True, slots=True)
class Spent:
    """The attempts made so far, and what they took."""

    attempts: int = 0
    answered: int = 0
    """Those that a peer ended. After any other the same message is sent again, under its id, so
    that a peer that took it goes on with it."""
    last: JsonObject | None = None
    usage: Usage = NO_USAGE

    def and_(self, record: JsonObject) -> "Spent":
        return Spent(
            attempts=self.attempts + 1,
            answered=self.answered + int(was_answered(record)),
            last=record,
            usage=self.usage + Usage.model_validate(record.get("usage") or {}),
        )


def spent_before(walk: Walk, path: Path, purse: Purse) -> Spent:
    """Return what earlier owners of the run spent on the step, and take it from the purse."""
    spent = Spent()
    while (record := walk.journal.steps.get((*path, f"~{spent.attempts + 1}"))) is not None:
        spent = spent.and_(record)
        purse.spend(Usage.model_validate(record.get("usage") or {}))
    return spent


def was_answered(record: JsonObject) -> bool:
    """Tell whether the peer itself ended the attempt, as far as its record says."""
    reasons = Result.model_validate(record).reasons
    return not reasons or any(reason.code not in _UNANSWERED for reason in reasons)


def unreached(result: Result) -> bool:
    """Tell whether the attempt certainly reached nobody."""
    return bool(result.reasons) and all(reason.code == UNREACHED for reason in result.reasons)


def pause_after(walk: Walk, number: int) -> float:
    """Return how long to wait after attempt `number`, in seconds."""
    return float(walk.pace.retry_seconds * 2 ** (number - 1))


async def record_failure(
    walk: Walk, call: PeerCall, attempt: Attempt, result: Result, *, before: Spent, again: bool
) -> JsonObject:
    """Write down that the attempt is spent, with what it says of it to the world.

    Where no other follows, the world is told what all attempts took together.
    """
    event: events.StepRetried | events.StepFailed
    if again:
        why = result.reasons[0].code if result.reasons else result.status
        retry = events.StepRetry(
            kind=call.kind,
            peer=attempt.peer,
            attempt=attempt.number + 1,
            delay_seconds=pause_after(walk, attempt.number),
            reason=why,
        )
        event = events.StepRetried(path=call.path, agent=attempt.peer, data=retry)
    else:
        lost = any(reason.code == UNKNOWN for reason in result.reasons)
        walk.outcomes.end(call.path, "unknown" if lost else "failed")
        end = events.StepEnd(
            kind=call.kind,
            peer=attempt.peer,
            attempt=attempt.number,
            reasons=result.reasons,
            usage=before.usage + result.usage,
            duration_ms=since(walk, attempt),
        )
        event = events.StepFailed(path=call.path, agent=attempt.peer, data=end)
    record = {**compact(result), "peer": attempt.peer, "final": not again}
    return await walk.last_step.keep(
        StepWrite((*call.path, f"~{attempt.number}"), record, (event,))
    )


async def finish(
    walk: Walk, call: PeerCall, at: At, attempt: Attempt | None, result: Result
) -> Result:
    if attempt is None:
        return result
    outcome = {**compact(result), "peer": attempt.peer}
    data = events.StepOutcome(
        kind=call.kind,
        peer=attempt.peer,
        attempt=attempt.number,
        output_preview=preview(result.text),
        usage=result.usage,
        duration_ms=since(walk, attempt),
        partial=result.partial,
    )
    event = events.StepFinished(path=call.path, agent=attempt.peer, data=data)
    stored = await walk.last_step.keep(StepWrite(call.path, outcome, (event,)))
    if stored is not outcome and stored != outcome:
        return adopted(walk, call, at, stored)
    walk.outcomes.end(call.path, "done")
    at.scope.authors[call.path[-1]] = frozenset({attempt.peer})
    return result


def adopted(walk: Walk, call: PeerCall, at: At, stored: JsonObject) -> Result:
    walk.outcomes.end(call.path, "done")
    at.scope.authors[call.path[-1]] = frozenset({str(stored.get("peer") or "")})
    result = Result.model_validate(stored)
    at.purse.spend(result.usage)
    return result


def compact(result: Result) -> JsonObject:
    """Return the result's JSON without what has its default."""
    return result.model_dump(mode="json", exclude_defaults=True)
