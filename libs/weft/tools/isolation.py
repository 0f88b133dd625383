"""`isolation="process"`: what a tool's definition must be, and the way of a call out of here."""

import inspect
import logging
import math
import os
import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from pydantic import JsonValue

from weft.core.clock import SYSTEM_CLOCK
from weft.core.errors import InputError, ToolDefinitionError
from weft.core.process_errors import in_bytes
from weft.tools.context import ToolContext
from weft.tools.process_calls import ProcessCall
from weft.tools.process_frames import JOB_BYTES
from weft.tools.process_job import FunctionTarget, PendingCall, ProcessLimits
from weft.tools.processes import Processes

logger = logging.getLogger(__name__)

_LEAST_MEMORY = 16 << 20


@dataclass(frozen=True, slots=True)
class Isolation:
    """Has a tool's body run in a process of its own."""

    target: FunctionTarget
    limits: ProcessLimits
    processes: Processes

    async def run(
        self,
        tool: str,
        values: Mapping[str, object],
        context: ToolContext,
        *,
        context_names: tuple[str, ...],
        not_done_on: tuple[type[BaseException], ...],
    ) -> JsonValue:
        """Make one call; see `Processes.run`.

        Raises:
            InputError: The arguments cannot be sent to another process.
        """
        job = PendingCall(
            self.target,
            values,
            context_names,
            _sendable(context) if context_names else None,
            not_done_on,
            self.limits,
        )
        return await self.processes.run(ProcessCall(tool, _pickled(job), self.limits), context)


def isolation(
    fn: Callable[..., object],
    *,
    name: str,
    where: object,
    memory: int | None,
    cpu_seconds: float | None,
) -> Isolation | None:
    """Return how `fn` is isolated; None if it is not.

    Raises:
        ToolDefinitionError: An option is wrong, or no other process can find `fn`.
    """
    if where is None:
        if memory is not None or cpu_seconds is not None:
            why = "`memory` and `cpu_seconds` limit a process: add isolation='process'"
            raise ToolDefinitionError(name, "", why)
        return None
    if where != "process" and not isinstance(where, Processes):
        why = f"isolation is 'process' or a Processes that tools share, not {where!r}"
        raise ToolDefinitionError(name, "isolation", why)
    if not hasattr(os, "fork"):
        why = (
            "this system cannot fork; leave `isolation` out to run the body in a thread, which "
            "nothing can stop"
        )
        raise ToolDefinitionError(name, "isolation", why)
    if sys.platform != "linux":
        # Cancel, time and CPU limit work all the same.
        missing = "a memory limit, and an end with an owner that is killed"
        logger.warning("tool.isolation_is_partial", extra={"tool": name, "missing": missing})
    target = _target(fn, name)
    processes = where if isinstance(where, Processes) else Processes()
    usual = processes.limits
    limits = ProcessLimits(
        usual.memory if memory is None else memory,
        usual.cpu_seconds if cpu_seconds is None else cpu_seconds,
    )
    if limits.memory < _LEAST_MEMORY:
        why = f"a number of bytes, at least {in_bytes(_LEAST_MEMORY)}, not {limits.memory!r}"
        raise ToolDefinitionError(name, "memory", why)
    if not (math.isfinite(limits.cpu_seconds) and limits.cpu_seconds > 0):
        why = f"a number of seconds, not {limits.cpu_seconds!r}"
        raise ToolDefinitionError(name, "cpu_seconds", why)
    processes.preload(target.module)
    return Isolation(target, limits, processes)


def _target(fn: Callable[..., object], name: str) -> FunctionTarget:
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] = {}
    while isinstance(fn, partial):
        args, kwargs = (*fn.args, *args), {**fn.keywords, **kwargs}
        fn = fn.func
    if not inspect.isfunction(fn) or inspect.iscoroutinefunction(fn):
        why = "isolation='process' runs a plain `def`, or a partial of one"
        raise ToolDefinitionError(name, "", why)
    if fn.__module__ == "__main__" or not fn.__qualname__.replace(".", "").isidentifier():
        why = (
            f"its process cannot import {fn.__qualname__!r} from {fn.__module__!r}: define it at "
            "the top of a module, and bind what it needs with functools.partial"
        )
        raise ToolDefinitionError(name, "", why)
    target = FunctionTarget(fn.__module__, fn.__qualname__, args, kwargs)
    try:
        pickle.dumps(target)
    except Exception as error:  # `__reduce__` is anybody's code
        why = f"what is bound to it cannot be sent to its process: {error}"
        raise ToolDefinitionError(name, "", why) from error
    return target


def _sendable(context: ToolContext) -> ToolContext:
    """Return what of a context another process can use."""
    nobody = ToolContext()
    return replace(
        context,
        journal=None,
        clock=SYSTEM_CLOCK,
        emit=nobody.emit,
        spend=nobody.spend,
        report=nobody.report,
    )


def _pickled(job: PendingCall) -> bytes:
    try:
        content = pickle.dumps(job)
    except Exception as error:
        why = f"the arguments cannot be sent to the tool's process: {error}"
        raise InputError(why) from error
    if len(content) > JOB_BYTES:
        why = f"the arguments are larger than the {in_bytes(JOB_BYTES)} that a process is sent"
        raise InputError(why)
    return content
