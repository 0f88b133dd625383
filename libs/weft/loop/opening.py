"""The first turn of a run whose agent looks before it asks: calls that no model decides on."""

from collections.abc import Sequence

from weft.core import Message, ToolCall, name_digest
from weft.core.errors import ConfigError, did_you_mean
from weft.loop.given import GivenArguments
from weft.models import ModelResponse, ModelUsage
from weft.tools import ToolRegistry

FIRST = 1
"""The iteration in which they are made."""
RULES = "opening:rules"


def checked_openings(names: Sequence[str], tools: ToolRegistry) -> None:
    """Make sure that an agent has the tools it is to begin with, and that they only read.

    Raises:
        ConfigError: There is no such tool, or it may change something.
    """
    for name in names:
        tool = tools.get(name)
        if tool is None:
            near = did_you_mean(name, tools.names)
            raise ConfigError(f"opening_tools names the unknown tool {name!r}{near}")
        if not tool.only_reads:
            raise ConfigError(
                f"opening_tools names {name!r}, which may change something: only a tool with the "
                "label 'read' is called without being asked for"
            )


def opening_reply(
    names: Sequence[str], tools: ToolRegistry, given: GivenArguments, *, run_id: str
) -> ModelResponse | None:
    """Return the calls to begin with, as a reply; None where nothing can be called yet."""
    calls = tuple(
        ToolCall(id=f"call_{name_digest(f'{run_id} {name}')[:20]}", name=name)
        for name in names
        if (tool := tools.get(name)) is not None and given.completes(tool)
    )
    if not calls:
        return None
    reply = ModelResponse(
        message=Message(role="assistant", tool_calls=calls),
        usage=ModelUsage(cost_usd=0.0),
        stop_reason="tool_calls",
        model=RULES,
        generated_by="rules",
    )
    return given.filled(reply)
