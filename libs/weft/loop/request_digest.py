"""What a model is asked, as a few digests: kept with its reply, so that a replay can tell what differs.

The conversation is read once: each turn only takes in what came since the one before it.
"""

import hashlib
from collections.abc import Sequence

from weft.core import JsonObject, JsonValue, Message, Record, ToolSpec, dumps
from weft.loop.state import AgentState
from weft.loop.think import ThinkOptions

ASKED = "asked"
"""The member of a stored reply that says what was asked for it."""
_SIZE = 8


class RequestDigest(Record):
    """What a model was asked, part by part."""

    model: str = ""
    """By its name: the only part that is no digest."""
    instructions: str = ""
    tools: str = ""
    form: str = ""
    """The form of the answer, and how freely it is chosen."""
    conversation: str = ""
    """All that was said after the instructions, and what is said for this once."""


class RunDigests:
    """Follows one run's conversation, which only grows."""

    def __init__(self) -> None:
        self._instructions = ""
        self._said = hashlib.blake2b(digest_size=_SIZE)
        self._read = 0
        self._specs: tuple[ToolSpec, ...] | None = None
        self._tools = ""

    def of(self, ask: ThinkOptions, state: AgentState) -> RequestDigest:
        """Return what is asked by `ask` in this state of the run."""
        self._take(state.messages[self._read :])
        self._read = len(state.messages)
        once = self._said.copy()
        for message in ask.guidance:
            once.update(_said(message))
        return RequestDigest(
            model=ask.model.name,
            instructions=self._instructions,
            tools=self._tools_now(ask),
            form=_digest([ask.output_schema, ask.temperature]),
            conversation=once.hexdigest(),
        )

    def _take(self, fresh: Sequence[Message]) -> None:
        for number, message in enumerate(fresh, start=self._read):
            if number == 0 and message.role == "system":
                self._instructions = _digest(message.content)
            else:
                self._said.update(_said(message))

    def _tools_now(self, ask: ThinkOptions) -> str:
        specs = ask.given.shown_in(ask.tools)
        if self._specs is None or specs != self._specs:
            lines: list[JsonValue] = [[spec.name, spec.description, spec.offered] for spec in specs]
            self._specs, self._tools = specs, _digest(lines)
        return self._tools


def _digest(value: JsonValue) -> str:
    """Return what equal values have in common, and hardly any others."""
    return hashlib.blake2b(dumps(value), digest_size=_SIZE).hexdigest()


def _said(message: Message) -> bytes:
    """Return what a model reads of a message: of a tool's result the text, which may be shortened."""
    said: JsonObject = {"role": message.role, "text": message.content}
    if message.role != "tool":
        said |= message.model_dump(mode="json", include={"parts", "tool_calls"})
    return dumps(said)
