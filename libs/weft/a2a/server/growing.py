"""Artifacts as they grow: which chunk an event of a task's log shows, on any replica the same.

A model's reply is shown as the answer while it is written. Only the last reply is the answer: one
that is made again, or that calls tools, is void as soon as the next begins, which replaces it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from weft.a2a.events import ArtifactChunk
from weft.a2a.wire.outcomes import ANSWER, to_wire_artifact
from weft.a2a.wire.parts import joined
from weft.core import JsonObject, JsonValue
from weft.events import Envelope

_CHUNK = "agent.model.chunk"
_VOIDING = frozenset({"agent.model.retry", "agent.model.completed", "run.resumed"})
_UPDATE = "a2a.artifact.updated"
GROWTH = _VOIDING | {_CHUNK, _UPDATE}
"""The events that say something of artifacts."""
_NOTHING: JsonObject = {"text": ""}


@dataclass(slots=True)
class Growth:
    """What was shown of one artifact."""

    artifact: JsonObject
    parts: list[JsonValue] = field(default_factory=list)
    last: bool = False


class Growing:
    """The artifacts of one task so far; fed with its log in order, from its first event on."""

    def __init__(self, task_id: str) -> None:
        self._task_id = task_id
        self._shown: dict[str, Growth] = {}
        self._void = False

    def take(self, event: Envelope) -> JsonObject | None:
        """Return the update's members `artifact`, `append` and `lastChunk`; None if it shows none."""
        if event.path or event.type not in GROWTH:
            return None
        if event.type in _VOIDING:
            self._void = True
            return None
        if event.type == _UPDATE:
            return self._updated(event.data)
        text = event.data.get("content")
        if not isinstance(text, str) or not text:
            return None
        append, self._void = not self._void, False
        artifact: JsonObject = {"artifactId": self._task_id, "name": ANSWER}
        return self._grown({**artifact, "parts": [{"text": text}]}, append=append, last=False)

    def so_far(self) -> list[JsonObject]:
        return [
            {**growth.artifact, "parts": joined(growth.parts)} for growth in self._shown.values()
        ]

    def rest(self, artifacts: Sequence[JsonObject]) -> list[JsonObject]:
        """Return the updates after which a reader has `artifacts`, each whole and no other."""
        updates = [update for artifact in artifacts if (update := self._completing(artifact))]
        stored = {artifact.get("artifactId") for artifact in artifacts}
        for artifact_id, growth in self._shown.items():
            if artifact_id not in stored:
                void: JsonObject = {**growth.artifact, "parts": [_NOTHING]}
                updates.append(_update(void, append=False, last=True))
        return updates

    def _updated(self, data: JsonObject) -> JsonObject | None:
        try:
            chunk = ArtifactChunk.model_validate(data)
        except ValidationError:
            # Too large for the log, or a newer writer's: it is shown when it is complete.
            return None
        return self._grown(
            to_wire_artifact(chunk.artifact), append=chunk.append, last=chunk.last_chunk
        )

    def _grown(self, artifact: JsonObject, *, append: bool, last: bool) -> JsonObject:
        artifact_id, parts = str(artifact["artifactId"]), artifact["parts"]
        growth = self._shown.get(artifact_id)
        if growth is None or not append:
            bare = {name: artifact[name] for name in artifact if name != "parts"}
            growth = self._shown[artifact_id] = Growth(bare)
            append = False
        if isinstance(parts, list):
            growth.parts.extend(parts)
        growth.last = last
        return _update(artifact, append=append, last=last)

    def _completing(self, artifact: JsonObject) -> JsonObject | None:
        """Return the last update of an artifact, all of it or what is left."""
        growth, parts = self._shown.get(str(artifact["artifactId"])), artifact["parts"]
        if growth is None or not isinstance(parts, list):
            return _update(artifact, append=False, last=True)
        shown = joined(growth.parts)
        if growth.last and shown == parts:
            return None
        left = _left(shown, parts)
        if left is None or growth.artifact != {k: artifact[k] for k in artifact if k != "parts"}:
            return _update(artifact, append=False, last=True)
        return _update({**growth.artifact, "parts": left}, append=True, last=True)


def _left(shown: list[JsonValue], whole: list[JsonValue]) -> list[JsonValue] | None:
    """Return what appended to `shown` makes `whole`; None where nothing does."""
    *before, last = shown
    goal, after = whole[len(before) : len(before) + 1], whole[len(before) + 1 :]
    if before != whole[: len(before)] or not goal:
        return None
    if last == goal[0] and not _is_text(last):
        # An empty text behind a file would be a part of its own.
        return after or None
    more = _continued(last, goal[0])
    if more is None or _is_text(next(iter(after), None)):
        # A reader would join two texts that are parts of their own.
        return None
    rest: list[JsonValue] = [{"text": more}] if more else []
    return [*rest, *after] or [_NOTHING]


def _continued(last: JsonValue, goal: JsonValue) -> str | None:
    """Return the text that `goal` goes on with after that of `last`; None where it is another."""
    if not isinstance(last, dict) or not isinstance(goal, dict):
        return None
    text, wanted = last.get("text"), goal.get("text")
    if not isinstance(text, str) or not isinstance(wanted, str):
        return None
    same = wanted.startswith(text) and {**last, "text": wanted} == goal
    return wanted[len(text) :] if same else None


def _is_text(part: JsonValue) -> bool:
    return isinstance(part, dict) and "text" in part


def _update(artifact: JsonObject, *, append: bool, last: bool) -> JsonObject:
    return {"artifact": artifact, "append": append, "lastChunk": last}
