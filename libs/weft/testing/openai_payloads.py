"""Replies of a script in the wire format, whole and in pieces."""

from collections.abc import Iterator

from weft.core import JsonObject, dumps
from weft.testing.openai_script import WireCall, WireReply

_CREATED = 1_700_000_000


def completion(body: JsonObject, reply: WireReply) -> JsonObject:
    """Return a whole reply."""
    message: JsonObject = {
        "role": "assistant",
        "content": reply.whole_text or None,
        "refusal": reply.refusal,
    }
    if reply.calls:
        message["tool_calls"] = [
            _call(given, call)
            for given, call in zip(_call_ids(body, reply), reply.calls, strict=True)
        ]
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": _CREATED,
        "model": body.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": reply.reason}],
        "usage": _usage(body, reply),
    }


def pieces(body: JsonObject, reply: WireReply) -> Iterator[JsonObject]:
    """Yield the same reply as the pieces of a stream."""
    yield _piece(body, {"role": "assistant", "content": ""})
    for text in reply.chunks or ((reply.text,) if reply.text else ()):
        yield _piece(body, {"content": text})
    if reply.refusal:
        yield _piece(body, {"refusal": reply.refusal})
    for place, (given, call) in enumerate(zip(_call_ids(body, reply), reply.calls, strict=True)):
        at = 0 if reply.same_index else place
        named: JsonObject = {"name": call.name, "arguments": ""}
        first: JsonObject = {"index": at, "id": given, "type": "function", "function": named}
        yield _piece(body, {"tool_calls": [first]})
        for start in range(0, len(call.text), reply.call_piece):
            part: JsonObject = {"arguments": call.text[start : start + reply.call_piece]}
            yield _piece(body, {"tool_calls": [{"index": at, "function": part}]})
    yield _piece(body, {}, finish=reply.reason)
    options = body.get("stream_options")
    usage = _usage(body, reply)
    if usage is not None and isinstance(options, dict) and options.get("include_usage"):
        yield {**_piece(body, {}), "choices": [], "usage": usage}


def _piece(body: JsonObject, delta: JsonObject, *, finish: str | None = None) -> JsonObject:
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": body.get("model"),
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def _call_ids(body: JsonObject, reply: WireReply) -> list[str]:
    said = dumps(body.get("messages")).decode().count('"tool_call_id"')
    numbered = enumerate(reply.calls, start=said + 1)
    return [f"call_{at:024d}" if call.id is None else call.id for at, call in numbered]


def _usage(body: JsonObject, reply: WireReply) -> JsonObject | None:
    if reply.usage is not None:
        return reply.usage or None
    prompt = len(dumps(body.get("messages"))) // 4
    said = (len(reply.whole_text) + sum(len(call.text) for call in reply.calls)) // 4
    return {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}


def _call(given: str, call: WireCall) -> JsonObject:
    function: JsonObject = {"name": call.name, "arguments": call.text}
    return {"id": given, "type": "function", "function": function}
