"""What the scripted server answers: replies and faults, from Python or from a JSON file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from weft.core import JsonObject, JsonValue, StrictRecord, dumps

Fault = Literal["silence", "reset", "cut", "malformed"]
"""Nothing at all; a connection reset; a stream that ends in its middle; a piece that is no JSON."""

Predicate = Callable[[JsonObject], bool]


class When(StrictRecord):
    """Which requests a reply is for, in a script that is a file."""

    contains: str = ""
    """Text that some message has."""
    last_contains: str = ""
    """Text that the last message has."""
    model: str = ""
    tool: str = ""
    """A tool that is offered."""

    def matches(self, body: JsonObject) -> bool:
        messages = body.get("messages")
        texts = (
            [dumps(message).decode() for message in messages] if isinstance(messages, list) else []
        )
        checks = (
            not self.contains or any(self.contains in text for text in texts),
            not self.last_contains or (bool(texts) and self.last_contains in texts[-1]),
            not self.model or body.get("model") == self.model,
            not self.tool or f'"{self.tool}"' in dumps(body.get("tools")).decode(),
        )
        return all(checks)


class WireCall(StrictRecord):
    """A tool call of a reply; arguments that are text are sent as they are."""

    name: str
    arguments: JsonValue = Field(default_factory=dict)
    id: str | None = None
    """None gives it the next free one; an empty text sends none."""

    @property
    def text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else dumps(self.arguments).decode()


class WireReply(StrictRecord):
    """One answer of the server."""

    text: str = ""
    calls: tuple[WireCall, ...] = ()
    chunks: tuple[str, ...] = ()
    """The text in the pieces in which it is streamed."""
    same_index: bool = False
    """Streamed calls all have index 0, as some servers number them."""
    call_piece: int = 7
    """So many characters of a call's arguments go into one piece."""
    usage: JsonObject | None = None
    """None counts roughly; an empty object sends none."""
    finish_reason: str | None = None
    refusal: str | None = None
    status: int = 200
    headers: dict[str, str] = Field(default_factory=dict)
    error: JsonObject | None = None
    """The `error` object of a failure."""
    delay: float = 0.0
    fault: Fault | None = None
    after: int = 1
    """How many pieces of a stream come before its fault, or before it waits."""
    waits: bool = False
    """The rest of a stream comes when the server's `go` is set."""
    when: When | None = None
    repeat: bool = False
    """Answers every request it matches, not only the first."""

    @property
    def whole_text(self) -> str:
        return self.text or "".join(self.chunks)

    @property
    def reason(self) -> str:
        return self.finish_reason or ("tool_calls" if self.calls else "stop")


Matching = tuple[Predicate, WireReply]


@dataclass(slots=True)
class Script:
    """Replies that fit a request by predicate, else those in order."""

    replies: list[str | WireReply | Matching]
    _used: set[int] = field(default_factory=set)

    def next(self, body: JsonObject) -> WireReply | None:
        """Return the reply to `body`, or None past the end."""
        first: int | None = None
        for at, entry in enumerate(self.replies):
            if at in self._used:
                continue
            fits = _fits(entry, body)
            if fits:
                return self._take(at)
            if fits is None and first is None:
                first = at
        return None if first is None else self._take(first)

    @property
    def unused(self) -> int:
        spare = (at for at, one in enumerate(self.replies) if not _reply(one).repeat)
        return sum(at not in self._used for at in spare)

    def _take(self, at: int) -> WireReply:
        reply = _reply(self.replies[at])
        if not reply.repeat:
            self._used.add(at)
        return reply


def _reply(entry: str | WireReply | Matching) -> WireReply:
    if isinstance(entry, str):
        return WireReply(text=entry)
    return entry if isinstance(entry, WireReply) else entry[1]


def _fits(entry: str | WireReply | Matching, body: JsonObject) -> bool | None:
    """Tell whether a reply is meant for `body`; None if it is for any request in its turn."""
    if isinstance(entry, tuple):
        return entry[0](body)
    if isinstance(entry, WireReply) and entry.when is not None:
        return entry.when.matches(body)
    return None


def masked(headers: Mapping[str, str]) -> dict[str, str]:
    """Return `headers` without the keys they carry."""
    hidden = ("authorization", "api-key", "x-api-key")
    return {name: "***" if name in hidden else value for name, value in headers.items()}
