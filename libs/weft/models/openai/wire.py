"""Our requests in the provider's words."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from weft.core import JsonObject, Message, Part, ToolCall, dumps
from weft.models.base import ModelRequest
from weft.models.chunks import arguments_text
from weft.models.openai.settings import OpenAISettings
from weft.models.structured import schema_in_words

_MODES = ("auto", "none", "required")
_REPLY = "reply"
_STRICT_WORDS = frozenset(
    {
        "$defs", "$ref", "additionalProperties", "anyOf", "const", "description", "enum", "items",
        "properties", "required", "title", "type",
    }
)  # fmt: skip
"""What every server with a strict mode knows."""
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")
LONGEST_NAME = 64
GUIDANCE = "Guidance, not from the user: "
"""Stands before guidance where it has to go as a user's message."""


def body(request: ModelRequest, dialect: OpenAISettings) -> dict[str, Any]:
    """Return the arguments of a chat completion, in what the server at hand understands."""
    conversation = request.messages
    wanted = request.output_schema if dialect.structured else None
    if wanted is not None and wanted.get("type") != "object":
        # The provider's mode knows objects only.
        conversation, wanted = (*conversation, schema_in_words(wanted)), None
    messages = conversation if dialect.late_system else _early(conversation)
    made: dict[str, Any] = {"messages": [_message(message) for message in messages]}
    if request.tools:
        made["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.offered or {"type": "object", "properties": {}},
                },
            }
            for tool in request.tools
        ]
        made["tool_choice"] = _choice(request.tool_choice)
        if not dialect.parallel_tools:
            made["parallel_tool_calls"] = False
    if wanted is not None:
        made["response_format"] = _response_format(wanted)
    if request.max_tokens is not None:
        # The provider's own service has renamed what compatible servers still expect.
        official = dialect.base_url is None
        made["max_completion_tokens" if official else "max_tokens"] = request.max_tokens
    if request.temperature is not None:
        made["temperature"] = request.temperature
    if request.stop:
        made["stop"] = list(request.stop)
    return made


def is_strict(schema: JsonObject) -> bool:
    """Tell whether strict mode can hold a reply to exactly this schema.

    It knows no optional and no free-form fields, and not every word of JSON schema; for others the
    mode only guides.
    """
    if not _STRICT_WORDS.issuperset(schema) or ("$ref" in schema and len(schema) > 1):
        return False
    if schema.get("type") == "object" or "properties" in schema:
        fields = schema.get("properties")
        if not isinstance(fields, dict) or schema.get("additionalProperties") not in (None, False):
            return False
        required = schema.get("required")
        if set(fields) != set(required if isinstance(required, list) else ()):
            return False
    inner = [*_values(schema, "properties"), *_values(schema, "$defs")]
    inner += [schema["items"]] if "items" in schema else []
    inner += _values(schema, "anyOf")
    return all(is_strict(part) for part in inner if isinstance(part, dict))


def closed(schema: Any) -> Any:  # noqa: ANN401 - any JSON within a schema
    """Return `schema` with every object closed to further fields, as strict mode demands."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    return {**made, "additionalProperties": False} if "properties" in made else made


def _response_format(schema: JsonObject) -> dict[str, Any]:
    strict = is_strict(schema)
    wanted = {"name": _REPLY, "schema": closed(schema) if strict else schema, "strict": strict}
    return {"type": "json_schema", "json_schema": wanted}


def _values(schema: JsonObject, key: str) -> list[Any]:
    inner = schema.get(key)
    if isinstance(inner, dict):
        return list(inner.values())
    return inner if isinstance(inner, list) else []


def _early(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield the messages with guidance in mid-conversation given to the user's role, in place."""
    begun = False
    for message in messages:
        begun = begun or message.role != "system"
        if begun and message.role == "system":
            yield Message.user(f"{GUIDANCE}{message.content}")
        else:
            yield message


def _choice(choice: str) -> Any:  # noqa: ANN401 - JSON
    return choice if choice in _MODES else {"type": "function", "function": {"name": choice}}


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        return {
            "role": "tool",
            "tool_call_id": message.tool_call_id or "",
            "content": message.content,
        }
    if message.role != "assistant":
        return {"role": message.role, "content": _content(message)}
    made: dict[str, Any] = {"role": "assistant", "content": message.content or None}
    if message.tool_calls:
        made["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": _name(call), "arguments": _arguments(call)},
            }
            for call in message.tool_calls
        ]
    elif not message.content:
        made["content"] = ""
    return made


def _name(call: ToolCall) -> str:
    """Return the name of an earlier call; servers refuse a history with one of no legal form."""
    return _ILLEGAL.sub("_", call.name)[:LONGEST_NAME] or "_"


def _arguments(call: ToolCall) -> str:
    """Return the arguments of an earlier call as the JSON object that servers demand.

    What the model wrote instead of one stands in the call's error result, where it reads it.
    """
    return "{}" if call.malformed_arguments is not None else arguments_text(call)


def _content(message: Message) -> Any:  # noqa: ANN401 - text, or a list of parts
    if all(part.kind == "text" for part in message.parts):
        return message.content
    return [_part(part) for part in message.parts]


def _part(part: Part) -> dict[str, Any]:
    if part.text is not None:
        return {"type": "text", "text": part.text}
    if part.url is not None:
        return {"type": "image_url", "image_url": {"url": part.url}}
    if part.bytes is not None:
        media_type = part.media_type or "application/octet-stream"
        return {
            "type": "image_url",
            "image_url": {"url": f"data:{media_type};base64,{part.bytes}"},
        }
    return {"type": "text", "text": dumps(part.data).decode()}
