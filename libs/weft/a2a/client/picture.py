"""What a caller knows of a remote task, put together from what it was shown."""

from collections.abc import Iterator

from pydantic import ValidationError

from weft.a2a.client.transport import MAX_ANSWER
from weft.a2a.events import ArtifactChunk, ArtifactUpdated
from weft.a2a.wire.models import ENDED, WAITING
from weft.a2a.wire.outcomes import interrupts_of, read_artifact, result_of
from weft.a2a.wire.parts import from_wire, joined
from weft.core import Interrupt, JsonObject, JsonValue, Parts, Reason, Result
from weft.core.protocol_errors import InvalidPeerAnswerError
from weft.events import Envelope, Event, Origin

MAX_ARTIFACTS = 4096

_ITS_OWN = ("run.", "interrupt.", "thread.")
"""What a run tells of itself; its caller's log says it in words of its own, or not at all."""


class Picture:
    """Task, artifacts and status so far; shown one result after the other."""

    def __init__(self) -> None:
        self.task_id: str | None = None
        self.state = ""
        self.seen: int | None = None
        """The number of the last event shown, to go on from."""
        self._last_event = 0
        self._size = 0
        self._artifacts: dict[str, JsonObject] = {}
        self._grown: set[str] = set()
        """Those that came in pieces, which are joined once, when all are there."""
        self._status: JsonObject = {}
        self._metadata: JsonObject = {}
        self._history: list[JsonValue] = []
        self._spoken: list[JsonValue] = []
        """The parts of the newest status that had any."""
        self._message: JsonObject | None = None

    @property
    def settled(self) -> bool:
        """Whether the task ended, waits for somebody, or never was one."""
        return self._message is not None or self.state in ENDED or self.state in WAITING

    def show(
        self, result: JsonObject, number: int | None = None, *, size: int = 0
    ) -> Iterator[Event]:
        """Take in one result of `size` bytes; return the events in it not told before.

        Raises:
            InvalidPeerAnswerError: It is none of the protocol, or the answer grew too large.
        """
        kind, body = next(
            ((kind, body) for kind, body in result.items() if isinstance(body, dict)), ("", {})
        )
        if kind != "statusUpdate":
            self._grow(size)
        if kind == "task":
            self._show_task(body)
        elif kind == "message":
            self._message = body
        elif kind == "artifactUpdate" and self._mine(body):
            return iter(self._show_artifact(body))
        elif kind == "statusUpdate" and self._mine(body):
            self._show_status(body)
        if number is not None:
            self.seen = number
        metadata = body.get("metadata") if kind == "statusUpdate" else None
        listed = metadata.get("events") if isinstance(metadata, dict) else None
        return iter(self._events(listed)) if isinstance(listed, list) else iter(())

    def result(self) -> Result:
        """Return the outcome as far as it is known.

        Raises:
            InvalidPeerAnswerError: What was shown makes no outcome.
        """
        if self._message is not None:
            parts: JsonObject = {"artifactId": "message", "parts": self._message.get("parts")}
            return result_of("TASK_STATE_COMPLETED", [parts], {})
        if not self.settled or self.task_id is None:
            raise InvalidPeerAnswerError("the peer's task neither ended nor asks for anything")
        try:
            result = result_of(self.state, self._whole(), self._metadata)
            questions = self._questions()
            said = self._said_last() if result.blank and not self._artifacts else ()
        except ValueError as error:
            raise InvalidPeerAnswerError("the peer's outcome has not the form it must") from error
        if self.state in WAITING:
            return result.model_copy(update={"status": "interrupted", "interrupts": questions})
        if result.status == "failed" and not result.reasons:
            reason = Reason(code="peer_failed", message=self._said() or "the peer failed")
            return result.model_copy(update={"reasons": (reason,)})
        if said and result.status == "completed":
            return result.model_copy(update={"parts": said})
        return result

    def _whole(self) -> list[JsonObject]:
        """Return the artifacts, of those that came in pieces the neighbouring texts as one."""
        return [
            {**artifact, "parts": joined(parts)}
            if artifact_id in self._grown and isinstance(parts := artifact.get("parts"), list)
            else artifact
            for artifact_id, artifact in self._artifacts.items()
        ]

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_ANSWER:
            raise InvalidPeerAnswerError(f"the peer's answer is over {MAX_ANSWER} bytes")

    def _show_task(self, task: JsonObject) -> None:
        task_id, status = task.get("id"), task.get("status")
        if not isinstance(task_id, str) or not isinstance(status, dict):
            raise InvalidPeerAnswerError("the peer showed a task without id or status")
        if self.task_id not in (None, task_id):
            raise InvalidPeerAnswerError("the peer showed another task than the one asked for")
        self.task_id = task_id
        metadata, artifacts = task.get("metadata"), task.get("artifacts")
        history = task.get("history")
        self._history = history if isinstance(history, list) else self._history
        self._metadata = metadata if isinstance(metadata, dict) else {}
        self._set(status)
        if isinstance(artifacts, list):
            self._artifacts.clear()
            for artifact in artifacts:
                if isinstance(artifact, dict):
                    self._add(artifact, append=False)

    def _show_artifact(self, update: JsonObject) -> list[Event]:
        """Return what to tell of an artifact that grows; a whole one stands in the result."""
        artifact = update.get("artifact")
        if not isinstance(artifact, dict):
            return []
        append, last = update.get("append") is True, update.get("lastChunk") is True
        grows = append or not last
        self._add(artifact, append=append)
        try:
            chunk = read_artifact(artifact) if grows else None
        except ValueError:
            # The result, made of the same, is refused for it.
            return []
        if chunk is None:
            return []
        data = ArtifactChunk(artifact=chunk, append=append, last_chunk=last)
        return [ArtifactUpdated(data=data)]

    def _show_status(self, update: JsonObject) -> None:
        if isinstance(status := update.get("status"), dict):
            self._set(status)
        if isinstance(metadata := update.get("metadata"), dict):
            self._metadata = {name: metadata[name] for name in metadata if name != "events"}

    def _add(self, artifact: JsonObject, *, append: bool) -> None:
        artifact_id = str(artifact.get("artifactId"))
        old = self._artifacts.get(artifact_id)
        if old is None or not append:
            if len(self._artifacts) >= MAX_ARTIFACTS and old is None:
                raise InvalidPeerAnswerError(f"the peer showed over {MAX_ARTIFACTS} artifacts")
            self._artifacts[artifact_id] = artifact
            self._grown.discard(artifact_id)
            return
        before, more = old.get("parts"), artifact.get("parts")
        if isinstance(before, list) and isinstance(more, list):
            # Joined piece by piece, a long artifact would be copied for each of them.
            before.extend(more)
            self._grown.add(artifact_id)

    def _set(self, status: JsonObject) -> None:
        self._status = status
        self.state = str(status.get("state", ""))
        self._spoken = self._status_parts() or self._spoken

    def _mine(self, update: JsonObject) -> bool:
        """Whether the update speaks of this task; one about another's is dropped."""
        return self.task_id is not None and update.get("taskId") == self.task_id

    def _events(self, listed: list[JsonValue]) -> list[Event]:
        events: list[Event] = []
        for shown in listed:
            if isinstance(shown, dict) and str(shown.get("type")).startswith(_ITS_OWN):
                continue
            try:
                envelope = Envelope.model_validate(shown)
            except ValidationError:
                # A newer writer's form: what it tells is lost here, the result is not.
                continue
            if envelope.run_id != self.task_id or envelope.seq <= self._last_event:
                continue
            self._last_event = envelope.seq
            origin = envelope.origin or Origin(run_id=envelope.run_id, seq=envelope.seq)
            events.append(envelope.event().under((), origin=origin))
        return events

    def _questions(self) -> tuple[Interrupt, ...]:
        questions = interrupts_of(self._status_parts())
        if questions:
            return questions
        reason = "credentials" if self.state == "TASK_STATE_AUTH_REQUIRED" else "question"
        text = self._said() or "the peer needs an answer"
        return (Interrupt(id=f"{self.task_id}", reason=reason, message=text),)

    def _said(self) -> str:
        return _text_of(self._status_parts())

    def _said_last(self) -> Parts:
        """Return what the agent said in its status, else last in the history, else on the way.

        Raises:
            ValueError: It has not the form it must have.
        """
        turns = (turn for turn in reversed(self._history) if isinstance(turn, dict))
        last = next((turn for turn in turns if turn.get("role") == "ROLE_AGENT"), {})
        return from_wire(self._status_parts() or last.get("parts") or self._spoken)

    def _status_parts(self) -> list[JsonValue]:
        message = self._status.get("message")
        parts = message.get("parts") if isinstance(message, dict) else None
        return parts if isinstance(parts, list) else []


def _text_of(parts: list[JsonValue]) -> str:
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))
