"""A conversation as the planner sees it: the request, what came before, what tools said since."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from weft.core import JsonObject, JsonValue, Message, ToolCall, canonical, data_of, loads
from weft.language import parted
from weft.models.base import ModelRequest

ASK = "ask_user"
MISSING_QUESTION = re.compile(r"What should `([^`]++)` get for its argument `([^`]++)`\?")
_MEMBER = re.compile(r'"(summary|findings|problems)"\s*+:\s*+')


@dataclass(frozen=True, slots=True)
class ToolReply:
    """What one tool said, or one earlier step."""

    tool: str
    text: str
    error: str | None = None
    data: JsonValue = None
    """The result as JSON, where the conversation carries it beside the text."""

    @property
    def value(self) -> JsonValue:
        """The JSON value of the result, or its text."""
        if self.data is not None or not self.text.lstrip().startswith(("{", "[")):
            return self.text if self.data is None else self.data
        try:
            return loads(self.text)
        except ValueError:
            return shortened(self.text) or self.text


def shortened(text: str) -> JsonObject:
    """Return what can still be read of a JSON object that was cut: summary and first findings."""
    places: dict[str, int] = {}
    for match in _MEMBER.finditer(text):
        places.setdefault(match[1], match.end())
    read = {name: _cut_value(text, at) for name, at in places.items()}
    return {name: value for name, value in read.items() if value is not None}


def _cut_value(text: str, at: int) -> JsonValue:
    decoder = json.JSONDecoder()
    if text[at : at + 1] != "[":
        return _decoded(decoder, text, at)[0]
    items: list[JsonValue] = []
    at += 1
    while (item := _decoded(decoder, text, at))[1] > at:
        items.append(item[0])
        at = item[1] + 1 if text[item[1] : item[1] + 1] == "," else item[1]
    return items or None


def _decoded(decoder: json.JSONDecoder, text: str, at: int) -> tuple[JsonValue, int]:
    try:
        value, end = decoder.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None, at
    return value, end


@dataclass(frozen=True, slots=True)
class CurrentTurn:
    """The newest request of a conversation, and what belongs to it."""

    text: str
    earlier: tuple[str, ...]
    outcomes: tuple[ToolReply, ...]
    """Results since the request, then earlier steps' results quoted inside it."""
    called: frozenset[tuple[str, bytes]]
    rounds: int
    answers: Mapping[str, JsonValue]

    @classmethod
    def of(cls, request: ModelRequest) -> "CurrentTurn":
        messages = request.messages
        users = [at for at, message in enumerate(messages) if message.role == "user"]
        newest = users[-1] if users else -1
        words, quoted = parted(messages[newest].content) if users else ("", ())
        since = messages[newest + 1 :]
        calls = {call.id: call for message in since for call in message.tool_calls}
        outcomes = [_outcome(m, calls) for m in since if m.role == "tool" and m.name != ASK]
        return cls(
            text=words.strip(),
            earlier=tuple(parted(messages[at].content)[0] for at in users[:-1]),
            outcomes=(*outcomes, *(ToolReply(result.step, result.text) for result in quoted)),
            called=frozenset(identity(c.name, c.arguments) for c in calls.values()),
            rounds=sum(bool(message.tool_calls) for message in since),
            answers=_answers(since, calls),
        )

    def result_values(self) -> dict[str, tuple[str, JsonValue]]:
        """Return the top-level fields of the results; the first tool to name one wins."""
        named: dict[str, tuple[str, JsonValue]] = {}
        for outcome in self.outcomes:
            value = outcome.value if outcome.error is None else None
            for name, field in value.items() if isinstance(value, dict) else ():
                named.setdefault(name, (outcome.tool, field))
        return named


def identity(name: str, arguments: JsonObject) -> tuple[str, bytes]:
    """Return what makes two calls the same one."""
    try:
        return name, canonical(arguments)
    except ValueError:
        return name, repr(sorted(arguments.items())).encode()


def _outcome(message: Message, calls: Mapping[str, ToolCall]) -> ToolReply:
    call = calls.get(message.tool_call_id or "")
    tool = message.name or (call.name if call else "tool")
    data = data_of(message.parts)
    error = message.metadata.get("error") or _spoken_error(message.content)
    if error:
        return ToolReply(
            tool, message.content, error if isinstance(error, str) else message.content
        )
    outcome = ToolReply(tool, message.content, data=data)
    value = outcome.value
    if isinstance(value, dict) and isinstance(value.get("error"), str) and "findings" not in value:
        return ToolReply(tool, message.content, str(value["error"]))
    return outcome


def _spoken_error(content: str) -> str | None:
    prefix = "Error: "
    return content.removeprefix(prefix) if content.startswith(prefix) else None


def _answers(since: Iterable[Message], calls: Mapping[str, ToolCall]) -> dict[str, JsonValue]:
    given: dict[str, JsonValue] = {}
    for message in since:
        call = calls.get(message.tool_call_id or "")
        if message.role != "tool" or call is None or call.name != ASK:
            continue
        match = MISSING_QUESTION.search(str(call.arguments.get("question", "")))
        if match is not None and message.content.strip():
            given[f"{match.group(1)}.{match.group(2)}"] = message.content.strip()
    return given
