"""How a run is followed: iterate over its events, await its result, or cancel it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

import anyio

from weft.core import JsonObject, JsonValue, Result
from weft.core.errors import CanceledError, RunFailedError
from weft.events import Event
from weft.loop.driver import Driver
from weft.loop.result import AgentResult
from weft.loop.stopping import Stopping
from weft.loop.stream import LoopEvent
from weft.loop.unread import Unread

E = TypeVar("E")
R = TypeVar("R")

LEAVE_SECONDS = 0.2
"""What a task ends in, unless something in it does not listen."""
FAILURES = frozenset({"error", "grounding_failed", "context_exhausted"})


class RunControl:
    """Reaches a run from outside, whether or not it has come to its driver yet."""

    def __init__(self, *, run_id: str, thread_id: str | None) -> None:
        self.run_id = run_id
        self.thread_id = thread_id
        self.stopping = Stopping()
        self._driver: Driver | None = None

    def cancel(self, reason: str = "") -> None:
        """Ask for the end, from any thread."""
        self.stopping.cancel(reason)

    def attach(self, driver: Driver) -> None:
        self._driver = driver

    @property
    def report(self) -> JsonObject:
        """What became of each tool call so far."""
        return {"effects": []} if self._driver is None else self._driver.report

    @property
    def canceled(self) -> bool:
        return self.stopping.canceled


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
        self._unread: Unread[E] = Unread(partial(control.cancel, "its reader fell too far behind"))
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
                while self._unread:
                    yield self._shown(self._unread.take())
                if self._task is None or self._task.done():
                    break
                await self._news.wait()
                self._news.clear()
            if self._task is not None:
                # What kept the run from starting, or took it away, is nobody's event.
                await self._task
        finally:
            await self._left()

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

    async def _left(self) -> None:
        """Hear that whoever iterated does so no longer."""
        await self.aclose()

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
        self._unread.add(event)
        self._news.set()


class AgentRun(Running[LoopEvent, AgentResult]):
    """A run of an agent: its typed events, and its result.

    Awaiting it raises `RunFailedError` where the run failed; iterating never does.
    """

    _seq = 0

    def cancel(self) -> None:
        """Ask for the end, from any thread; the result says `canceled`."""
        self._control.cancel()

    def __await__(self) -> Generator[object, None, AgentResult]:
        return self._checked().__await__()

    async def _checked(self) -> AgentResult:
        result = await self._awaited()
        if result.stop_reason in FAILURES:
            cause = result.error.message if result.error else result.stop_explanation
            raise RunFailedError(f"run {result.run_id} failed: {cause}", result=result)
        return result

    def _shown(self, event: LoopEvent) -> LoopEvent:
        # Numbered when read, so that what a slow reader lost leaves no gap.
        self._seq += 1
        return replace(event, seq=self._seq)


class TaskRun(Running[Event, Result]):
    """A peer's task: the mesh's events, and a `Result`; a failure is a result too.

    With a journal the events go there, and iterating yields none of them again.
    """

    async def _left(self) -> None:
        """As `aclose`; but whoever is cancelled says himself how long he waits for the end."""
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            await self.aclose()
        elif self._started:
            self._control.cancel("its reader left")
            with anyio.move_on_after(LEAVE_SECONDS, shield=True):
                await self._ended.wait()

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        """Ask for the end and return what became of the task and of each tool call."""
        self._control.cancel(reason)
        outcome = "not_started"
        if self._started:
            with anyio.move_on_after(grace_s):
                await self._ended.wait()
            outcome = "unknown" if not self._ended.is_set() else "canceled"
        if self._result is not None and self._result.status != "canceled":
            outcome = "done"
        return {"outcome": outcome, **self._control.report}
