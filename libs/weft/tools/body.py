"""Runs a tool's function: on the loop if it is async, else in a worker thread or a process."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from weft.core.contained import contained_call
from weft.events import Event
from weft.tools.context import ToolContext
from weft.tools.definition import Tool
from weft.tools.schema import Arguments
from weft.tools.threads import in_thread


async def run_body(tool: Tool, arguments: Arguments, context: ToolContext) -> object:
    """Return what the function returns, or raise what it raises.

    Cancelling ends an async function, kills an isolated one, and abandons a sync one, which goes
    on in its thread.
    """
    if tool.isolation is not None:
        return await tool.isolation.run(
            tool.name,
            arguments.values,
            context,
            context_names=tool.arguments.context_names,
            not_done_on=tool.not_done_on,
        )
    here = replace(context, emit=_from_any_thread(context.emit))
    values = {**arguments.values, **dict.fromkeys(tool.arguments.context_names, here)}
    return await called(partial(tool.fn, **values), is_async=tool.is_async)


async def called(call: Callable[[], object], *, is_async: bool) -> object:
    """Call a function that may be sync, never blocking the loop."""
    if is_async:
        answer = call()
    else:
        answer = await in_thread(partial(contained_call, call))
    return await answer if inspect.isawaitable(answer) else answer


def _from_any_thread(emit: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return `emit` such that a worker thread may call it too."""
    loop, home = asyncio.get_running_loop(), threading.get_ident()

    def anywhere(event: Event) -> None:
        if threading.get_ident() == home:
            emit(event)
        else:
            loop.call_soon_threadsafe(emit, event)

    return anywhere
