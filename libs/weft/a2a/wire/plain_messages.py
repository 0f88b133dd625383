"""What an agent outside the mesh is told: what is said, and nothing of who says it, or of the run."""

import hashlib
from uuid import UUID

from weft.a2a.wire.models import LIMIT_MEMBERS
from weft.a2a.wire.parts import to_wire
from weft.core import DECLINED, JsonObject, JsonValue, Part, Parts, dumps, parts_of
from weft.loop import Task


def plain_message_of(task: Task, *, context_id: str | None, limited: bool) -> JsonObject:
    """Return the message that asks for `task`; `limited` says what it may spend, too."""
    message = _message(task.message_id, task.parts, context_id)
    if limited:
        budget = task.authority.budget
        limits = (budget.tokens, budget.cost_usd, task.authority.remaining(), budget.hops)
        message["metadata"] = {
            name: limit
            for name, limit in zip(LIMIT_MEMBERS, limits, strict=True)
            if limit is not None
        }
    return message


def plain_answer_of(
    task: Task, task_id: str, question: str, *, context_id: str | None
) -> JsonObject:
    """Return the message that answers a question of `task_id`, in words where there are any."""
    parts = _answered(task.answers[question])
    message = _message(f"{task.message_id}\n{question}", parts, context_id)
    return {**message, "taskId": task_id}


def _message(name: str, parts: Parts, context_id: str | None) -> JsonObject:
    message: JsonObject = {
        # Of a form that others, too, take for a name that nobody gives twice.
        "messageId": f"{UUID(hashlib.sha256(name.encode()).hexdigest()[:32])}",
        "role": "ROLE_USER",
        "parts": to_wire(parts),
    }
    if context_id is not None:
        message["contextId"] = context_id
    return message


def _answered(answer: JsonValue) -> Parts:
    if answer == DECLINED:
        return parts_of("There is no answer to this.")
    if answer is None:
        return parts_of("It is done: go on.")
    if isinstance(answer, dict) and set(answer) == {"parts"}:
        return tuple(Part.model_validate(part) for part in _listed(answer["parts"]))
    if isinstance(answer, dict | list):
        return (Part(data=answer),)
    return parts_of(answer if isinstance(answer, str) else dumps(answer).decode())


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
