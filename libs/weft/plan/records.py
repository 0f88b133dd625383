"""What a call leaves behind: its attempts, and the result that is never made again."""

from dataclasses import dataclass

from weft.checkpoint import StepWrite
from weft.core import NO_USAGE, JsonObject, Path, Result, Usage
from weft.events import preview
from weft.plan import events
from weft.plan.attempts import since
from weft.plan.budgets import Purse
from weft.plan.engine import At, Engine
from weft.plan.jobs import Assignment, Attempt

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


def spent_before(engine: Engine, path: Path, purse: Purse) -> Spent:
    """Return what earlier owners of the run spent on the step, and take it from the purse."""
    spent = Spent()
    while (record := engine.journal.steps.get((*path, f"~{spent.attempts + 1}"))) is not None:
        spent = spent.and_(record)
        purse.spend(Usage.model_validate(record.get("usage") or {}))
    return spent


def was_answered(record: JsonObject) -> bool:
    """Tell whether the peer itself ended the attempt, as far as its record says."""
    reasons = Result.model_validate(record).reasons
    return not reasons or any(reason.code not in _UNANSWERED for reason in reasons)


def unreached(result: Result) -> bool:
    """Tell whether the attempt certainly reached nobody."""
    return bool(result.reasons) and all(each.code == UNREACHED for each in result.reasons)


def pause_after(engine: Engine, number: int) -> float:
    """Return how long to wait after attempt `number`, in seconds."""
    return float(engine.pace.retry_seconds * 2 ** (number - 1))


async def record_failure(
    engine: Engine, job: Assignment, attempt: Attempt, result: Result, *, again: bool
) -> JsonObject:
    """Write down that the attempt is spent, with what it says of it to the world."""
    told: events.StepRetried | events.StepFailed
    if again:
        why = result.reasons[0].code if result.reasons else result.status
        retry = events.StepRetry(
            kind=job.kind,
            peer=attempt.peer,
            attempt=attempt.number + 1,
            delay_seconds=pause_after(engine, attempt.number),
            reason=why,
        )
        told = events.StepRetried(path=job.path, agent=attempt.peer, data=retry)
    else:
        lost = any(reason.code == UNKNOWN for reason in result.reasons)
        engine.calls[job.path] = "unknown" if lost else "failed"
        end = events.StepEnd(
            kind=job.kind,
            peer=attempt.peer,
            attempt=attempt.number,
            reasons=result.reasons,
            usage=result.usage,
            duration_ms=since(engine, attempt),
        )
        told = events.StepFailed(path=job.path, agent=attempt.peer, data=end)
    record = {**compact(result), "peer": attempt.peer, "final": not again}
    return await engine.keep(StepWrite((*job.path, f"~{attempt.number}"), record, (told,)))


async def finish(
    engine: Engine, job: Assignment, at: At, attempt: Attempt | None, result: Result
) -> Result:
    if attempt is None:
        return result
    outcome = {**compact(result), "peer": attempt.peer}
    data = events.StepOutcome(
        kind=job.kind,
        peer=attempt.peer,
        attempt=attempt.number,
        output_preview=preview(result.text),
        usage=result.usage,
        duration_ms=since(engine, attempt),
        partial=result.partial,
    )
    told = events.StepFinished(path=job.path, agent=attempt.peer, data=data)
    stored = await engine.keep(StepWrite(job.path, outcome, (told,)))
    if stored is not outcome and stored != outcome:
        return adopted(engine, job, at, stored)
    engine.calls[job.path] = "done"
    at.scope.authors[job.path[-1]] = frozenset({attempt.peer})
    return result


def adopted(engine: Engine, job: Assignment, at: At, stored: JsonObject) -> Result:
    engine.calls[job.path] = "done"
    at.scope.authors[job.path[-1]] = frozenset({str(stored.get("peer") or "")})
    result = Result.model_validate(stored)
    at.purse.spend(result.usage)
    return result


def compact(result: Result) -> JsonObject:
    """Return the result's JSON without what has its default."""
    return result.model_dump(mode="json", exclude_defaults=True)
