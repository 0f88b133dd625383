"""A run under way: iterate over its events, await its result, or cancel it.

Unread events are bounded. From `CROWDED` on, progress of tools is dropped and pieces of a reply are
joined to the last one, so that no text is lost; everything else is kept, up to `FULL`, where the
run is cancelled: its reader has left without saying so.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import replace
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from weft.core import JsonObject
from weft.core.errors import CanceledError
from weft.loop.driver import Driver
from weft.loop.events import Chunk, ModelChunked
from weft.loop.stream import ModelChunkEvent, ToolProgressEvent
from weft.tools.events import ToolProgress

E = TypeVar("E")
R = TypeVar("R")

CROWDED = 1024
FULL = 16 * CROWDED
LONGEST_PIECE = 64 * 1024
"""Pieces are joined up to this length: to copy a long text for each piece would take for ever."""


class RunControl:
    """Reaches a run from outside, whether or not it has come to its driver yet."""

    def __init__(self, *, run_id: str, thread_id: str | None) -> None:
        self.run_id = run_id
        self.thread_id = thread_id
        self._driver: Driver | None = None
        self._canceled: str | None = None

    def cancel(self, reason: str = "") -> None:
        """Ask for the end, from any thread."""
        self._canceled = reason or "canceled"
        if self._driver is not None:
            self._driver.cancel(self._canceled)

    def attach(self, driver: Driver) -> None:
        self._driver = driver
        if self._canceled is not None:
            driver.cancel(self._canceled)

    @property
    def report(self) -> JsonObject:
        """What became of each tool call so far."""
        return {"effects": []} if self._driver is None else self._driver.report

    @property
    def canceled(self) -> bool:
        return self._canceled is not None


class Running(Generic[E, R]):
    """Starts when it is first iterated or awaited.

    Awaiting alone drops the events and costs no task. Leaving the iterator early, `aclose` and
    the end of `async with` cancel the run and wait for its end.
    """

    def __init__(
        self, control: RunControl, work: Callable[[Callable[[E], None] | None], Awaitable[R]]
    ) -> None:
        self._control = control
        self._work = work
        self._task: asyncio.Task[R] | None = None
        self._result: R | None = None
        self._error: BaseException | None = None
        self._started = False
        self._ended = asyncio.Event()
        self._events: deque[E] = deque()
        self._news = asyncio.Event()

    @property
    def run_id(self) -> str:
        return self._control.run_id

    def __await__(self) -> Generator[object, None, R]:
        return self._awaited().__await__()

    async def __aiter__(self) -> AsyncGenerator[E, None]:
        if self._task is None and not self._started:
            self._task = asyncio.create_task(self._worked(self._hear), name=f"run {self.run_id}")
            self._task.add_done_callback(lambda _: self._news.set())
        try:
            while True:
                while self._events:
                    yield self._shown(self._events.popleft())
                if self._task is None or self._task.done():
                    break
                await self._news.wait()
                self._news.clear()
            if self._task is not None:
                # What kept the run from starting, or took it away, is nobody's event.
                await self._task
        finally:
            await self.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel the run unless it has ended, and wait for its end."""
        if self._started and not self._ended.is_set():
            self._control.cancel("its reader left")
            await self._ended.wait()

    def _shown(self, event: E) -> E:
        """Return the event as its reader gets it."""
        return event

    async def _awaited(self) -> R:
        if self._task is not None:
            return await self._task
        if not self._started:
            return await self._worked(None)
        await self._ended.wait()
        if isinstance(self._error, asyncio.CancelledError):
            # Nobody cancelled the task that asks now.
            raise CanceledError(f"run {self.run_id} was cancelled with the task that awaited it")
        if self._error is not None:
            raise self._error
        return cast("R", self._result)

    async def _worked(self, hear: Callable[[E], None] | None) -> R:
        self._started = True
        try:
            self._result = await self._work(hear)
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._ended.set()
        return self._result

    def _hear(self, event: E) -> None:
        if len(self._events) < CROWDED:
            self._events.append(event)
        elif not isinstance(event, ToolProgress | ToolProgressEvent):
            self._crowd(event)
        self._news.set()

    def _crowd(self, event: E) -> None:
        joined = _joined(self._events[-1], event)
        if joined is not None:
            self._events[-1] = joined
            return
        self._events.append(event)
        if len(self._events) >= FULL:
            self._control.cancel("its reader fell too far behind")


def _joined(last: E, event: E) -> E | None:
    """Return two pieces of one reply as one; None where they are something else."""
    match last, event:
        case ModelChunkEvent(done=False), ModelChunkEvent() if len(last.content) < LONGEST_PIECE:
            content, reasoning = last.content + event.content, last.reasoning + event.reasoning
            return replace(last, content=content, reasoning=reasoning, done=event.done)
        case ModelChunked(data=old), ModelChunked(data=new) if _goes_on(last, event):
            data = Chunk(
                content=old.content + new.content,
                reasoning=old.reasoning + new.reasoning,
                done=new.done,
                has_tool_calls=old.has_tool_calls or new.has_tool_calls,
            )
            return last.model_copy(update={"data": data})
        case _:
            return None


def _goes_on(last: ModelChunked, event: ModelChunked) -> bool:
    same = last.path == event.path and not last.data.done
    return same and len(last.data.content) < LONGEST_PIECE
