"""What the code of others raises, told apart from what is ours."""

import asyncio
import signal
import threading

import anyio
import pytest

from weft.core.contained import EscapedError, contained, contained_call, described

ESCAPING = [
    asyncio.CancelledError("a client gave up"),
    SystemExit(3),
    KeyboardInterrupt("a library"),
    GeneratorExit(),
    BaseExceptionGroup("several", [SystemExit(1), ValueError("x")]),
]
BY_CLASS = pytest.mark.parametrize("raised", ESCAPING, ids=lambda each: type(each).__name__)


@BY_CLASS
async def test_in_a_task_that_nobody_cancelled_everything_is_an_error(
    raised: BaseException,
) -> None:
    with pytest.raises(EscapedError) as caught, contained():
        raise raised

    assert caught.value.raised is raised
    assert described(caught.value) == f"{type(raised).__name__}: {raised}"


@BY_CLASS
def test_in_a_worker_thread_everything_is_an_error(raised: BaseException) -> None:
    caught: list[BaseException] = []

    def work() -> None:
        try:
            with contained():
                raise raised
        except EscapedError as error:
            caught.append(error.raised)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert caught == [raised]


async def test_an_ordinary_error_passes_as_it_is() -> None:
    error = ValueError("no")

    with pytest.raises(ValueError, match="no") as caught, contained():
        raise error

    assert caught.value is error


async def test_the_cancellation_of_the_task_is_its_own() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        with contained():
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_end_of_a_scope_around_it_is_its_own() -> None:
    with anyio.move_on_after(0.01) as scope, contained():
        await asyncio.Event().wait()

    assert scope.cancelled_caught


async def test_a_cancellation_that_was_there_before_does_not_excuse_another() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)

    with pytest.raises(EscapedError), contained():
        raise asyncio.CancelledError

    task.uncancel()


async def test_a_coroutine_closed_from_outside_closes() -> None:
    async def work() -> None:
        with contained():
            await asyncio.Event().wait()

    coroutine = work()
    coroutine.send(None)

    await asyncio.to_thread(coroutine.close)


def test_an_interrupt_from_the_keyboard_is_a_persons() -> None:
    def work() -> None:
        signal.raise_signal(signal.SIGINT)
        while True:
            pass

    with pytest.raises(KeyboardInterrupt):
        contained_call(work)


def test_an_error_whose_text_fails_is_described_all_the_same() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise LookupError

    assert described(MuteError()) == "MuteError: (its text cannot be shown: LookupError)"
