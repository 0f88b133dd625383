"""Running several calls, and resting from a tool that keeps failing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import pytest

from weft.core import ToolCall
from weft.tools import (
    CircuitBreakerExecutor,
    ConcurrentExecutor,
    Executor,
    Pending,
    SequentialExecutor,
    ToolExecution,
)


@dataclass
class HandClock:
    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def pending(name: str, make: Callable[[], Awaitable[None]], *, error: str | None = None) -> Pending:
    async def execution() -> ToolExecution:
        await make()
        return ToolExecution(tool_call_id=name, name=name, content=name, error=error)

    return Pending(ToolCall(id=name, name=name), execution)


@pytest.mark.parametrize("executor", [SequentialExecutor(), ConcurrentExecutor(2)])
async def test_executions_come_in_the_order_of_the_calls(executor: Executor) -> None:
    begun: list[str] = []

    def call(name: str, turns: int) -> Pending:
        async def make() -> None:
            begun.append(name)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()

        return pending(name, make)

    made = await executor.run([call("a", 9), call("b", 1), call("c", 0)])

    assert [execution.name for execution in made] == ["a", "b", "c"]
    assert sorted(begun) == ["a", "b", "c"]


async def test_what_a_concurrent_call_raises_arrives_bare_and_cancels_the_others() -> None:
    async def fails() -> None:
        raise KeyError("x")

    with anyio.fail_after(5), pytest.raises(KeyError):
        await ConcurrentExecutor().run([pending("a", anyio.sleep_forever), pending("b", fails)])


@pytest.mark.requirement("TOOL-10")
async def test_the_breaker_opens_after_three_failures_rests_and_tries_one_call() -> None:
    clock = HandClock()
    breaker = CircuitBreakerExecutor(ConcurrentExecutor(), clock=clock)
    bodies = 0

    async def body() -> None:
        nonlocal bodies
        bodies += 1

    async def run(error: str | None, count: int = 1) -> list[bool]:
        calls = [pending("flaky", body, error=error) for _ in range(count)]
        return [execution.ok for execution in await breaker.run(calls)]

    await run("boom", 2)
    clock.at += 61
    await run("boom")
    assert await run(None) == [True]
    for _ in range(3):
        await run("boom")
    assert bodies == 7

    assert await run(None) == [False]
    clock.at += 29
    assert await run(None) == [False]
    assert bodies == 7

    clock.at += 1
    assert sorted(await run("boom", 3)) == [False, False, False]
    assert bodies == 8
    clock.at += 30
    assert await run(None) == [True]
    assert await run(None, 3) == [True, True, True]
