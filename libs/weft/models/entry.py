"""What a model says, made storable where it enters a run: a reply as a whole, or chunk by chunk."""

import operator

from weft.core import JsonObject, JsonValue, Message, Part, ToolCall
from weft.core.storable import storable, storable_json
from weft.models.base import ModelChunk, ModelResponse
from weft.models.chunks import arguments_text, parsed_call

_HIGH = ("\ud800", "\udbff")
"""A stream may cut a character written as two between its halves; the first is one of these."""


def storable_reply(response: ModelResponse) -> ModelResponse:
    """Return `response` such that every database can keep it: the same one, as a rule."""
    cleaned = {
        "message": _message(response.message),
        "model": storable(response.model),
        "provider_state": _object(response.provider_state),
    }
    if all(value is getattr(response, name) for name, value in cleaned.items()):
        return response
    return response.model_copy(update=cleaned)


class AttemptChunks:
    """Takes the chunks of one attempt, in order; calls are cleaned when they are put together."""

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


def _message(message: Message) -> Message:
    parts = tuple([_part(part) for part in message.parts])
    calls = tuple([_call(call) for call in message.tool_calls])
    if all(map(operator.is_, (*parts, *calls), (*message.parts, *message.tool_calls))):
        return message
    return message.model_copy(update={"parts": parts, "tool_calls": calls})


def _part(part: Part) -> Part:
    if part.kind == "text" and not part.metadata:
        text = storable(part.text or "")
        return part if text is part.text else part.model_copy(update={"text": text})
    labels = {name: getattr(part, name) for name in ("media_type", "filename", "metadata")}
    written: JsonValue = {part.kind: getattr(part, part.kind), **labels}
    cleaned = storable_json(written)
    return part if cleaned is written else Part.model_validate(cleaned)


def _call(call: ToolCall) -> ToolCall:
    """Return the call; one that cannot be kept goes the way of those that come as text."""
    if (
        call.malformed_arguments is None
        and storable(call.id) is call.id
        and storable(call.name) is call.name
        and storable_json(call.arguments) is call.arguments
    ):
        return call
    return parsed_call(call.id, call.name, arguments_text(call))


def _object(state: JsonObject) -> JsonObject:
    cleaned = storable_json(state) if state else state
    return cleaned if isinstance(cleaned, dict) else {}
