"""What caller and agent said to each other about a task: a list of messages, kept as they came.

The message that made the task stands in its request. Each one after it is kept in the commit that
takes it, behind the question that it answers.
"""

from collections.abc import Mapping, Sequence
from functools import reduce

from weft.a2a.server.views import question_id
from weft.a2a.wire.models import WireMessage
from weft.a2a.wire.outcomes import question_parts
from weft.a2a.wire.parts import to_wire
from weft.checkpoint import Run, RunStore, entry_path
from weft.core import UNLIMITED, Budget, JsonObject, Path, Principal
from weft.runs import PeerRequest

_SPENDABLE = {"tokens", "cost_usd", "calls"}
_UNANSWERED = frozenset({"running", "completed", "failed"})
"""A run in such a state that was claimed once only was never answered."""


def request_of(message: WireMessage) -> PeerRequest:
    """Return the message as its task keeps it: what it says is parts, as anywhere in the mesh."""
    return PeerRequest(
        message_id=message.message_id,
        sender="agent" if message.role == "ROLE_AGENT" else "user",
        parts=message.content,
        metadata=message.metadata or {},
        extensions=message.extensions or (),
        references=message.reference_task_ids or (),
    )


def entry_of(run: Run, message: WireMessage, *, left: Budget) -> JsonObject:
    """Return what a task keeps of a further message: the question as it was put, and the answer.

    `left` is what the task may spend in all from now on, what it spent before included.
    """
    answer = request_of(message).to_json()
    budget = left.model_dump(mode="json", exclude_none=True, include=_SPENDABLE)
    if run.status != "interrupted":
        return {"messages": [answer]}
    question = PeerRequest(
        message_id=question_id(run, run.last_seq),
        sender="agent",
        parts=question_parts(run.interrupts, extended=False),
    )
    return {"messages": [question.to_json(), answer], "budget": budget}


def left_of(steps: Mapping[Path, JsonObject]) -> Budget:
    """Return the least that any message said is left, of the steps of a task's run."""
    budgets = (
        entry.get("budget") for path, entry in steps.items() if path[:1] == entry_path(1)[:1]
    )
    said = [Budget.model_validate(budget) for budget in budgets if isinstance(budget, dict)]
    return reduce(Budget.within, said, UNLIMITED)


def opening(run: Run) -> list[JsonObject]:
    """Return the message that made the task, and no other."""
    if run.operation != PeerRequest.operation:
        return []
    return [_shown(PeerRequest.of(run))]


async def conversation(store: RunStore, principal: Principal, run: Run) -> list[JsonObject]:
    """Return all messages of the task, oldest first; an open question stands in its status."""
    messages = opening(run)
    if run.epoch <= 1 and run.status in _UNANSWERED:
        return messages
    number = 1
    while (entry := await store.step(principal, run.run_id, entry_path(number))) is not None:
        listed = entry.get("messages")
        if isinstance(listed, list):
            messages.extend(_shown(PeerRequest.model_validate(kept)) for kept in listed)
        number += 1
    return messages


def history(run: Run, messages: Sequence[JsonObject], length: int | None) -> list[JsonObject]:
    """Return the last `length` messages as the task shows them, all where None."""
    last = messages if length is None else messages[len(messages) - min(length, len(messages)) :]
    return [{**message, "taskId": run.run_id, "contextId": run.thread_id} for message in last]


def _shown(request: PeerRequest) -> JsonObject:
    """Return the message of a request as the protocol spells it."""
    shown: JsonObject = {
        "messageId": request.message_id,
        "role": "ROLE_USER" if request.sender == "user" else "ROLE_AGENT",
        "parts": to_wire(request.parts),
    }
    if request.metadata:
        shown["metadata"] = request.metadata
    if request.extensions:
        shown["extensions"] = [*request.extensions]
    if request.references:
        shown["referenceTaskIds"] = [*request.references]
    return shown
