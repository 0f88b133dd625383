"""Runs what may block, and may never end, in threads that keep no process from leaving."""

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

__all__ = ["in_thread"]

T = TypeVar("T")

MOST_THREADS = 40
"""Of one event loop, those that were given up and still run included; more calls wait."""
_room: RunVar[CapacityLimiter] = RunVar("_room")


async def in_thread(call: Callable[[], T]) -> T:
    """Call `call` in a thread of its own; cancelling gives it up, and it goes on unheard.

    The interpreter waits for the worker threads of executors before it leaves, for as long as they
    take; not for these.
    """
    loop, room = asyncio.get_running_loop(), _limiter()
    borrower = object()
    await room.acquire_on_behalf_of(borrower)
    ended: asyncio.Future[T] = loop.create_future()

    def tell(value: T | None, error: BaseException | None) -> None:
        room.release_on_behalf_of(borrower)
        if ended.done():
            return
        if error is None:
            ended.set_result(value)  # type: ignore[arg-type]  # the call's own
        else:
            ended.set_exception(error)

    def work() -> None:
        value: T | None = None
        error: BaseException | None = None
        try:
            value = context.run(call)
        except StopIteration as raised:  # no future can hold one
            error = RuntimeError("the call raised StopIteration")
            error.__cause__ = raised
        except BaseException as raised:  # noqa: BLE001 - it is the caller's
            error = raised
        try:
            loop.call_soon_threadsafe(tell, value, error)
        except RuntimeError:
            return  # the loop was closed: nobody waits there any more

    context = copy_context()
    try:
        threading.Thread(target=work, name="weft worker", daemon=True).start()
    except RuntimeError:
        room.release_on_behalf_of(borrower)
        raise
    return await ended


def _limiter() -> CapacityLimiter:
    try:
        return _room.get()
    except LookupError:
        room = CapacityLimiter(MOST_THREADS)
        _room.set(room)
        return room
