"""Calls a tool: validated, within its time, journalled if it has an effect, never raising its bugs.

It tells no `agent.tool.started` or `.completed`: whoever runs hooks around a call does.
"""

import logging
from dataclasses import dataclass, field, replace

import anyio

from weft.core import ToolCall, rfc3339
from weft.core.contained import contained, described
from weft.core.errors import ConfigError, FencedError, InputError, StoreUnavailableError
from weft.core.storable import storable
from weft.events import redact
from weft.runs import Journal
from weft.tools.background import EffectHost
from weft.tools.body import run_body
from weft.tools.context import ToolContext
from weft.tools.definition import Tool
from weft.tools.effect_key import EffectKeyError
from weft.tools.effects import Effect, Performed
from weft.tools.interrupts import InterruptRaised
from weft.tools.registry import ToolRegistry
from weft.tools.rendering import ResultLimit, as_json, as_text
from weft.tools.result import ToolExecution, ToolOutcome
from weft.tools.schema import Arguments

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What a call may take, where the tool does not say."""

    timeout_s: float = 120.0
    result: ResultLimit = field(default_factory=ResultLimit)


def validated(tool: Tool, call: ToolCall) -> Arguments:
    """Convert the call's arguments.

    Raises:
        InputError: The model wrote no JSON object, or its arguments do not fit.
    """
    if call.malformed_arguments is not None:
        raise InputError(f"arguments are not a JSON object: {call.malformed_arguments}")
    return tool.arguments.validate(call.arguments)


def failed_call(
    call: ToolCall, message: str, *, outcome: ToolOutcome = "error", timestamp: float = 0.0
) -> ToolExecution:
    """Return the error result of a call whose body did not run."""
    return ToolExecution(
        tool_call_id=call.id,
        name=call.name,
        content=f"Error: {message}",
        error=message,
        arguments=call.arguments,
        outcome=outcome,
        timestamp=timestamp,
    )


async def call_by_name(
    registry: ToolRegistry,
    call: ToolCall,
    context: ToolContext,
    *,
    journal: Journal | None = None,
    host: EffectHost | None = None,
    limits: CallLimits | None = None,
) -> ToolExecution:
    """Call the tool that `call` names; an unknown one is an error result. See `call_tool`."""
    tool = registry.get(call.name)
    if tool is None:
        limit = (limits or CallLimits()).result
        unknown = Performed("error", message=registry.unknown(call.name))
        failed = await _failed(unknown, call, limit)
        return failed.model_copy(update={"timestamp": context.clock.now()})
    return await call_tool(tool, call, context, journal=journal, host=host, limits=limits)


async def call_tool(
    tool: Tool,
    call: ToolCall,
    context: ToolContext,
    *,
    journal: Journal | None = None,
    host: EffectHost | None = None,
    limits: CallLimits | None = None,
) -> ToolExecution:
    """Make one call; whatever the body does wrong is an error result.

    `host` is the run's: effects under way at a timeout or cancellation go on there. Without one
    they end with the call (a cancelled one has two seconds), and are unknown.

    Raises:
        ConfigError: An idempotent tool is called without a journal.
        InterruptRaised: Somebody outside must answer before the call can be made.
        StoreUnavailableError: An intent cannot be stored; no body ran.
        EffectUnrecordedError: The effect happened; its outcome cannot be stored.
        FencedError: The run has another owner.
        CanceledError: The run is being cancelled; no body ran.
    """
    limits = limits or CallLimits()
    context = replace(context, tool_call_id=call.id, tool_name=tool.name)
    started, began = context.clock.now(), context.clock.monotonic()
    try:
        arguments = validated(tool, call)
    except InputError as error:
        failed = await _failed(Performed("error", message=str(error)), call, limits.result)
        return failed.model_copy(update={"timestamp": started})
    try:
        performed = await _performed(_Call(tool, arguments, context, limits), journal, host)
    except EffectKeyError as error:
        performed = Performed("error", message=str(error))
    execution = await _rendered(performed, call, limits.result)
    return execution.model_copy(
        update={
            "arguments": arguments.json,
            "timestamp": started,
            "duration_ms": (context.clock.monotonic() - began) * 1000,
        }
    )


@dataclass(frozen=True, slots=True)
class _Call:
    tool: Tool
    arguments: Arguments
    context: ToolContext
    limits: CallLimits

    @property
    def timeout_s(self) -> float:
        """Return the tool's time, never more than the run has left."""
        own = self.tool.timeout or self.limits.timeout_s
        deadline = self.context.deadline
        return min(own, deadline.remaining(self.context.clock)) if deadline else own


async def _performed(call: _Call, journal: Journal | None, host: EffectHost | None) -> Performed:
    if call.timeout_s <= 0:
        return Performed("timeout", message="no time is left; the tool was not called")
    if not call.tool.idempotent:
        return await _plain(call)
    if journal is None:
        raise ConfigError(f"the idempotent tool {call.tool.name!r} needs a journal to be called")
    effect = Effect(call.tool, call.arguments, call.context, journal=journal)
    if host is not None:
        return await effect.perform(host, timeout_s=call.timeout_s)
    async with EffectHost(grace_s=0) as own:
        return await effect.perform(own, timeout_s=call.timeout_s)


async def _plain(call: _Call) -> Performed:
    """Run a body whose effects nobody journals."""
    timeout_s = call.timeout_s
    try:
        with anyio.move_on_after(timeout_s), contained():
            return Performed("ok", as_json(await run_body(call.tool, call.arguments, call.context)))
    except InterruptRaised:
        raise
    except (FencedError, StoreUnavailableError) as error:
        if call.tool.resumes:
            # Its own steps cannot be kept: the run is not this process's to go on with.
            raise
        return Performed("error", message=described(error))
    except Exception as error:  # a body may raise anything; its own call alone fails
        logger.exception("tool.failed", extra={"tool": call.tool.name})
        return Performed("error", message=described(error))
    return Performed("timeout", message=f"timed out after {timeout_s:g} s")


async def _rendered(performed: Performed, call: ToolCall, limit: ResultLimit) -> ToolExecution:
    if performed.outcome != "ok":
        hidden = replace(performed, message=redact(performed.message))
        return await _failed(hidden, call, limit)
    whole = as_text(performed.value)
    content, key = await limit.shorten(whole)
    shortened = content is not whole
    if performed.recorded_at is not None:
        recorded_at = rfc3339(performed.recorded_at)
        content = f"(recorded at {recorded_at} by an earlier run; not done again)\n{content}"
    structured = performed.value if isinstance(performed.value, dict | list) else None
    return ToolExecution(
        tool_call_id=call.id,
        name=call.name,
        content=content,
        structured=structured,
        replayed=performed.replayed,
        shortened=shortened,
        result_key=key,
    )


async def _failed(performed: Performed, call: ToolCall, limit: ResultLimit) -> ToolExecution:
    """Return the error result, storable, and no longer than results are.

    Secrets are hidden before: one that is cut in two would no longer be known for one.
    """
    message, key = await limit.shorten(storable(performed.message))
    failed = failed_call(call, message, outcome=performed.outcome)
    return failed.model_copy(
        update={"replayed": performed.replayed, "shortened": key is not None, "result_key": key}
    )
