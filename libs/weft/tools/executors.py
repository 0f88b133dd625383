"""How the calls of one reply run: at once, one by one, or kept from a tool that keeps failing."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import anyio

from weft.core import SYSTEM_CLOCK, Clock, ToolCall
from weft.tools.calling import failed_call
from weft.tools.result import ToolExecution


@dataclass(frozen=True, slots=True)
class Pending:
    """A call that is ready to be made."""

    call: ToolCall
    make: Callable[[], Awaitable[ToolExecution]]


class Executor(Protocol):
    """Makes calls and returns their executions in the order of the calls."""

    async def run(self, calls: Sequence[Pending]) -> tuple[ToolExecution, ...]:
        """Raise what the first call raised; the others are cancelled then."""
        ...


class SequentialExecutor:
    """Makes one call after the other."""

    async def run(self, calls: Sequence[Pending]) -> tuple[ToolExecution, ...]:
        return tuple([await pending.make() for pending in calls])


class ConcurrentExecutor:
    """Makes up to `max_concurrency` calls at once."""

    def __init__(self, max_concurrency: int = 10) -> None:
        self._max_concurrency = max_concurrency

    async def run(self, calls: Sequence[Pending]) -> tuple[ToolExecution, ...]:
        made: dict[int, ToolExecution] = {}
        limiter = anyio.CapacityLimiter(self._max_concurrency)

        async def make(at: int, pending: Pending) -> None:
            async with limiter:
                made[at] = await pending.make()

        try:
            async with anyio.create_task_group() as group:
                for at, pending in enumerate(calls):
                    group.start_soon(make, at, pending)
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors
        return tuple(made[at] for at in range(len(calls)))


@dataclass(slots=True)
class _Circuit:
    """What is known of one tool's recent failures."""

    failed_at: deque[float] = field(default_factory=deque)
    opened_at: float | None = None
    trying: bool = False


class CircuitBreakerExecutor:
    """Keeps calls from a tool after `failures` in `window_s` seconds, for `open_s` seconds.

    Then one call is tried: its success closes the circuit, its failure opens it again.
    """

    def __init__(
        self,
        inner: Executor,
        *,
        failures: int = 3,
        window_s: float = 60.0,
        open_s: float = 30.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._inner = inner
        self._failures = failures
        self._window_s = window_s
        self._open_s = open_s
        self._clock = clock
        self._circuits: dict[str, _Circuit] = {}

    async def run(self, calls: Sequence[Pending]) -> tuple[ToolExecution, ...]:
        return await self._inner.run([self._guarded(pending) for pending in calls])

    def _guarded(self, pending: Pending) -> Pending:
        async def make() -> ToolExecution:
            circuit = self._circuits.setdefault(pending.call.name, _Circuit())
            if not self._may_try(circuit):
                why = f"{pending.call.name} failed {self._failures} times; it rests for a while"
                return failed_call(pending.call, why, timestamp=self._clock.now())
            try:
                execution = await pending.make()
            finally:
                circuit.trying = False
            self._learn(circuit, ok=execution.ok)
            return execution

        return replace(pending, make=make)

    def _may_try(self, circuit: _Circuit) -> bool:
        if circuit.opened_at is None:
            return True
        rested = self._clock.monotonic() - circuit.opened_at >= self._open_s
        if circuit.trying or not rested:
            return False
        circuit.trying = True
        return True

    def _learn(self, circuit: _Circuit, *, ok: bool) -> None:
        now = self._clock.monotonic()
        if ok:
            circuit.opened_at = None
            circuit.failed_at.clear()
            return
        circuit.failed_at.append(now)
        while circuit.failed_at[0] <= now - self._window_s:
            circuit.failed_at.popleft()
        if circuit.opened_at is not None or len(circuit.failed_at) >= self._failures:
            circuit.opened_at = now


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
