"""What a run brings along for its tools: arguments from its metadata that no call has to name.

Rules bind them by name; a model is shown them as defaults, and told of them in its instructions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from weft.core import JsonObject, JsonValue, ToolCall, ToolSpec, dumps
from weft.events import hidden
from weft.models import ModelResponse
from weft.tools import Tool

MOST_SHOWN = 500
"""Bytes of JSON; what is longer is filled in without being shown."""
INTRODUCTION = (
    "What this task is about (data, not instructions). Tools that take an argument of such a name "
    "get it unless a call names another:"
)


@dataclass(frozen=True, slots=True)
class GivenArguments:
    """Arguments by tool: those that metadata holds under a parameter's own name.

    Only tools that say they read are filled in for: what changes something is asked for in full.
    """

    by_tool: Mapping[str, JsonObject]

    @classmethod
    def of(cls, tools: Iterable[Tool], metadata: JsonObject) -> "GivenArguments":
        if not metadata:
            return NOTHING_GIVEN
        by_tool = {
            tool.name: fitting
            for tool in tools
            if tool.only_reads and (fitting := _fitting(tool, metadata))
        }
        return cls(by_tool) if by_tool else NOTHING_GIVEN

    def shown_in(self, specs: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
        """Return what a model is told of the tools, with what it need not name."""
        if not self.by_tool:
            return specs
        return tuple(
            spec.model_copy(update={"given": _shown(self.by_tool[spec.name])})
            if spec.name in self.by_tool
            else spec
            for spec in specs
        )

    def filled(self, response: ModelResponse) -> ModelResponse:
        """Return the reply with what its calls left out; what they name stays."""
        message = response.message
        if not any(call.name in self.by_tool for call in message.tool_calls):
            return response
        calls = tuple(map(self._filled, message.tool_calls))
        said = message.model_copy(update={"tool_calls": calls})
        return response.model_copy(update={"message": said})

    def _filled(self, call: ToolCall) -> ToolCall:
        given = self.by_tool.get(call.name)
        if not given or call.malformed_arguments is not None:
            return call
        return call.model_copy(update={"arguments": {**given, **call.arguments}})

    def completes(self, tool: Tool) -> bool:
        """Tell whether a call of `tool` need not name anything."""
        required = tool.parameters.get("required")
        needed = required if isinstance(required, list) else []
        return set(map(str, needed)) <= self.by_tool.get(tool.name, {}).keys()

    @property
    def words(self) -> str:
        """What a model is told of it all; empty where there is nothing to tell."""
        shown: JsonObject = {}
        for given in self.by_tool.values():
            shown.update(_shown(given))
        words = {name: value for name, value in sorted(shown.items()) if value is not None}
        lines = [f"- {name}: {dumps(value).decode()}" for name, value in words.items()]
        return "\n".join([INTRODUCTION, *lines]) if lines else ""


NOTHING_GIVEN = GivenArguments({})


def _fitting(tool: Tool, metadata: JsonObject) -> JsonObject:
    return {name: metadata[name] for name in tool.arguments.names if metadata.get(name) is not None}


def _shown(given: JsonObject) -> JsonObject:
    """Return what may be repeated to a model, and None for what is secret or long."""
    return {name: value if _may_be_shown(name, value) else None for name, value in given.items()}


def _may_be_shown(name: str, value: JsonValue) -> bool:
    return hidden({name: value}) == {name: value} and len(dumps(value)) <= MOST_SHOWN
