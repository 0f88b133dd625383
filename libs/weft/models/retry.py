"""The one place where a model call is repeated: exponential, full jitter, bounded in every way."""

import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import anyio
from pydantic import Field

from weft.core import SYSTEM_CLOCK, Clock, Deadline, Record, StrictRecord
from weft.models.base import NO_TOKENS, Model, ModelChunk, ModelRequest, ModelResponse, ModelUsage
from weft.models.chunks import ChunkJoiner, split
from weft.models.entry import AttemptChunks
from weft.models.errors import AllModelsFailedError, ModelError


class ModelRetryConfig(StrictRecord):
    """How often and how long a call is tried again."""

    max_retries: int = Field(default=6, ge=0)
    initial_delay: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    max_delay: float = Field(default=60.0, ge=0, allow_inf_nan=False)
    total_budget_seconds: float = Field(default=300.0, ge=0, allow_inf_nan=False)
    """From the first attempt to the start of the last."""
    unreachable_budget_seconds: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    """The same where nobody listens: long enough for a restart, too short to hide a typing error."""


class RetryNotice(Record):
    """An attempt failed and another follows: whatever chunks it gave are void."""

    attempt: int
    """The number of the attempt to come; the first retry is 2."""
    delay_seconds: float
    reason: str
    status_code: int | None = None


@dataclass(frozen=True, slots=True)
class Retrying:
    """What decides about repeating; a test brings its own clock, chance and waiting."""

    config: ModelRetryConfig = field(default_factory=ModelRetryConfig)
    deadline: Deadline | None = None
    clock: Clock = SYSTEM_CLOCK
    chance: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep

    def delay(self, error: Exception, retries: int, started: float) -> float | None:
        """Return the seconds to wait, or None if the error is to be raised now."""
        if not is_retryable(error) or retries >= self.config.max_retries:
            return None
        told = retry_after(error, self.clock)
        ceiling = min(self.config.max_delay, self.config.initial_delay * 2**retries)
        wait = self.chance() * ceiling if told is None else told
        elapsed = self.clock.monotonic() - started
        if elapsed + wait > self._budget(error):
            return None
        if self.deadline is not None and wait >= self.deadline.remaining(self.clock):
            return None
        return wait

    def _budget(self, error: Exception) -> float:
        budget = self.config.total_budget_seconds
        if is_reached(error):
            return budget
        return min(budget, self.config.unreachable_budget_seconds)


async def attempts(
    model: Model, request: ModelRequest, retrying: Retrying, *, stream: bool = True
) -> AsyncGenerator[ModelChunk | RetryNotice, None]:
    """Yield the chunks of one reply, and a `Retry` wherever an attempt failed and is repeated.

    The last chunk's usage includes what failed attempts spent.

    Raises:
        ModelError: the call failed for good.
    """
    started, retries, spent = retrying.clock.monotonic(), 0, NO_TOKENS
    while True:
        entry = AttemptChunks()
        try:
            async with aclosing(_one(model, request, stream=stream)) as chunks:
                async for chunk in chunks:
                    yield _with_spent(entry.take(chunk), spent)
        except ModelError as error:
            delay = retrying.delay(error, retries, started)
            error.usage = spent = spent + error.usage
            if delay is None:
                raise
            retries += 1
            yield RetryNotice(
                attempt=retries + 1,
                delay_seconds=delay,
                reason=error.code,
                status_code=error.status,
            )
            await retrying.sleep(delay)
        else:
            return


async def complete(model: Model, request: ModelRequest, retrying: Retrying) -> ModelResponse:
    """Return the reply after as many attempts as it takes.

    Raises:
        ModelError: the call failed for good.
    """
    joiner = ChunkJoiner()
    async with aclosing(attempts(model, request, retrying, stream=False)) as pieces:
        async for piece in pieces:
            if isinstance(piece, RetryNotice):
                joiner = ChunkJoiner()
            else:
                joiner.add(piece)
    return joiner.response()


def is_retryable(error: Exception) -> bool:
    """Tell whether the same call may succeed later; what nobody classified may not."""
    if isinstance(error, AllModelsFailedError):
        return any(is_retryable(cause) for _, cause in error.failures)
    return isinstance(error, ModelError) and error.retryable


def is_reached(error: Exception) -> bool:
    """Tell whether anybody was there to answer; of several models, whether one was."""
    if isinstance(error, AllModelsFailedError):
        return any(is_reached(cause) for _, cause in error.failures)
    return not isinstance(error, ModelError) or error.origin.reached


def retry_after(error: Exception, clock: Clock) -> float | None:
    """Return the seconds that the provider asked to wait, given as seconds or as a date."""
    headers = error.origin.headers if isinstance(error, ModelError) else {}
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - clock.now())
    except ValueError:
        return None


async def _one(
    model: Model, request: ModelRequest, *, stream: bool
) -> AsyncGenerator[ModelChunk, None]:
    if not (stream and model.capabilities.stream):
        for chunk in split(await model.complete(request)):
            yield chunk
        return
    async with aclosing(model.stream(request)) as chunks:
        async for chunk in chunks:
            yield chunk


def _with_spent(chunk: ModelChunk, spent: ModelUsage) -> ModelChunk:
    if not chunk.done or spent == NO_TOKENS:
        return chunk
    return chunk.model_copy(update={"usage": (chunk.usage or NO_TOKENS) + spent})
