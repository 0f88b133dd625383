"""The one place where a model call is repeated: exponential, full jitter, bounded in every way."""

import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TypeVar

import anyio
from pydantic import Field

from weft.core import SYSTEM_CLOCK, Clock, Deadline, Record, StrictRecord
from weft.models.base import (
    NO_TOKENS,
    Model,
    ModelChunk,
    ModelRequest,
    ModelResponse,
    ModelUsage,
    Preparable,
)
from weft.models.entry import AttemptChunks, storable_reply
from weft.models.errors import AllModelsFailedError, ModelError
from weft.models.timing import heard

T = TypeVar("T")


class ModelRetryConfig(StrictRecord):
    """How often and how long a call is tried again."""

    max_retries: int = Field(default=6, ge=0)
    initial_delay: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    max_delay: float = Field(default=60.0, ge=0, allow_inf_nan=False)
    total_budget_seconds: float = Field(default=300.0, ge=0, allow_inf_nan=False)
    """From the first attempt to the start of the last."""
    unreachable_budget_seconds: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    """The same where nobody listens: long enough for a restart, too short to hide a typing error."""
    silence_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """How long an attempt may give no sign of life: no piece of a stream, or no whole reply where
    none is streamed. Attempts after the first have no more than the budget leaves them to begin in.
    None leaves it to the provider."""


LEAST_SILENCE = 0.5


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
        wished = retry_after(error, self.clock)
        ceiling = min(self.config.max_delay, self.config.initial_delay * 2**retries)
        wait = self.chance() * ceiling if wished is None else wished
        elapsed = self.clock.monotonic() - started
        if elapsed + wait > self._budget(error):
            return None
        if self.deadline is not None and wait >= self.deadline.remaining(self.clock):
            return None
        return wait

    def silence(self, started: float) -> float | None:
        """Return how long an attempt that begins now may take to give its first sign of life."""
        longest = self.config.silence_seconds
        if longest is None:
            return None
        left = self.config.total_budget_seconds - (self.clock.monotonic() - started)
        return min(longest, max(left, LEAST_SILENCE))

    def _budget(self, error: Exception) -> float:
        budget = self.config.total_budget_seconds
        if is_reached(error):
            return budget
        return min(budget, self.config.unreachable_budget_seconds)


@dataclass(slots=True)
class _Attempts:
    """The attempts at one reply so far."""

    retrying: Retrying
    started: float
    retries: int = 0
    spent: ModelUsage = NO_TOKENS

    async def heard(
        self, model: Model, chunks: AsyncGenerator[ModelChunk, None]
    ) -> AsyncGenerator[ModelChunk, None]:
        """Yield the chunks of one attempt; one that falls silent is given up.

        Time in which the first attempt gives signs of life is no time spent on repeating it.

        Raises:
            ModelTimeoutError: There was no sign of life for too long.
        """
        silence = self.silence
        async with aclosing(chunks):
            while True:
                try:
                    chunk = await heard(anext(chunks), seconds=silence, model=model.name)
                except StopAsyncIteration:
                    return
                silence = self.retrying.config.silence_seconds
                if not self.retries:
                    self.started = self.retrying.clock.monotonic()
                yield chunk

    @property
    def silence(self) -> float | None:
        return self.retrying.silence(self.started)

    def bounded(self, request: ModelRequest) -> ModelRequest:
        """Return the request as the attempt that begins now makes it."""
        silence = self.silence
        return request if silence is None else request.model_copy(update={"silence": silence})

    def next(self, error: ModelError) -> RetryNotice | None:
        """Return what is told of the attempt to come, or None if `error` is to be raised now.

        The error's usage then includes what earlier attempts spent.
        """
        delay = self.retrying.delay(error, self.retries, self.started)
        error.usage = self.spent = self.spent + error.usage
        if delay is None:
            return None
        self.retries += 1
        return RetryNotice(
            attempt=self.retries + 1,
            delay_seconds=delay,
            reason=error.code,
            status_code=error.status,
        )


def untold(_: RetryNotice) -> None:
    """Tell nobody of retries."""


async def complete(
    model: Model,
    request: ModelRequest,
    retrying: Retrying,
    *,
    tell: Callable[[RetryNotice], None] = untold,
) -> ModelResponse:
    """Return the reply after as many attempts as it takes; `tell` hears of each but the first.

    Its usage includes what failed attempts spent.

    Raises:
        ModelError: the call failed for good.
    """
    await prepared(model)
    attempts = _Attempts(retrying, retrying.clock.monotonic())
    while True:
        try:
            work = model.complete(attempts.bounded(request))
            response = storable_reply(await heard(work, seconds=attempts.silence, model=model.name))
        except ModelError as error:
            notice = attempts.next(error)
            if notice is None:
                raise
        else:
            if attempts.spent == NO_TOKENS:
                return response
            return response.model_copy(update={"usage": response.usage + attempts.spent})
        tell(notice)
        await retrying.sleep(notice.delay_seconds)


async def streamed(
    model: Model, request: ModelRequest, retrying: Retrying
) -> AsyncGenerator[ModelChunk | RetryNotice, None]:
    """Yield the chunks of one reply, and a notice wherever an attempt failed and is repeated.

    The last chunk's usage includes what failed attempts spent.

    Raises:
        ModelError: the call failed for good.
    """
    await prepared(model)
    attempts = _Attempts(retrying, retrying.clock.monotonic())
    while True:
        entry = AttemptChunks()
        try:
            async with aclosing(
                attempts.heard(model, model.stream(attempts.bounded(request)))
            ) as chunks:
                async for chunk in chunks:
                    yield _with_spent(entry.take(chunk), attempts.spent)
        except ModelError as error:
            notice = attempts.next(error)
            if notice is None:
                raise
        else:
            return
        yield notice
        await retrying.sleep(notice.delay_seconds)


async def prepared(model: Model) -> None:
    """Let `model` load what it needs before anybody counts how long it is silent."""
    if isinstance(model, Preparable):
        await model.prepare()


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


def _with_spent(chunk: ModelChunk, spent: ModelUsage) -> ModelChunk:
    if not chunk.done or spent == NO_TOKENS:
        return chunk
    return chunk.model_copy(update={"usage": (chunk.usage or NO_TOKENS) + spent})
