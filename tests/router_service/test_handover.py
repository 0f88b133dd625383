"""A router that leaves is not a person who cancels: open calls are left alone and found again."""

from collections.abc import AsyncIterator, Generator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import cast

import anyio
import pytest

from router_service.execute import execute_run
from router_service.routes import Routes
from tests.router_service.house import ANA, House, house, skill
from tests.router_service.test_execute import new_run
from weft.a2a.client import A2AClient
from weft.bus import MemoryBus
from weft.checkpoint.memory import memory_checkpointer
from weft.core import JsonValue, Result
from weft.events import Event
from weft.loop import Task
from weft.routing import Situation
from weft.runs import MESH_RUN, Execute, Runs, Worker

LOGS = skill("log.analyze", "domain:observability", "effects:none", "diagnose", "slow")


@dataclass
class Slow:
    """A remote agent whose one task goes on until it is released, whoever asks for it."""

    sent: list[str] = field(default_factory=list)
    canceled: int = 0
    began: anyio.Event = field(default_factory=anyio.Event)
    release: anyio.Event = field(default_factory=anyio.Event)

    def start(self, task: Task) -> "SlowRun":
        self.sent.append(task.message_id)
        return SlowRun(self)


@dataclass
class SlowRun:
    agent: Slow

    async def __aiter__(self) -> AsyncIterator[Event]:
        self.agent.began.set()
        await self.agent.release.wait()
        yield Event(type="agent.think")

    def __await__(self) -> Generator[object, None, Result]:
        return self._result().__await__()

    async def _result(self) -> Result:
        return Result(status="completed", text="it is slow")

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        del reason, grace_s
        self.agent.canceled += 1
        return {"outcome": "canceled"}


async def with_slow(mesh: House) -> Slow:
    await mesh.joins("log_analyst", LOGS)
    slow = Slow()
    for known in mesh.peers._known.values():
        known.client = cast(A2AClient, slow)
    return slow


def worker(runs: Runs, execute: Execute, name: str) -> Worker:
    return Worker(runs, execute, operations=(MESH_RUN,), name=name)


@pytest.mark.requirement("OPS-2")
async def test_what_a_leaving_router_had_open_goes_on_under_the_same_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("weft.runs.worker.DRAIN_SECONDS", 0.05)
    made = new_run({"input": "Diagnose the checkout slowdown"})
    async with house() as mesh, aclosing(memory_checkpointer()) as checkpointer:
        slow = await with_slow(mesh)
        runs = Runs(checkpointer, MemoryBus(), pool="router")
        execute = execute_run(checkpointer, mesh.peers, Routes(situation=Situation(model=False)))
        with anyio.fail_after(5):
            async with worker(runs, execute, "first").working():
                await runs.submit(made, on_busy="reject", own=True)
                await slow.began.wait()
            slow.release.set()
            async with worker(runs, execute, "second").working():
                log = [each.type async for each in runs.follow(ANA, made.run_id)]

    assert slow.canceled == 0
    assert "plan.step.canceled" not in log
    assert slow.sent[0] == slow.sent[1]
    assert log[-1] == "run.completed"


@pytest.mark.requirement("PLAN-17")
async def test_what_a_person_cancels_is_cancelled_at_the_peer() -> None:
    made = new_run({"input": "Diagnose the checkout slowdown"})
    async with house() as mesh, aclosing(memory_checkpointer()) as checkpointer:
        slow = await with_slow(mesh)
        runs = Runs(checkpointer, MemoryBus(), pool="router")
        execute = execute_run(checkpointer, mesh.peers, Routes(situation=Situation(model=False)))
        with anyio.fail_after(5):
            async with worker(runs, execute, "first").working():
                await runs.submit(made, on_busy="reject", own=True)
                await slow.began.wait()
                ended = await runs.cancel(ANA, made.run_id, reason="enough", wait_s=4)

    assert (ended.status, slow.canceled) == ("canceled", 1)


async def test_a_worker_that_leaves_claims_nothing_more() -> None:
    async with house() as mesh, aclosing(memory_checkpointer()) as checkpointer:
        runs = Runs(checkpointer, MemoryBus(), pool="router")
        leaving = worker(
            runs,
            execute_run(checkpointer, mesh.peers, Routes(situation=Situation(model=False))),
            "first",
        )
        with anyio.fail_after(5):
            async with leaving.working():
                leaving.leave()
                accepted = await runs.submit(new_run({"input": "x"}), on_busy="reject", own=True)
                found = await runs.wait(ANA, accepted.run.run_id, seconds=0.05)

    assert (leaving.free, found.status) == (0, "queued")
