"""Questions that a call's peer left open, and the one about an outcome nobody can tell."""

from weft.core import Interrupt, JsonObject, JsonValue, Path, Result, name_digest, option_of
from weft.plan.engine import Engine
from weft.plan.jobs import Assignment, Attempt, failed
from weft.plan.peers import PickedPeer

UNKNOWN = "outcome_unknown"
CHOICES = ("retry", "accept", "fail")
_RESPONSE: JsonObject = {
    "type": "object",
    "properties": {"outcome": {"enum": [*CHOICES]}},
    "required": ["outcome"],
    "additionalProperties": False,
}
_NOBODY_KNOWS = "nobody can tell what was done"


async def settled(
    engine: Engine, job: Assignment, picked: PickedPeer | None, attempt: Attempt, result: Result
) -> Result:
    """Turn what cannot stay open into a question, and remember what was asked."""
    unknown = any(reason.code == UNKNOWN for reason in result.reasons)
    if result.status == "failed" and unknown and (picked is None or picked.effects != "none"):
        if job.risk != "low" or picked is None or picked.risk != "low":
            return await _ask_about(engine, job, attempt, result)
    elif result.status == "interrupted":
        await _remember(engine, job.path, result.interrupts)
    return result


async def _ask_about(engine: Engine, job: Assignment, attempt: Attempt, result: Result) -> Result:
    question = Interrupt(
        id=_question_id(attempt.message_id, attempt.number),
        reason="outcome_unknown",
        message=f"Nobody can tell whether {attempt.peer} did its work. What now?",
        path=job.path,
        agent=attempt.peer,
        response_schema=_RESPONSE,
        options=CHOICES,
    )
    place = (*job.path, f"!{attempt.number}")
    if place not in engine.journal.steps:
        await engine.journal.record(place, {"peer": attempt.peer})
    return Result(status="interrupted", interrupts=(question,), usage=result.usage)


def decision(
    engine: Engine, job: Assignment, message_id: str, number: int
) -> tuple[Result, Attempt] | None:
    """Return what a person said the lost attempt `number` came to, before it is made once more."""
    answer = engine.journal.steps.get(("interrupt", _question_id(message_id, number)))
    if answer is None:
        return None
    asked = engine.journal.steps.get((*job.path, f"!{number}")) or {}
    peer = str(asked.get("peer") or "")
    attempt = Attempt(number, message_id, peer, engine.clock.monotonic())
    chosen = option_of(answer.get("answer"))
    if chosen == "accept":
        text = "Accepted without a known outcome."
        return Result(status="completed", text=text, partial=True), attempt
    again = chosen == "retry"
    return failed(UNKNOWN, _NOBODY_KNOWS, job.path, peer=peer, retryable=again), attempt


def was_asked(engine: Engine, path: Path) -> bool:
    """Tell whether the step's peer asked something: it knows the task."""
    return bool(_asked(engine, path))


def _question_id(message_id: str, number: int) -> str:
    return name_digest(f"outcome_unknown:{message_id}:{number}")


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
