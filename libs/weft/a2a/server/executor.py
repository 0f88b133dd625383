"""The other end of a task: a claimed run, carried out by this agent."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from pydantic import ValidationError

from weft.a2a.events import ArtifactUpdated
from weft.a2a.replays import Replays
from weft.a2a.server.conversation import left_of
from weft.a2a.server.grants import granted
from weft.a2a.wire.models import OWN_METADATA, RESERVED_METADATA, SKILL
from weft.a2a.wire.parts import from_wire, joined, to_wire
from weft.checkpoint import Claimed, Run
from weft.core import Artifact, JsonObject, JsonValue, Message, Path, Result, Usage
from weft.core.errors import InputError
from weft.events import Event
from weft.loop import (
    LoopRecord,
    LoopReplay,
    Peer,
    Task,
    answers_in,
    carried_out,
    replayed_loop,
)
from weft.runs import Execute, Journal, NestedJournal, PeerRequest, RunOutcome


def execute_task(peer: Peer) -> Execute:
    """Return what a worker calls with each claimed task: `peer` does it, the run's log tells it."""

    async def execute(claimed: Claimed, journal: Journal) -> RunOutcome:
        artifacts = ArtifactJournal(journal)
        task = task_in(claimed.run, claimed.steps, artifacts)
        return RunOutcome(await carried_out(peer, task, artifacts, whole=artifacts.with_grown))

    return execute


def replay_task(peer: Peer) -> Replays:
    """Return what walks a task of `peer` again over what its store keeps of it."""

    async def replay(run: Run, steps: Mapping[Path, JsonObject]) -> LoopReplay:
        record = LoopRecord(
            run.run_id,
            steps,
            Result.model_validate(run.result),
            root_id=run.root_id,
            thread_id=run.thread_id,
        )
        return await replayed_loop(peer, record, partial(_untimed, run, steps))

    return replay


def _untimed(run: Run, steps: Mapping[Path, JsonObject], journal: Journal) -> Task:
    """Return the task with all the time it wants: that of its run is over."""
    task = task_in(run, steps, journal)
    budget = task.authority.budget.model_copy(update={"seconds": None})
    return replace(task, authority=replace(task.authority, budget=budget, deadline=None))


class ArtifactJournal(NestedJournal):
    """The task's own journal, which keeps what is told of artifacts that grow."""

    def __init__(self, outer: Journal) -> None:
        # Before the rest is set up, which begins with an empty report.
        self._outer = outer
        super().__init__(outer, ())
        self._chunks: dict[str, list[Artifact]] = {}

    @property
    def report(self) -> JsonObject:
        return self._outer.report

    @report.setter
    def report(self, parts: JsonObject) -> None:
        self._outer.report = parts

    @property
    def spent(self) -> Usage:
        return self._outer.spent

    @spent.setter
    def spent(self, usage: Usage) -> None:
        self._outer.spent = usage

    @property
    def steps(self) -> Mapping[Path, JsonObject]:
        return self._outer.steps

    def emit(self, *events: Event) -> None:
        for event in events:
            if isinstance(event, ArtifactUpdated) and not event.path:
                artifact = event.data.artifact
                if not event.data.append:
                    self._chunks[artifact.id] = []
                self._chunks.setdefault(artifact.id, []).append(artifact)
        self._outer.emit(*events)

    def with_grown(self, result: Result) -> Result:
        """Return the result with those artifacts that were told in chunks and are not in it."""
        named = {artifact.id for artifact in result.artifacts}
        missing = [_whole(chunks) for name, chunks in self._chunks.items() if name not in named]
        if not missing:
            return result
        return result.model_copy(update={"artifacts": (*result.artifacts, *missing)})


def _whole(chunks: Sequence[Artifact]) -> Artifact:
    parts = [part for chunk in chunks for part in to_wire(chunk.parts)]
    return chunks[0].model_copy(update={"parts": from_wire(joined(parts))})


def task_in(run: Run, steps: Mapping[Path, JsonObject], journal: Journal) -> Task:
    """Return the task as its caller meant it, with the authority that came with it."""
    request = PeerRequest.of(run)
    metadata = request.metadata
    own = _object(metadata.get(OWN_METADATA)) or {}
    return Task(
        parts=request.parts,
        message_id=request.message_id,
        authority=run.authority().narrowed(budget=left_of(steps)),
        metadata=_authored(metadata, own),
        history=_history(own),
        capability=_text(metadata.get(SKILL)),
        role=_text(own.get("role")),
        grants=granted(own.get("grants")),
        output_schema=_object(own.get("outputSchema")),
        thread_id=run.thread_id,
        answers=answers_in(steps),
        journal=journal,
    )


def _authored(metadata: JsonObject, own: JsonObject) -> JsonObject:
    """Return what stood in the metadata before ours was added."""
    plain = {name: value for name, value in metadata.items() if name not in RESERVED_METADATA}
    return {**plain, **(_object(own.get("metadata")) or {})}


def _history(own: JsonObject) -> tuple[Message, ...]:
    try:
        return tuple(Message.model_validate(entry) for entry in _list(own.get("history")))
    except ValidationError as error:
        raise InputError(f"the history in the metadata {OWN_METADATA!r} is none") from error


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _object(value: JsonValue) -> JsonObject | None:
    return value if isinstance(value, dict) else None


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
