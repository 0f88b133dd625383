"""A run under way: iterate over its events, await its result, or cancel it."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from types import TracebackType
from typing import Generic, Self, TypeVar

from weft.core import JsonObject
from weft.loop.driver import Driver
from weft.loop.stream import ToolProgressEvent
from weft.tools.events import ToolProgress

E = TypeVar("E")
R = TypeVar("R")

CROWDED = 1024
"""From so many unread events on, progress of tools is no longer kept for a slow reader."""


class Control:
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
        self, control: Control, work: Callable[[Callable[[E], None] | None], Awaitable[R]]
    ) -> None:
        self._control = control
        self._work = work
        self._task: asyncio.Task[R] | None = None
        self._result: R | None = None
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
                    yield self._events.popleft()
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

    async def _awaited(self) -> R:
        if self._task is not None:
            return await self._task
        if self._result is not None:
            return self._result
        if self._started:
            await self._ended.wait()
            return await self._awaited()
        return await self._worked(None)

    async def _worked(self, hear: Callable[[E], None] | None) -> R:
        self._started = True
        try:
            self._result = await self._work(hear)
        finally:
            self._ended.set()
        return self._result

    def _hear(self, event: E) -> None:
        crowded = len(self._events) >= CROWDED
        if not (crowded and isinstance(event, ToolProgress | ToolProgressEvent)):
            self._events.append(event)
            self._news.set()
