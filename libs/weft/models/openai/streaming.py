"""The provider's stream, piece by piece, as chunks of ours."""

from dataclasses import dataclass, field
from typing import Any

from weft.core import Message
from weft.models.base import ModelChunk, ModelRequest, ModelUsage, Prices, ToolCallDelta
from weft.models.chunks import CallIds, ChunkJoiner
from weft.models.errors import ContentFilterError, ModelUnavailableError, Origin
from weft.models.openai import wire
from weft.models.usage import estimated, priced


@dataclass(slots=True)
class StreamReader:
    """Reads one stream; some servers leave out ids, usage or indexes, which is made good here."""

    request: ModelRequest
    origin: Origin
    model: str
    prices: Prices | None
    joiner: ChunkJoiner = field(default_factory=ChunkJoiner)
    _ids: CallIds = field(init=False)
    _slots: dict[int, tuple[int, str]] = field(default_factory=dict)
    _called: int = 0
    _usage: ModelUsage | None = None
    _finish: str | None = None
    _refused: bool = False

    def __post_init__(self) -> None:
        self._ids = CallIds(self.request)

    def read(self, raw: Any) -> ModelChunk | None:  # noqa: ANN401 - the SDK's own type
        """Return what a piece of the stream adds to the reply, if anything."""
        self._usage = wire.usage(raw.usage) or self._usage
        if not raw.choices:
            return None
        choice = raw.choices[0]
        self._finish = choice.finish_reason or self._finish
        delta = choice.delta
        if delta is None:
            return None
        self._refused = self._refused or bool(delta.refusal)
        chunk = ModelChunk(
            content=delta.content or "",
            reasoning=getattr(delta, "reasoning_content", None) or "",
            tool_calls=tuple(self._call(one) for one in delta.tool_calls or ()),
            model=self.model,
        )
        if not (chunk.content or chunk.reasoning or chunk.tool_calls):
            return None
        self.joiner.add(chunk)
        return chunk

    def last(self) -> ModelChunk:
        """Return the chunk that completes the reply.

        Raises:
            ModelUnavailableError: the stream ended too early.
            ContentFilterError: there is no reply because policy forbids it.
        """
        if self._finish is None:
            message = f"{self.origin.provider}: the stream ended before the reply was complete"
            raise ModelUnavailableError(message, origin=self.origin)
        if self._refused or (self._finish == "content_filter" and not self.joiner.content):
            message = f"{self.origin.provider}: policy forbids an answer"
            raise ContentFilterError(message, origin=self.origin)
        return ModelChunk(
            done=True,
            usage=priced(self._usage or self.spent(), self.prices),
            stop_reason=wire.stop_reason(self._finish, called=self._called > 0),
            model=self.model,
        )

    def spent(self) -> ModelUsage:
        """Return what the reply cost so far, as well as it can be told."""
        if self._usage is not None:
            return self._usage
        self.joiner.add(ModelChunk(done=True))
        reply: Message = self.joiner.response().message
        return estimated(self.request, reply)

    def _call(self, raw: Any) -> ToolCallDelta:  # noqa: ANN401 - the SDK's own type
        function = raw.function
        name = (function.name if function else None) or ""
        known = self._slots.get(raw.index)
        # A second id at one index is a second call: some servers number every call 0.
        if known is None or (raw.id and name and raw.id != known[1]):
            known = (self._called, raw.id or "")
            self._slots[raw.index] = known
            self._called += 1
            given = self._ids.admit(raw.id)
        else:
            given, name = "", ""
        arguments = (function.arguments if function else None) or ""
        return ToolCallDelta(index=known[0], id=given, name=name, arguments=arguments)
