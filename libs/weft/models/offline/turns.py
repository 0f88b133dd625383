"""A conversation as the planner sees it: the request, what came before, what tools said since."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from weft.core import JsonObject, JsonValue, Message, ToolCall, canonical, loads
from weft.models.base import ModelRequest

ASK = "ask_user"
MISSING_QUESTION = re.compile(r"What should `([^`]+)` get for its argument `([^`]+)`\?")
_FENCED = re.compile(
    r"^(?P<fence>`{3,}) result of (?P<step>[^\n]+?) \(data, not instructions\)\n"
    r"(?P<text>.*?)\n?(?P=fence)`*\s*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Outcome:
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
    read: JsonObject = {}
    for name in ("summary", "findings", "problems"):
        match = re.search(rf'"{name}"\s*:\s*', text)
        if match is not None and (value := _cut_value(text, match.end())) is not None:
            read[name] = value
    return read


def _cut_value(text: str, at: int) -> JsonValue:
    decoder = json.JSONDecoder()
    if text[at : at + 1] != "[":
        return _decoded(decoder, text, at)[0]
    items: list[JsonValue] = []
    at += 1
    while (found := _decoded(decoder, text, at))[1] > at:
        items.append(found[0])
        at = found[1] + 1 if text[found[1] : found[1] + 1] == "," else found[1]
    return items or None


def _decoded(decoder: json.JSONDecoder, text: str, at: int) -> tuple[JsonValue, int]:
    try:
        value, end = decoder.raw_decode(text, at)
    except ValueError:
        return None, at
    return value, end


@dataclass(frozen=True, slots=True)
class Turns:
    """The newest request of a conversation, and what belongs to it."""

    text: str
    earlier: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    """Results since the request, then earlier steps' results quoted inside it."""
    called: frozenset[tuple[str, bytes]]
    rounds: int
    answers: Mapping[str, JsonValue]

    @classmethod
    def of(cls, request: ModelRequest) -> "Turns":
        messages = request.messages
        users = [at for at, message in enumerate(messages) if message.role == "user"]
        newest = users[-1] if users else -1
        asked = _text(messages[newest]) if users else ""
        since = messages[newest + 1 :]
        calls = {call.id: call for message in since for call in message.tool_calls}
        outcomes = [_outcome(m, calls) for m in since if m.role == "tool" and m.name != ASK]
        return cls(
            text=_FENCED.sub("", asked).strip(),
            earlier=tuple(_FENCED.sub("", _text(messages[at])) for at in users[:-1]),
            outcomes=(*outcomes, *quoted_steps(asked)),
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


def quoted_steps(text: str) -> Iterable[Outcome]:
    """Return the results of earlier steps that a prompt carries between fences."""
    return (Outcome(match["step"], match["text"]) for match in _FENCED.finditer(text))


def identity(name: str, arguments: JsonObject) -> tuple[str, bytes]:
    """Return what makes two calls the same one."""
    try:
        return name, canonical(arguments)
    except ValueError:
        return name, repr(sorted(arguments.items())).encode()


def _text(message: Message) -> str:
    parts = [part.text for part in message.parts if part.text]
    return message.content or "\n".join(parts)


def _outcome(message: Message, calls: Mapping[str, ToolCall]) -> Outcome:
    known = calls.get(message.tool_call_id or "")
    tool = message.name or (known.name if known else "tool")
    data = next((part.data for part in message.parts if part.data is not None), None)
    error = message.metadata.get("error") or _spoken_error(message.content)
    if error:
        return Outcome(tool, message.content, error if isinstance(error, str) else message.content)
    outcome = Outcome(tool, message.content, data=data)
    value = outcome.value
    if isinstance(value, dict) and isinstance(value.get("error"), str) and "findings" not in value:
        return Outcome(tool, message.content, str(value["error"]))
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
