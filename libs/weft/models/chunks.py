"""Between a whole reply and its chunks, in both directions."""

import json
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import count

from weft.core import Message, ToolCall, dumps, secret_id
from weft.core.storable import received, storable
from weft.models.base import (
    NO_TOKENS,
    ModelChunk,
    ModelRequest,
    ModelResponse,
    ToolCallDelta,
)
from weft.models.errors import ModelUnavailableError

__all__ = ["CallIds", "numbered", "split"]


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class ChunkJoiner:
    """Collects the chunks of one attempt; a retry starts with a new joiner."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._last: ModelChunk | None = None

    @property
    def content(self) -> str:
        """The text so far."""
        return "".join(self._content)

    def add(self, chunk: ModelChunk) -> None:
        self._content.append(chunk.content)
        for delta in chunk.tool_calls:
            call = self._calls.setdefault(delta.index, _Call())
            call.id = call.id or delta.id
            call.name = call.name or delta.name
            call.arguments.append(delta.arguments)
        if chunk.done:
            self._last = chunk

    def response(self) -> ModelResponse:
        """Return the reply.

        Raises:
            ModelUnavailableError: The last chunk has not come.
        """
        last = self._last
        if last is None:
            raise ModelUnavailableError("the stream ended before the reply was complete")
        calls = tuple(
            parsed_call(call.id, call.name, "".join(call.arguments))
            for _, call in sorted(self._calls.items())
        )
        return ModelResponse(
            message=Message.assistant(self.content, tool_calls=calls),
            usage=last.usage or NO_TOKENS,
            stop_reason=last.stop_reason or ("tool_calls" if calls else "stop"),
            model=last.model,
            generated_by=last.generated_by,
            provider_state=last.provider_state,
        )


def parsed_call(call_id: str, name: str, arguments: str) -> ToolCall:
    """Return a call, storable; what is no JSON object is kept as `malformed_arguments`."""
    call_id, name = storable(call_id), storable(name)
    try:
        value = received(arguments) if arguments.strip() else {}
    except ValueError:
        value = None
    if isinstance(value, dict):
        return ToolCall(id=call_id, name=name, arguments=value)
    return ToolCall(id=call_id, name=name, malformed_arguments=storable(arguments))


class CallIds:
    """Gives every call of a reply an id that its thread has not seen yet."""

    def __init__(
        self, request: ModelRequest, *, make: Callable[[Collection[str]], str] | None = None
    ) -> None:
        self._taken = taken_ids(request)
        self._make = make or unguessable

    def admit(self, proposed: str | None) -> str:
        """Return `proposed`, or a new id where there is none or it is taken."""
        chosen = proposed if proposed and proposed not in self._taken else self._make(self._taken)
        self._taken.add(chosen)
        return chosen


def unguessable(_taken: Collection[str]) -> str:
    """Return an id that no thread has."""
    return f"call_{secret_id()}"


def numbered(taken: Collection[str]) -> str:
    """Return the first free `call_N`, equal for equal threads."""
    return next(name for at in count(1) if (name := f"call_{at}") not in taken)


def taken_ids(request: ModelRequest) -> set[str]:
    return {call.id for message in request.messages for call in message.tool_calls}


async def joined(chunks: AsyncIterator[ModelChunk]) -> ModelResponse:
    """Return the reply that `chunks` make up."""
    joiner = ChunkJoiner()
    async for chunk in chunks:
        joiner.add(chunk)
    return joiner.response()


def split(response: ModelResponse, pieces: Collection[str] | None = None) -> Iterable[ModelChunk]:
    """Yield `response` as chunks; `pieces`, if given, are its text in parts."""
    common = {"model": response.model, "generated_by": response.generated_by}
    texts = [response.message.content] if pieces is None else pieces
    for text in texts:
        if text:
            yield ModelChunk.model_validate({"content": text, **common})
    calls = tuple(
        ToolCallDelta(index=at, id=call.id, name=call.name, arguments=arguments_text(call))
        for at, call in enumerate(response.message.tool_calls)
    )
    yield ModelChunk(
        tool_calls=calls,
        done=True,
        usage=response.usage,
        stop_reason=response.stop_reason,
        model=response.model,
        generated_by=response.generated_by,
        provider_state=response.provider_state,
    )


def arguments_text(call: ToolCall) -> str:
    """Return the JSON text of a call's arguments, malformed as it was written."""
    if call.malformed_arguments is not None:
        return call.malformed_arguments
    try:
        return dumps(call.arguments).decode()
    except TypeError:
        # A model may give what our own writer refuses: half a character, a number of 100 digits.
        return json.dumps(call.arguments)
