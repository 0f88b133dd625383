"""Calls the code of others: whatever it raises is an error of its own, never the end of ours.

A tool, a model, a reconciliation or a condition may raise anything, also what is no `Exception`:
a client library cancels a task of its own that a tool awaits, a script calls `sys.exit`. Only a
cancellation of the task at hand is ours, and an interrupt that a person sent from the keyboard.
"""

import asyncio
import dis
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TypeVar

__all__ = ["EscapedError", "contained", "contained_call", "described"]

T = TypeVar("T")


class EscapedError(Exception):
    """Stands for something other than an `Exception` that the code of others raised."""

    def __init__(self, raised: BaseException) -> None:
        super().__init__(described(raised))
        self.raised = raised


class _Containment(AbstractContextManager[None, None]):
    """A class, because a generator costs three times as much, and every message passes here."""

    __slots__ = ("_cancels", "_task")

    def __enter__(self) -> None:
        self._task = task = _task()
        self._cancels = 0 if task is None else task.cancelling()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if raised is None or isinstance(raised, Exception):
            return
        if not _is_ours(raised, self._task, self._cancels):
            raise EscapedError(raised) from raised


def contained() -> AbstractContextManager[None, None]:
    """Let everything that is ours pass, and raise the rest as `Exception`s.

    Raises:
        EscapedError: The block raised no `Exception`, and nobody asked this task to end.
    """
    return _Containment()


def contained_call(call: Callable[[], T]) -> T:
    """Return what `call` returns; for worker threads, which must hand over nothing but `Exception`s.

    A task that is handed a `GeneratorExit` by what it awaits is closed, and not only failed.

    Raises:
        EscapedError: As of `contained`.
    """
    with contained():
        return call()


def described(error: BaseException) -> str:
    """Return class and message of an error; of one that escaped, those of what was raised."""
    if isinstance(error, EscapedError):
        return str(error)
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - the text of somebody else's error
        text = f"(its text cannot be shown: {type(broken).__name__})"
    return f"{type(error).__name__}: {text}"


def _is_ours(raised: BaseException, task: asyncio.Task[object] | None, cancels: int) -> bool:
    match raised:
        case asyncio.CancelledError():
            return task is not None and _asked() > cancels
        case GeneratorExit():
            # Thrown into a coroutine that is closed from outside, and never by our own task.
            return task is not None and _task() is not task
        case KeyboardInterrupt():
            return _from_the_keyboard(raised, cancels)
        case _:
            return False


def _from_the_keyboard(raised: KeyboardInterrupt, cancels: int) -> bool:
    """Tell whether a person may have sent it: signals reach the main thread only.

    While `asyncio.run` is at work, the first one cancels its task, and the second raises. Else it
    raises at once, between any two instructions; where it was raised by hand, one says so.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    return _asked() > cancels or not _was_raised_by_hand(raised)


def _was_raised_by_hand(raised: KeyboardInterrupt) -> bool:
    trace = raised.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    instruction = trace.tb_frame.f_code.co_code[trace.tb_lasti]
    return dis.opname[instruction] in {"RAISE_VARARGS", "RERAISE"}


def _task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _asked() -> int:
    """Return how often somebody asked the task at hand to end."""
    task = _task()
    return 0 if task is None else task.cancelling()
