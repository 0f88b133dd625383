"""The provider's stream, piece by piece, as chunks of ours."""

from dataclasses import dataclass, field

from weft.core import JsonObject, JsonValue, Message
from weft.models.base import NO_TOKENS, ModelChunk, ModelRequest, ModelUsage, Prices
from weft.models.chunks import CallIds, ChunkJoiner
from weft.models.errors import ContentFilterError, ErrorOrigin, ModelUnavailableError
from weft.models.openai import reply
from weft.models.openai.failures import told_inside
from weft.models.openai.joining import StreamedCalls
from weft.models.usage import estimated, priced


@dataclass(slots=True)
class StreamReader:
    """Reads one stream; some servers leave out ids, usage or indexes, which is made good here."""

    request: ModelRequest
    origin: ErrorOrigin
    model: str
    prices: Prices | None
    joiner: ChunkJoiner = field(default_factory=ChunkJoiner)
    _calls: StreamedCalls = field(init=False)
    _usage: ModelUsage | None = None
    _finish: JsonValue = None
    _refused: bool = False
    _began: bool = False

    def __post_init__(self) -> None:
        self._calls = StreamedCalls(CallIds(self.request))

    def read(self, raw: JsonValue) -> ModelChunk | None:
        """Return what a piece of the stream adds to the reply, if anything.

        Raises:
            ModelError: It has not the form it must have, or tells of a failure.
        """
        if raw is None:
            return None
        self._began = True
        with reply.reading(self.origin):
            return self._read(reply.as_object(raw, "a piece of it"))

    def last(self) -> ModelChunk:
        """Return the chunk that completes the reply.

        Raises:
            ModelUnavailableError: the stream ended too early.
            ContentFilterError: there is no reply because policy forbids it.
        """
        if not self._finish:
            message = f"{self.origin.provider}: the stream ended before the reply was complete"
            raise ModelUnavailableError(message, origin=self.origin)
        if self._refused or (self._finish == "content_filter" and not self.joiner.content):
            message = f"{self.origin.provider}: policy forbids an answer"
            raise ContentFilterError(message, origin=self.origin)
        with reply.reading(self.origin):
            calls = self._calls.rest()
        return ModelChunk(
            tool_calls=calls,
            done=True,
            usage=priced(self._usage or self.spent(), self.prices),
            stop_reason=reply.stop_reason(self._finish, called=self._calls.called),
            model=self.model,
        )

    def spent(self) -> ModelUsage:
        """Return what the reply cost so far, as well as it can be told; one that never began, none."""
        if self._usage is not None:
            return self._usage
        if not self._began:
            return NO_TOKENS
        self.joiner.add(ModelChunk(done=True))
        said: Message = self.joiner.response().message
        return estimated(self.request, said)

    def _read(self, piece: JsonObject) -> ModelChunk | None:
        if piece.get("object") == "error":
            raise told_inside(self.origin.provider, piece)
        self._usage = reply.usage(piece.get("usage")) or self._usage
        choice = reply.first_choice(piece)
        if choice is None:
            return None
        self._finish = choice.get("finish_reason") or self._finish
        if choice.get("delta") is None:
            return None
        delta = reply.as_object(choice["delta"], "what it adds")
        self._refused = self._refused or bool(delta.get("refusal"))
        entries = reply.entries(delta.get("tool_calls"), "its tool calls")
        chunk = ModelChunk(
            content=reply.text_of(delta.get("content"), "its content"),
            reasoning=reply.text_of(delta.get("reasoning_content"), "its reasoning"),
            tool_calls=self._calls.take(entries),
            model=self.model,
        )
        if not (chunk.content or chunk.reasoning or chunk.tool_calls):
            return None
        self.joiner.add(chunk)
        return chunk
