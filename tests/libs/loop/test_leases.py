"""A lone agent keeps its run's lease through outages, and stops where it cannot."""

import asyncio

import anyio
import pytest

from tests.libs.runs.outage import Outage
from weft.checkpoint import memory_checkpointer
from weft.core import LOCAL, RunId
from weft.core.errors import FencedError, StoreError, StoreFullError, StoreUnavailableError
from weft.loop import Agent
from weft.models import ModelRequest
from weft.testing.models import FunctionModel, ScriptedModel
from weft.testing.store_values import RUNS, ScriptedFaults

RUN = RunId("d" * 32)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.runs.lease.RENEW_SECONDS", 0.01)
    monkeypatch.setattr("weft.runs.lease.RETRY_SECONDS", 0.01)


class Slow:
    """A model that replies when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.reply = asyncio.Event()

    async def __call__(self, _: ModelRequest) -> str:
        self.asked.set()
        await self.reply.wait()
        return "done"


@pytest.mark.requirement("CKPT-9")
@pytest.mark.parametrize("error", [StoreUnavailableError("away"), StoreFullError("full")])
async def test_a_lease_outlives_renewals_that_fail(
    error: StoreError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.runs.lease.TRUST_SECONDS", 60)
    faults, slow = ScriptedFaults(), Slow()
    store = memory_checkpointer(faults=faults)
    renew = Outage(monkeypatch, store.runs, "renew", error)
    renewed = asyncio.Event()
    agent = Agent(FunctionModel(slow), checkpointer=store)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(agent.arun("go", thread_id="t", run_id=RUN))
        with anyio.fail_after(10):
            await slow.asked.wait()
            renew.on = True
            await renew.failed(3)
            faults.ahead_s = 2.5
            monkeypatch.setattr(store.runs, "renew", _told(store.runs.renew, renewed))
            renew.on = False
            await renewed.wait()
        faults.ahead_s = 4
        taken = await store.runs.claim("another", RUNS, limit=1)
        slow.reply.set()

    assert taken == []
    assert running.result().text == "done"


def _told(renew: object, renewed: asyncio.Event) -> object:
    async def call(held: object) -> object:
        renewal = await renew(held)  # type: ignore[operator]
        renewed.set()
        return renewal

    return call


@pytest.mark.requirement("CKPT-9")
async def test_a_run_whose_lease_cannot_be_renewed_stops_and_can_be_resumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("weft.runs.lease.TRUST_SECONDS", 0.2)
    faults, slow = ScriptedFaults(), Slow()
    store = memory_checkpointer(faults=faults)
    renew = Outage(monkeypatch, store.runs, "renew", StoreUnavailableError("away"))
    agent = Agent(FunctionModel(slow), checkpointer=store)

    renew.on = True
    with anyio.fail_after(10), pytest.raises(FencedError):
        await agent.arun("go", thread_id="t", run_id=RUN)
    left = await store.runs.read(LOCAL, RUN)
    renew.on = False
    faults.ahead_s = 4
    result = await Agent(ScriptedModel(["again"]), checkpointer=store).resume(run_id=RUN)

    assert left.status == "running"
    assert result.text == "again"
