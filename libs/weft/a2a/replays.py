"""Walking again what was done for a caller's run: a method of this mesh beside those of A2A.

Whoever worked for a run holds what its models said and its tools brought, and alone has the code that
made something of it. It walks its own loops again and says where they first come out otherwise; nobody
and nothing is called for it, and nothing is written.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final

from pydantic import Field, ValidationError

from weft.a2a.wire.models import Scoped
from weft.checkpoint import Run
from weft.core import JsonObject, JsonValue, Parts, Path, Principal, Record, RunId, dumps, text_of
from weft.core.protocol_errors import InvalidPeerAnswerError
from weft.loop import LoopReplay
from weft.runs import A2A_SEND, PeerRequest, Runs

__all__ = ["MAX_REPLAYS", "Replays", "TaskReplay", "asked_digest", "asked_words", "tasks_in"]

METHOD: Final = "ReplayRun"
MAX_REPLAYS = 100
"""Tasks in one call."""
LONGEST = 4000
"""Of what was asked, where something else would be asked now."""
Replays = Callable[[Run, Mapping[Path, JsonObject]], Awaitable[LoopReplay]]
"""Walks one task again, given what is stored of it."""
_Id = Annotated[str, Field(min_length=1, max_length=512)]


class ReplayRequest(Scoped):
    """Names a mesh-wide run of the caller's, and what its messages would say now, by their ids."""

    run: Annotated[str, Field(min_length=1, max_length=64)]
    said: Annotated[
        dict[_Id, Annotated[str, Field(max_length=64)]],
        Field(max_length=1000, default_factory=dict),
    ]


class TaskReplay(Record):
    """What came of walking one task again."""

    message_id: str
    """Of the message that made it."""
    replay: LoopReplay
    otherwise_asked: str | None = None
    """The beginning of what it was asked, where that is not what would be said now."""


async def replay(
    runs: Runs, replays: Replays, principal: Principal, request: ReplayRequest
) -> JsonObject:
    """Walk every task again that was done for the run, the oldest of them where they are many."""
    store = runs.checkpointer
    done: dict[RunId, Run] = {}
    for key in await store.threads.rooted(principal, [request.run]):
        listed = await store.runs.thread_runs(key)
        done |= {run.run_id: run for run in listed if _is_for(run, request.run)}
    oldest = sorted(done.values(), key=lambda run: run.created_at)
    tasks = [await _replayed(runs, replays, run, request) for run in oldest[:MAX_REPLAYS]]
    shown: list[JsonValue] = [task.to_json() for task in tasks]
    return {"tasks": shown}


def tasks_in(answer: JsonObject) -> tuple[TaskReplay, ...]:
    """Return the tasks of an answer.

    Raises:
        InvalidPeerAnswerError: It is none.
    """
    listed = answer.get("tasks")
    try:
        return tuple(map(TaskReplay.model_validate, listed if isinstance(listed, list) else ()))
    except ValidationError as error:
        raise InvalidPeerAnswerError("the peer's answer to a replay cannot be read") from error


async def _replayed(runs: Runs, replays: Replays, run: Run, request: ReplayRequest) -> TaskReplay:
    question = PeerRequest.of(run)
    now = request.said.get(question.message_id)
    other = now is not None and now != asked_digest(question.parts)
    store = runs.checkpointer.runs
    run = await store.read(run.principal, run.run_id)
    if not run.terminal:
        walked = LoopReplay(not_compared=f"its task is {run.status}")
    else:
        walked = await replays(run, await store.steps(run.principal, run.run_id))
    return TaskReplay(
        message_id=question.message_id,
        replay=walked,
        otherwise_asked=asked_words(question.parts)[:LONGEST] if other else None,
    )


def _is_for(run: Run, root_id: str) -> bool:
    """Tell whether there is something of the run's to walk again; a pruned one is as good as absent."""
    return (run.root_id, run.operation, run.pruned) == (root_id, A2A_SEND, False)


def asked_words(parts: Parts) -> str:
    """Return what a message says: its text, and its values as JSON."""
    values = (dumps(part.data).decode() for part in parts if part.kind == "data")
    return "\n".join([text_of(parts), *values])


def asked_digest(parts: Parts) -> str:
    """Return what messages that say the same have in common."""
    return hashlib.blake2b(asked_words(parts).encode(), digest_size=16).hexdigest()
