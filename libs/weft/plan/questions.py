"""Questions that a call's peer left open, and the one about an outcome nobody can tell."""

from weft.core import Interrupt, JsonObject, JsonValue, Path, Result, name_digest
from weft.plan.engine import Engine
from weft.plan.jobs import Assignment, Attempt, failed
from weft.plan.peers import Picked

UNKNOWN = "outcome_unknown"
CHOICES = ("retry", "accept", "fail")


async def settled(
    engine: Engine, job: Assignment, picked: Picked, attempt: Attempt, result: Result
) -> Result:
    """Turn what cannot stay open into a question, and remember what was asked."""
    unknown = any(reason.code == UNKNOWN for reason in result.reasons)
    if result.status == "failed" and unknown and picked.effects != "none":
        if job.risk != "low":
            return _ask_about(engine, job, attempt, result)
        message = "nobody can tell what was done"
        return failed(UNKNOWN, message, job.path, peer=attempt.peer)
    if result.status == "interrupted":
        await _remember(engine, job.path, result.interrupts)
    return result


def _ask_about(engine: Engine, job: Assignment, attempt: Attempt, result: Result) -> Result:
    question = Interrupt(
        id=name_digest(f"outcome_unknown:{attempt.message_id}"),
        reason="outcome_unknown",
        message=f"Nobody can tell whether {attempt.peer} did its work. What now?",
        path=job.path,
        agent=attempt.peer,
        options=CHOICES,
    )
    answer = engine.journal.steps.get(("interrupt", question.id))
    if answer is None:
        return Result(status="interrupted", interrupts=(question,), usage=result.usage)
    chosen = answer.get("answer")
    if chosen == "accept":
        text = result.text or "Accepted without a known outcome."
        return Result(status="completed", text=text, usage=result.usage, partial=True)
    message = "nobody can tell what was done"
    again = chosen == "retry"
    return failed(UNKNOWN, message, job.path, peer=attempt.peer, retryable=again)


async def _remember(engine: Engine, path: Path, interrupts: tuple[Interrupt, ...]) -> None:
    """Keep which questions are this step's, so that their answers reach it and nobody else."""
    known = _asked(engine, path)
    fresh: list[JsonValue] = [each.id for each in interrupts if each.id not in known]
    if fresh:
        number = sum(1 for key in engine.journal.steps if key[:-1] == path and key[-1][0] == "?")
        await engine.journal.record((*path, f"?{number + 1}"), {"interrupts": fresh})


def _asked(engine: Engine, path: Path) -> set[str]:
    found: set[str] = set()
    number = 1
    while (record := engine.journal.steps.get((*path, f"?{number}"))) is not None:
        ids = record.get("interrupts")
        found.update(str(each) for each in (ids if isinstance(ids, list) else ()))
        number += 1
    return found


def answers_for(engine: Engine, path: Path) -> JsonObject:
    steps = engine.journal.steps
    if not steps:
        return {}
    given = {each: steps.get(("interrupt", each)) for each in sorted(_asked(engine, path))}
    return {each: answer.get("answer") for each, answer in given.items() if answer is not None}
