"""Several models behind one: the next answers when one cannot."""

from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import dataclass, field

from weft.core import SYSTEM_CLOCK, Clock
from weft.core.errors import ConfigError
from weft.models.base import NO_TOKENS, Capabilities, Model, ModelChunk, ModelRequest, ModelResponse
from weft.models.chunks import ChunkJoiner, joined, split
from weft.models.errors import (
    AllModelsFailedError,
    CircuitOpenError,
    ModelAuthError,
    ModelError,
)
from weft.models.retry import is_retryable, prepared
from weft.models.timing import heard

FAILURES, WITHIN_SECONDS, OPEN_SECONDS = 3, 60.0, 30.0


@dataclass(slots=True)
class Breaker:
    """Opens after three failures in a minute, for half a minute; then one call may try."""

    clock: Clock
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES))
    opened_at: float | None = None
    trying: bool = False

    def admits(self) -> bool:
        """Tell whether a call may start; after the pause only one at a time may."""
        if self.opened_at is None:
            return True
        if self.trying or self.clock.monotonic() - self.opened_at < OPEN_SECONDS:
            return False
        self.trying = True
        return True

    def succeeded(self) -> None:
        self.failures.clear()
        self.opened_at, self.trying = None, False

    def failed(self) -> None:
        now = self.clock.monotonic()
        self.failures.append(now)
        enough = len(self.failures) == FAILURES and now - self.failures[0] <= WITHIN_SECONDS
        if enough or self.opened_at is not None:
            self.opened_at = now
        self.trying = False

    def abandoned(self) -> None:
        """Let another call try: this one was cancelled, or failed for its own reasons."""
        self.trying = False


class FallbackModel:
    """Asks its models in order; each has a breaker of its own.

    It streams whole replies only: a reply that breaks off has then shown nothing, and the next
    model starts from the beginning.
    """

    def __init__(self, models: Sequence[Model], *, clock: Clock = SYSTEM_CLOCK) -> None:
        if not models:
            raise ConfigError("FallbackModel needs at least one model")
        self._models = tuple((model, Breaker(clock)) for model in models)

    @property
    def name(self) -> str:
        return f"fallback:{','.join(model.name for model, _ in self._models)}"

    @property
    def capabilities(self) -> Capabilities:
        """What every model of the list can do."""
        abilities = [model.capabilities for model, _ in self._models]
        windows = [one.context_window for one in abilities if one.context_window is not None]
        return Capabilities(
            context_window=min(windows) if len(windows) == len(abilities) else None,
            tools=all(one.tools for one in abilities),
            parallel_tools=all(one.parallel_tools for one in abilities),
            structured=all(one.structured for one in abilities),
            stream=True,
            images=all(one.images for one in abilities),
            prices=abilities[0].prices if all(one.prices for one in abilities) else None,
            generated_by=abilities[0].generated_by,
        )

    async def prepare(self) -> None:
        for model, _ in self._models:
            await prepared(model)

    async def complete(self, request: ModelRequest) -> ModelResponse:
        return await joined(self._asked(request, whole=True))

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        return self._asked(request, whole=False)

    async def _asked(
        self, request: ModelRequest, *, whole: bool
    ) -> AsyncGenerator[ModelChunk, None]:
        failures: list[tuple[str, ModelError]] = []
        share = None if request.silence is None else request.silence / len(self._models)
        shared = request.model_copy(update={"silence": share})
        for model, breaker in self._models:
            if not breaker.admits():
                failures.append((model.name, CircuitOpenError("its circuit is open")))
                continue
            joiner = ChunkJoiner()
            try:
                with _watched(breaker):
                    async with aclosing(_heard(model, shared, whole=whole)) as chunks:
                        async for chunk in chunks:
                            joiner.add(chunk)
                            # Nothing is shown of it yet, but somebody is there.
                            yield ModelChunk()
            except ModelError as error:
                if not _moves_on(error):
                    raise
                failures.append((model.name, error))
            else:
                for chunk in split(_charged(joiner.response(), failures)):
                    yield chunk
                return
        raise _exhausted(failures)

    async def aclose(self) -> None:
        """Close every model of the list, also where one of them fails to."""
        async with AsyncExitStack() as closing:
            for model, _ in self._models:
                closing.push_async_callback(model.aclose)


async def _heard(
    model: Model, request: ModelRequest, *, whole: bool
) -> AsyncGenerator[ModelChunk, None]:
    """Yield a reply; for its first sign of life it has no longer than its share of the waiting."""
    seconds = request.silence
    async with aclosing(_chunks(model, request, whole=whole)) as chunks:
        while True:
            try:
                chunk = await heard(anext(chunks), seconds=seconds, model=model.name)
            except StopAsyncIteration:
                return
            seconds = None
            yield chunk


async def _chunks(
    model: Model, request: ModelRequest, *, whole: bool
) -> AsyncGenerator[ModelChunk, None]:
    if whole or not model.capabilities.stream:
        for chunk in split(await model.complete(request)):
            yield chunk
        return
    async with aclosing(model.stream(request)) as chunks:
        async for chunk in chunks:
            yield chunk


def _moves_on(error: ModelError) -> bool:
    return is_retryable(error) or isinstance(error, ModelAuthError)


@contextmanager
def _watched(breaker: Breaker) -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        breaker.failed() if _moves_on(error) else breaker.abandoned()
        raise
    except BaseException:
        breaker.abandoned()
        raise
    breaker.succeeded()


def _charged(response: ModelResponse, failures: Sequence[tuple[str, ModelError]]) -> ModelResponse:
    spent = sum((error.usage for _, error in failures), NO_TOKENS)
    if spent == NO_TOKENS:
        return response
    return response.model_copy(update={"usage": response.usage + spent})


def _exhausted(failures: Sequence[tuple[str, ModelError]]) -> AllModelsFailedError:
    error = AllModelsFailedError(failures)
    error.usage = sum((failure.usage for _, failure in failures), NO_TOKENS)
    return error
