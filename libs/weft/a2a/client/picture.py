"""What a caller knows of a remote task, put together from what it was shown."""

from collections.abc import Iterator

from pydantic import ValidationError

from weft.a2a.client.transport import MAX_ANSWER
from weft.a2a.events import ArtifactChunk, ArtifactUpdated
from weft.a2a.wire.models import ENDED, WAITING
from weft.a2a.wire.outcomes import interrupts_of, read_artifact, result_of
from weft.a2a.wire.parts import from_wire, joined
from weft.core import Interrupt, JsonObject, JsonValue, Parts, Reason, Result, name_digest
from weft.core.protocol_errors import InvalidPeerAnswerError
from weft.events import Envelope, Event, Origin

MAX_ARTIFACTS = 4096

_ITS_OWN = ("run.", "interrupt.", "thread.")
"""What a run tells of itself; its caller's log says it in words of its own, or not at all."""


class Picture:
    """Task, artifacts and status so far; shown one result after the other.

    A `plain` one believes nothing beyond plain A2A: what an agent outside the mesh says in the form
    of our own extensions is not taken for more than words.
    """

    def __init__(self, *, plain: bool = False, counts: bool = True, most: int = MAX_ANSWER) -> None:
        """`counts` tells whether the agent says in our form what it spent."""
        self.task_id: str | None = None
        self.context_id: str | None = None
        """As the agent calls the conversation that the task belongs to."""
        self.old_question: str | None = None
        """One that was answered: while the task shows it still, it is not waiting for anybody."""
        self._plain = plain
        self._counts = counts
        self._most = most
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
        if self.state in WAITING and self.old_question is not None:
            return self.question != self.old_question
        return self._message is not None or self.state in ENDED or self.state in WAITING

    @property
    def question(self) -> str:
        """What tells one question of the task from the next, as far as it marks them."""
        message = self._status.get("message")
        said = message.get("messageId") if isinstance(message, dict) else None
        marks = (self.task_id, self._status.get("timestamp"), said, self.words)
        return name_digest("\n".join(map(str, marks)))

    @property
    def words(self) -> str:
        """What the task's status says."""
        return _text_of(self._status_parts())

    @property
    def outcomes(self) -> list[JsonValue]:
        """What a task that was stopped says of its parts."""
        outcomes = None if self._plain else self._metadata.get("outcomes")
        return outcomes if isinstance(outcomes, list) else []

    @property
    def usage(self) -> JsonValue:
        """What a task that was stopped says it spent; None where it does not."""
        return None if self._plain else self._metadata.get("usage")

    @property
    def empty(self) -> bool:
        """Whether nothing was said, by whatever way an agent may choose."""
        return self._message is None and not (self._artifacts or self._spoken or self._history)

    def adopt(self, task_id: str, context_id: str | None) -> None:
        """Go on with a task that was begun before."""
        self.task_id, self.context_id = task_id, context_id

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
        if self._plain and self.task_id is None and kind in ("statusUpdate", "artifactUpdate"):
            # Some begin with how the task is, and never show it whole.
            task_id = body.get("taskId")
            self.task_id = task_id if isinstance(task_id, str) else None
            self._note_context(body)
        if kind == "task":
            self._show_task(body)
        elif kind == "message":
            self._message = body
            self._note_context(body)
        elif kind == "artifactUpdate" and self._mine(body):
            return iter(self._show_artifact(body))
        elif kind == "statusUpdate" and self._mine(body):
            self._show_status(body)
        if number is not None:
            self.seen = number
        metadata = body.get("metadata") if kind == "statusUpdate" and not self._plain else None
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
            result = result_of(self.state, self._whole(), self._believed())
            questions = self._questions() if self.state in WAITING else ()
            said = self._said_last() if result.blank and not self._artifacts else ()
        except ValueError as error:
            raise InvalidPeerAnswerError("the peer's outcome has not the form it must") from error
        if questions:
            return result.model_copy(update={"status": "interrupted", "interrupts": questions})
        if result.status == "failed" and not result.reasons:
            reason = Reason(code="peer_failed", message=self.words or "the peer failed")
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
        if self._size > self._most:
            raise InvalidPeerAnswerError(f"the peer's answer is over {self._most} bytes")

    def _believed(self) -> JsonObject:
        """Return what the task's metadata counts for."""
        if not self._plain:
            return self._metadata
        usage = self._metadata.get("usage") if self._counts else None
        return {} if usage is None else {"usage": usage}

    def _note_context(self, body: JsonObject) -> None:
        if isinstance(context_id := body.get("contextId"), str):
            self.context_id = context_id

    def _show_task(self, task: JsonObject) -> None:
        task_id, status = task.get("id"), task.get("status")
        if not isinstance(task_id, str) or not isinstance(status, dict):
            raise InvalidPeerAnswerError("the peer showed a task without id or status")
        if self.task_id not in (None, task_id):
            raise InvalidPeerAnswerError("the peer showed another task than the one asked for")
        self.task_id = task_id
        self._note_context(task)
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
        questions = () if self._plain else interrupts_of(self._status_parts())
        if questions:
            return questions
        reason = "credentials" if self.state == "TASK_STATE_AUTH_REQUIRED" else "question"
        text = self.words or "the peer needs an answer"
        return (Interrupt(id=f"{self.task_id}", reason=reason, message=text),)

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
