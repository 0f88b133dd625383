"""The provider's replies in our words; nothing that came is trusted to have its type."""

from collections.abc import Iterator
from contextlib import contextmanager

from weft.core import JsonObject, JsonValue, ToolCall, dumps
from weft.models.base import FinishReason, ModelUsage
from weft.models.chunks import CallIds, parsed_call
from weft.models.errors import ErrorOrigin, ModelRequestError, ModelUnavailableError
from weft.models.openai.failures import told_inside

MAX_COUNT = 10**15
"""Tokens; more is a slip of the server, and could not be summed up and stored."""
_STOP_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "length": "length",
    "content_filter": "content_filter",
}


class OddReplyError(ValueError):
    """What came has not the form of a chat completion; its text says where."""


@contextmanager
def reading(origin: ErrorOrigin) -> Iterator[None]:
    """Raise what is odd about a reply as an error that a repetition may mend."""
    try:
        yield
    except OddReplyError as error:
        message = f"{origin.provider}: the reply is no proper chat completion: {error}"
        raise ModelUnavailableError(message, origin=origin) from None


def no_completion(origin: ErrorOrigin, address: str, what: str) -> ModelRequestError:
    """Return the error of a server that answers, but is none of this kind."""
    return ModelRequestError(
        f"{origin.provider}: {address} answered with {what}, which is no chat completion:"
        " is the address (base_url) right? As a rule it ends in /v1",
        origin=origin,
    )


def completion(value: JsonValue, origin: ErrorOrigin, address: str) -> JsonObject:
    """Return a reply that came whole as an object that has choices.

    Raises:
        ModelError: It is something else.
    """
    if not isinstance(value, dict):
        raise no_completion(origin, address, f"a JSON {_name(value)}")
    if failure := value.get("error"):
        raise told_inside(origin.provider, failure)
    if "choices" not in value:
        raise no_completion(origin, address, "a JSON object without choices")
    return value


def piece_of(reply: JsonObject) -> JsonObject:
    """Return a whole reply as the one piece of a stream, for servers that do not stream."""
    choice = first_choice(reply)
    return {**reply, "choices": [{**choice, "delta": choice.get("message")}]} if choice else reply


def first_choice(reply: JsonObject) -> JsonObject | None:
    """Return the first choice, None where there is none."""
    choices = reply.get("choices")
    if not isinstance(choices, list | None):
        raise OddReplyError(f"its choices are a {_name(choices)}")
    if not choices or choices[0] is None:
        return None
    return as_object(choices[0], "its choice")


def as_object(value: JsonValue, what: str) -> JsonObject:
    if not isinstance(value, dict):
        raise OddReplyError(f"{what} is a {_name(value)}")
    return value


def entries(value: JsonValue, what: str) -> list[JsonObject]:
    """Return a list's objects; None in the place of one, or of the list, says nothing."""
    if not isinstance(value, list | None):
        raise OddReplyError(f"{what} are a {_name(value)}")
    return [as_object(entry, f"one of {what}") for entry in value or () if entry is not None]


def text_of(value: JsonValue, what: str) -> str:
    """Return a text, which some servers give in parts."""
    if isinstance(value, list):
        return "".join(_part(part, what) for part in value)
    if not isinstance(value, str | None):
        raise OddReplyError(f"{what} is a {_name(value)}")
    return value or ""


def called(entry: JsonObject) -> tuple[str, str]:
    """Return a call's name, empty where it has none, and the text of its arguments."""
    function = entry.get("function")
    if function is None:
        return "", ""
    function = as_object(function, "the function of a call")
    name, arguments = text_of(function.get("name"), "the name of a call"), function.get("arguments")
    if arguments is None:
        return name, ""
    # Some servers have taken the arguments' JSON apart already.
    return name, arguments if isinstance(arguments, str) else dumps(arguments).decode()


def calls(message: JsonObject, ids: CallIds) -> tuple[ToolCall, ...]:
    """Return a whole reply's calls, each with an id of its own."""
    made: list[ToolCall] = []
    for entry in entries(message.get("tool_calls"), "its tool calls"):
        name, arguments = called(entry)
        made.append(parsed_call(ids.admit(identity(entry)), named(name), arguments))
    return tuple(made)


def named(name: str) -> str:
    """Return the name of a call, which every call must have."""
    if not name:
        raise OddReplyError("it calls a tool without naming it")
    return name


def identity(entry: JsonObject) -> str:
    """Return a call's id as text; some servers number their calls."""
    given = entry.get("id")
    return str(given) if isinstance(given, str | int) else ""


def usage(value: JsonValue) -> ModelUsage | None:
    """Return what the provider counted, or None if it did not, or in no numbers."""
    if not isinstance(value, dict) or (prompt := _count(value.get("prompt_tokens"))) is None:
        return None
    spent = _count(value.get("completion_tokens")) or 0
    return ModelUsage(
        prompt_tokens=prompt,
        completion_tokens=spent,
        total_tokens=_count(value.get("total_tokens")) or prompt + spent,
        cache_read_tokens=_detail(value.get("prompt_tokens_details"), "cached_tokens"),
        reasoning_tokens=_detail(value.get("completion_tokens_details"), "reasoning_tokens"),
    )


def stop_reason(raw: JsonValue, *, called: bool) -> FinishReason:
    """Return why the reply ended; some servers say `stop` where they call tools."""
    reason = _STOP_REASONS.get(raw, "stop") if isinstance(raw, str) else "stop"
    return "tool_calls" if called and reason == "stop" else reason


def _part(value: JsonValue, what: str) -> str:
    if isinstance(value, dict):
        return text_of(value.get("text"), what)
    return text_of(value, what) if not isinstance(value, list) else ""


def _detail(details: JsonValue, name: str) -> int:
    return (_count(details.get(name)) or 0) if isinstance(details, dict) else 0


def _count(value: JsonValue) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MAX_COUNT else None


def _name(value: JsonValue) -> str:
    kinds = {type(None): "null", bool: "truth value", str: "text", list: "list", dict: "object"}
    return kinds.get(type(value), "number")
