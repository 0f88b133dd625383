"""Questions that a call's peer left open, and the one about an outcome nobody can tell."""

from weft.core import Interrupt, JsonObject, JsonValue, Path, Result, name_digest, option_of
from weft.plan.calls.call import Attempt, PeerCall, failed
from weft.plan.peers import PickedPeer
from weft.plan.walk import Walk

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
    walk: Walk, call: PeerCall, picked: PickedPeer | None, attempt: Attempt, result: Result
) -> Result:
    """Turn what cannot stay open into a question, and remember what was asked."""
    unknown = any(reason.code == UNKNOWN for reason in result.reasons)
    if result.status == "failed" and unknown and (picked is None or picked.effects != "none"):
        if call.risk != "low" or picked is None or picked.risk != "low":
            return await _ask_about(walk, call, attempt, result)
    elif result.status == "interrupted":
        await _remember(walk, call.path, result.interrupts)
    return result


async def _ask_about(walk: Walk, call: PeerCall, attempt: Attempt, result: Result) -> Result:
    question = Interrupt(
        id=_question_id(attempt.message_id, attempt.number),
        reason="outcome_unknown",
        message=f"Nobody can tell whether {attempt.peer} did its work. What now?",
        path=call.path,
        agent=attempt.peer,
        response_schema=_RESPONSE,
        options=CHOICES,
    )
    place = (*call.path, f"!{attempt.number}")
    if place not in walk.journal.steps:
        await walk.journal.record(place, {"peer": attempt.peer})
    return Result(status="interrupted", interrupts=(question,), usage=result.usage)


def decision(
    walk: Walk, call: PeerCall, message_id: str, number: int
) -> tuple[Result, Attempt] | None:
    """Return what a person said the lost attempt `number` came to, before it is made once more."""
    answer = walk.journal.steps.get(("interrupt", _question_id(message_id, number)))
    if answer is None:
        return None
    question = walk.journal.steps.get((*call.path, f"!{number}")) or {}
    peer = str(question.get("peer") or "")
    attempt = Attempt(number, message_id, peer, walk.clock.monotonic())
    chosen = option_of(answer.get("answer"))
    if chosen == "accept":
        text = "Accepted without a known outcome."
        return Result(status="completed", text=text, partial=True), attempt
    again = chosen == "retry"
    return failed(UNKNOWN, _NOBODY_KNOWS, call.path, peer=peer, retryable=again), attempt


def was_asked(walk: Walk, path: Path) -> bool:
    """Tell whether the step's peer asked something: it knows the task."""
    return bool(_asked(walk, path))


def _question_id(message_id: str, number: int) -> str:
    return name_digest(f"outcome_unknown:{message_id}:{number}")


async def _remember(walk: Walk, path: Path, interrupts: tuple[Interrupt, ...]) -> None:
    """Keep which questions are this step's, so that their answers reach it and nobody else."""
    earlier = _asked(walk, path)
    fresh: list[JsonValue] = [question.id for question in interrupts if question.id not in earlier]
    if fresh:
        number = sum(1 for key in walk.journal.steps if key[:-1] == path and key[-1][0] == "?")
        await walk.journal.record((*path, f"?{number + 1}"), {"interrupts": fresh})


def _asked(walk: Walk, path: Path) -> set[str]:
    ids: set[str] = set()
    number = 1
    while (record := walk.journal.steps.get((*path, f"?{number}"))) is not None:
        listed = record.get("interrupts")
        ids.update(map(str, listed if isinstance(listed, list) else ()))
        number += 1
    return ids


def answers_for(walk: Walk, path: Path) -> JsonObject:
    steps = walk.journal.steps
    if not steps:
        return {}
    own = _asked(walk, path) - _asked_below(walk, path)
    given = {name: steps.get(("interrupt", name)) for name in sorted(own)}
    return {name: answer.get("answer") for name, answer in given.items() if answer is not None}


def _asked_below(walk: Walk, path: Path) -> set[str]:
    """Return what was asked in uses of what the step's peer was granted: not that peer's questions."""
    depth = len(path)
    places = {
        key[:-1]
        for key in walk.journal.steps
        if len(key) > depth + 1 and key[:depth] == path and key[-1][:1] == "?"
    }
    return {name for place in places for name in _asked(walk, place)}
