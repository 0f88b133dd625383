"""Refusing the requests that the real service would refuse."""

import re
from collections.abc import Iterator
from typing import Any

ROLES = ("system", "developer", "user", "assistant", "tool")
STRICT_WORDS = frozenset(
    {
        "$defs", "$ref", "additionalProperties", "anyOf", "const", "description", "enum", "items",
        "properties", "required", "title", "type",
    }
)  # fmt: skip
"""Of JSON schema, what the service's strict mode takes for sure."""
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def problems(body: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - whatever was sent
    """Yield (parameter, what is wrong with it), the first being what the service would say."""
    if not isinstance(body, dict):
        yield "", "the body must be a JSON object"
        return
    if not isinstance(body.get("model"), str) or not body["model"]:
        yield "model", "you must provide a model parameter"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "messages", "must be a list with at least one message"
    else:
        yield from _messages(messages)
    yield from _tools(body)
    yield from _format(body.get("response_format"))
    if "stream_options" in body and not body.get("stream"):
        yield "stream_options", "is only allowed when stream is enabled"
    for name in ("max_tokens", "max_completion_tokens"):
        if name in body and (not isinstance(body[name], int) or body[name] < 1):
            yield name, "must be at least 1"


def _messages(messages: list[Any]) -> Iterator[tuple[str, str]]:
    open_calls: dict[str, int] = {}
    for at, message in enumerate(messages):
        where = f"messages.[{at}]"
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ROLES:
            yield f"{where}.role", f"must be one of {', '.join(ROLES)}"
            continue
        if role == "tool":
            yield from _result(where, message, open_calls)
            continue
        if open_calls:
            missing = ", ".join(open_calls)
            yield where, f"these tool_call_ids had no response messages: {missing}"
            open_calls = {}
        if role != "assistant":
            yield from _spoken(where, message)
            continue
        calls = message.get("tool_calls") or []
        if not calls and message.get("content") is None:
            yield f"{where}.content", "must be text unless there are tool_calls"
        for call in calls:
            yield from _call(where, call, open_calls)
            open_calls[str(call.get("id"))] = at
    if open_calls:
        missing = ", ".join(open_calls)
        yield "messages", f"these tool_call_ids had no response messages: {missing}"


def _result(where: str, message: Any, open_calls: dict[str, int]) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    answered = message.get("tool_call_id")
    if answered not in open_calls:
        yield where, "a tool message must answer a preceding message with tool_calls, once"
    open_calls.pop(answered, None)
    if not isinstance(message.get("content"), str | list):
        yield f"{where}.content", "must be text"


def _spoken(where: str, message: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    content = message.get("content")
    if not isinstance(content, str | list):
        yield f"{where}.content", "must be text or a list of parts"
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict) or part.get("type") not in ("text", "image_url"):
            yield f"{where}.content", "a part must be text or image_url"


def _call(where: str, call: Any, open_calls: dict[str, int]) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    function = call.get("function")
    if not call.get("id") or str(call.get("id")) in open_calls:
        yield f"{where}.tool_calls", "each call needs an id of its own"
    if not isinstance(function, dict) or not _NAME.fullmatch(str(function.get("name"))):
        yield f"{where}.tool_calls", "each call needs a function with a plain name"
    elif not isinstance(function.get("arguments"), str):
        yield f"{where}.tool_calls", "arguments must be text"


def _tools(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    tools = body.get("tools")
    if tools is None:
        if "tool_choice" in body:
            yield "tool_choice", "is only allowed when tools are specified"
        return
    if not isinstance(tools, list) or not tools:
        yield "tools", "must be a list with at least one tool"
        return
    for at, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not _NAME.fullmatch(str(function.get("name"))):
            yield f"tools[{at}].function.name", "does not match ^[a-zA-Z0-9_-]{1,64}$"
        elif (function.get("parameters") or {"type": "object"}).get("type") != "object":
            yield f"tools[{at}].function.parameters", "schema must be of type object"


def _format(wanted: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    if wanted is None or wanted.get("type") != "json_schema":
        return
    described = wanted.get("json_schema") or {}
    if not _NAME.fullmatch(str(described.get("name"))):
        yield "response_format.json_schema.name", "does not match ^[a-zA-Z0-9_-]{1,64}$"
    schema = described.get("schema") or {}
    if schema.get("type") != "object":
        yield "response_format.json_schema.schema", "schema must be of type object"
    if described.get("strict") and not _strict(schema):
        yield (
            "response_format.json_schema.schema",
            "strict needs additionalProperties false, every property required, and plain words only",
        )


def _strict(schema: Any) -> bool:  # noqa: ANN401
    if isinstance(schema, list):
        return all(_strict(inner) for inner in schema)
    if not isinstance(schema, dict):
        return True
    if not set(schema) <= STRICT_WORDS or ("$ref" in schema and len(schema) > 1):
        return False
    fields = schema.get("properties")
    if isinstance(fields, dict):
        complete = set(fields) == set(schema.get("required") or ())
        return schema.get("additionalProperties") is False and complete and _inner(schema)
    return _inner(schema)


def _inner(schema: dict[str, Any]) -> bool:
    below = [*(schema.get("properties") or {}).values(), *(schema.get("$defs") or {}).values()]
    below += [schema[key] for key in ("items", "anyOf") if key in schema]
    return all(_strict(inner) for inner in below)
