"""What agents and models say to each other."""

from typing import Literal

from pydantic import Field, JsonValue, model_validator

from weft.core.parts import Part, Parts, in_parts, text_of
from weft.core.record import JsonObject, Record

__all__ = ["MAX_PROMPT", "PEER_CONTEXTS", "prompt_fits", "shows_something"]

Role = Literal["system", "user", "assistant", "tool"]
MAX_PROMPT = 256 * 1024
"""Bytes that a person may ask with; the door and the router hold the same bound."""

PEER_CONTEXTS = "contexts"
"""In the metadata of an answer: the conversations that its thread has with agents outside the mesh."""


def prompt_fits(text: str) -> bool:
    """Tell whether `text` is within `MAX_PROMPT`, counted as UTF-8."""
    return len(text) * 4 <= MAX_PROMPT or len(text.encode()) <= MAX_PROMPT


def shows_something(text: str) -> bool:
    """Tell whether there is anything to see in `text`: spaces, marks of direction and the like show nothing."""
    return any(character.isprintable() and not character.isspace() for character in text)


class ToolCall(Record):
    """A model's wish to call a tool."""

    id: str
    name: str
    arguments: JsonObject = Field(default_factory=dict)
    malformed_arguments: str | None = None
    """What the model wrote instead of a JSON object; then `arguments` is empty."""


class Message(Record):
    """One entry of a conversation, made of parts; `content=` is short for a leading text."""

    role: Role
    parts: Parts = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    metadata: JsonObject = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _in_parts(cls, values: object) -> object:
        return in_parts(values, text="content")

    @property
    def content(self) -> str:
        """What it says in words."""
        return text_of(self.parts)

    @classmethod
    def system(cls, content: str) -> "Message":
        return cls(role="system", parts=_said(content))

    @classmethod
    def user(cls, content: str, *, metadata: JsonObject | None = None) -> "Message":
        return cls(role="user", parts=_said(content), metadata=metadata or {})

    @classmethod
    def assistant(cls, content: str = "", *, tool_calls: tuple[ToolCall, ...] = ()) -> "Message":
        return cls(role="assistant", parts=_said(content), tool_calls=tool_calls)

    @classmethod
    def tool(cls, content: str, *, call: ToolCall) -> "Message":
        return cls(role="tool", parts=_said(content), tool_call_id=call.id, name=call.name)


class ToolSpec(Record):
    """What a model is told of a tool; `parameters` is a JSON schema."""

    name: str
    description: str = ""
    parameters: JsonObject = Field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    examples: tuple[str, ...] = ()
    idempotent: bool = False
    isolation: Literal["process"] | None = None
    """Where the body runs, if not in the agent's own process."""
    given: JsonObject = Field(default_factory=dict)
    """Arguments that the run brings along: a call need not name them. None is not to be shown."""

    @property
    def offered(self) -> JsonObject:
        """The parameters as a model is shown them: what is given is a default, and not required."""
        properties, required = self.parameters.get("properties"), self.parameters.get("required")
        if not self.given or not isinstance(properties, dict):
            return self.parameters
        shown: JsonObject = dict(properties)
        for name, value in self.given.items():
            schema = shown.get(name)
            if value is not None and isinstance(schema, dict):
                shown[name] = {**schema, "default": value}
        names = required if isinstance(required, list) else []
        left: list[JsonValue] = [name for name in names if name not in self.given]
        return {**self.parameters, "properties": shown, "required": left}


def _said(content: str) -> Parts:
    return (Part(text=content),) if content else ()
