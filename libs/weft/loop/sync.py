"""Runs coroutines for callers that are not async, all on one event loop of its own thread."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import TypeVar

import anyio.to_thread

logger = logging.getLogger(__name__)

T = TypeVar("T")


class SyncLoop:
    """An event loop in a thread; it starts with the first call and ends with `aclose`.

    A forked process has none of its parent's threads, so it gets a loop of its own.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._of_parents: list[asyncio.AbstractEventLoop] = []
        """Loops of the processes this one was forked from. They are kept: closing one here would
        take the parent's own descriptors out of what it waits for."""

    def run(self, work: Callable[[], Coroutine[object, object, T]]) -> T:
        """Block until `work()` is done; it sees the caller's context variables."""
        if _in_a_loop():
            logger.warning("agent.run_sync_blocks_a_running_loop", extra={"agent": self._name})
        loop, answer = self._started(), Future[T]()

        def start() -> None:
            # The loop runs this in a copy of the caller's context, and so the task.
            task = loop.create_task(work())
            task.add_done_callback(lambda done: _hand_over(done, answer))

        loop.call_soon_threadsafe(start)
        return answer.result()

    async def aclose(self) -> None:
        """End the thread, if there is one; a later call starts another."""
        self._notice_fork()
        if self._loop is not None:
            await anyio.to_thread.run_sync(self._close)

    def _close(self) -> None:
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _notice_fork(self) -> None:
        """Let go of what only the parent has; somebody there may have held the lock."""
        if self._process == os.getpid():
            return
        self._process = os.getpid()
        self._lock = threading.Lock()
        if self._loop is not None:
            self._of_parents.append(self._loop)
        self._loop = self._thread = None

    def _started(self) -> asyncio.AbstractEventLoop:
        self._notice_fork()
        with self._lock:
            if self._loop is None:
                loop = self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=loop.run_forever, name=f"weft {self._name}", daemon=True
                )
                self._thread.start()
            return self._loop


def _hand_over(done: "asyncio.Task[T]", answer: "Future[T]") -> None:
    if done.cancelled():
        answer.cancel()
        return
    error = done.exception()
    if error is None:
        answer.set_result(done.result())
    else:
        answer.set_exception(error)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
