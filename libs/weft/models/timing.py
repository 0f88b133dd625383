"""The two clocks of a model call: the whole of it, and the silence within it."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import TypeVar

import anyio

from weft.models.errors import ErrorOrigin, ModelTimeoutError

SILENCE_SECONDS = 60.0
LONGEST_SECONDS = 600.0
"""For a whole reply, where the request sets no limit."""

T = TypeVar("T")


async def within(
    work: Awaitable[T], *, seconds: float | None, origin: ErrorOrigin, waited_for: str = "a reply"
) -> T:
    """Await `work` for at most `seconds`.

    Raises:
        ModelTimeoutError: there was no result in time.
    """
    try:
        with anyio.fail_after(seconds):
            return await work
    except TimeoutError as error:
        message = f"{origin.provider}: waited {seconds:.3g} s for {waited_for}"
        raise ModelTimeoutError(message, origin=origin) from error


async def heard(work: Awaitable[T], *, seconds: float | None, model: str) -> T:
    """Await the next sign of life of the model named `model`, for ever if `seconds` is None.

    Raises:
        ModelTimeoutError: there was none in time.
    """
    if seconds is None:
        return await work
    origin = ErrorOrigin(model.partition(":")[0])
    return await within(work, seconds=seconds, origin=origin, waited_for="a sign of life")


async def bounded(
    chunks: AsyncGenerator[T, None], *, seconds: float | None, silence: float, origin: ErrorOrigin
) -> AsyncGenerator[T, None]:
    """Yield `chunks`, all within `seconds` and each within `silence` of the one before.

    Time that the consumer takes counts for the whole, never for the silence.

    Raises:
        ModelTimeoutError: one of the two ran out.
    """
    ends = None if seconds is None else anyio.current_time() + seconds
    async with aclosing(chunks):
        while True:
            left = silence if ends is None else ends - anyio.current_time()
            try:
                yield await within(
                    _next(chunks),
                    seconds=max(0.0, min(silence, left)),
                    origin=origin,
                    waited_for="the next piece of a reply",
                )
            except StopAsyncIteration:
                return


async def _next(chunks: AsyncIterator[T]) -> T:
    return await anext(chunks)
