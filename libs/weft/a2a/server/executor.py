"""The other end of a task: a claimed run, carried out by this agent."""

from pydantic import ValidationError

from weft.a2a.server.grants import granted
from weft.a2a.wire.models import OWN_METADATA, RESERVED_METADATA, WireMessage
from weft.checkpoint import Claimed, Journal
from weft.core import JsonObject, JsonValue, Message
from weft.core.errors import InputError
from weft.loop import Peer, Task, carried_out
from weft.runs import Execute, PeerRequest, RunOutcome


def execute_task(peer: Peer) -> Execute:
    """Return what a worker calls with each claimed task: `peer` does it, the run's log tells it."""

    async def execute(claimed: Claimed, journal: Journal) -> RunOutcome:
        return RunOutcome(await carried_out(peer, task_in(claimed, journal), journal))

    return execute


def task_in(claimed: Claimed, journal: Journal) -> Task:
    """Return the task as its caller meant it, with the authority that came with it."""
    run = claimed.run
    message = WireMessage.model_validate(PeerRequest.of(run).message)
    metadata = message.metadata or {}
    told = metadata.get(OWN_METADATA)
    own = told if isinstance(told, dict) else {}
    return Task(
        parts=message.content,
        message_id=message.message_id,
        authority=run.authority(),
        metadata=_authored(metadata, own),
        history=_history(own),
        role=_text(own.get("role")),
        grants=granted(own.get("grants")),
        output_schema=_object(own.get("outputSchema")),
        thread_id=run.thread_id,
        answers=_answers(claimed),
        journal=journal,
    )


def _authored(metadata: JsonObject, own: JsonObject) -> JsonObject:
    """Return what stood in the metadata before ours was added."""
    plain = {name: value for name, value in metadata.items() if name not in RESERVED_METADATA}
    return {**plain, **(_object(own.get("metadata")) or {})}


def _history(own: JsonObject) -> tuple[Message, ...]:
    try:
        return tuple(Message.model_validate(each) for each in _list(own.get("history")))
    except ValidationError as error:
        raise InputError(f"the history in the metadata {OWN_METADATA!r} is none") from error


def _answers(claimed: Claimed) -> JsonObject:
    return {
        path[1]: outcome.get("answer")
        for path, outcome in claimed.steps.items()
        if len(path) == 2 and path[0] == "interrupt"  # noqa: PLR2004 - (kind, id)
    }


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _object(value: JsonValue) -> JsonObject | None:
    return value if isinstance(value, dict) else None


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
