"""What a model says, made storable where it enters a run; calls are when they are put together."""

from weft.core import JsonObject
from weft.core.storable import storable, storable_json
from weft.models.base import ModelChunk

_HIGH = ("\ud800", "\udbff")
"""A stream may cut a character written as two between its halves; the first is one of these."""


class AttemptChunks:
    """Takes the chunks of one attempt, in order."""

    def __init__(self) -> None:
        self._half = ""

    def take(self, chunk: ModelChunk) -> ModelChunk:
        """Return `chunk` such that every database can keep what it says."""
        content = self._half + chunk.content
        self._half = ""
        if not chunk.done and content and _HIGH[0] <= content[-1] <= _HIGH[1]:
            content, self._half = content[:-1], content[-1]
        cleaned = {
            "content": storable(content),
            "reasoning": storable(chunk.reasoning),
            "model": storable(chunk.model),
            "provider_state": _object(chunk.provider_state),
        }
        if all(value is getattr(chunk, name) for name, value in cleaned.items()):
            return chunk
        return chunk.model_copy(update=cleaned)


def _object(state: JsonObject) -> JsonObject:
    cleaned = storable_json(state) if state else state
    return cleaned if isinstance(cleaned, dict) else {}
