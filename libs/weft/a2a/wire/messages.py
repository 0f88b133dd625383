"""A task as the message that asks for it; the inverse stands in `weft.a2a.server.executor`."""

import hashlib

from weft.a2a.wire.models import LIMIT_MEMBERS, OWN_METADATA, RESERVED_METADATA, SKILL
from weft.a2a.wire.parts import to_wire
from weft.core import JsonObject, JsonValue, Message
from weft.core.messages import PEER_CONTEXTS
from weft.loop import Task
from weft.tools import Tool


def message_of(task: Task, *, context_id: str | None) -> JsonObject:
    """Return the message; equal tasks give equal content, so a repeat is known as one."""
    message: JsonObject = {
        "messageId": task.message_id,
        "role": "ROLE_USER",
        "parts": to_wire(task.parts),
        "metadata": _metadata(task),
    }
    if context_id is not None:
        message["contextId"] = context_id
    return message


def answer_of(task: Task, task_id: str) -> JsonObject:
    """Return the message that answers the open questions of `task_id`."""
    responses: list[JsonValue] = [
        {"interruptId": interrupt_id, "status": "resolved", "payload": answer}
        for interrupt_id, answer in sorted(task.answers.items())
    ]
    named = "\n".join([task.message_id, *sorted(task.answers)])
    return {
        "messageId": hashlib.sha256(named.encode()).hexdigest()[:32],
        "role": "ROLE_USER",
        "taskId": task_id,
        "parts": [{"data": {"responses": responses}}],
    }


def context_of(task: Task) -> str | None:
    """Return the conversation that this place of the caller's thread has with the peer.

    It differs from the caller's own thread and between places, so that neither branches side by
    side nor an agent that is called again from below waits for itself.
    """
    if task.thread_id is None:
        return None
    place = [step.partition("#")[0] for step in task.path]
    named = "\n".join([task.thread_id, *place])
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def _metadata(task: Task) -> JsonObject:
    budget = task.authority.budget
    limits = (budget.tokens, budget.cost_usd, budget.seconds, budget.hops)
    metadata: JsonObject = {}
    hidden: JsonObject = {}
    for name, value in task.metadata.items():
        # Whoever asked may call something of his own so; he sets no limit by it, and no role.
        (hidden if name in RESERVED_METADATA else metadata)[name] = value
    metadata.update(
        {
            name: limit
            for name, limit in zip(LIMIT_MEMBERS, limits, strict=True)
            if limit is not None
        }
    )
    if task.capability:
        # A capability is a service's skill; its card knows it without the service's name.
        metadata[SKILL] = task.capability.rpartition("/")[2]
    own: JsonObject = {
        "role": task.role,
        "grants": [_grant(tool) for tool in task.grants],
        "outputSchema": task.output_schema,
        "history": [_turn(message) for message in task.history],
        "metadata": hidden,
    }
    if any(own.values()):
        metadata[OWN_METADATA] = {name: value for name, value in own.items() if value}
    return metadata


def _turn(message: Message) -> JsonObject:
    """Return an earlier turn; what a thread says to others is no affair of a peer's."""
    kept = {name: value for name, value in message.metadata.items() if name != PEER_CONTEXTS}
    return {**message.to_json(), "metadata": kept}


def _grant(tool: Tool) -> JsonObject:
    return {
        "name": tool.name,
        "description": tool.description,
        "reads": tool.only_reads,
        "examples": list(tool.examples),
    }
