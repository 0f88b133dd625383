"""Deleted threads, told to every service until each has answered."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from router_service import erasures
from router_service.erasures import LONGEST_PAUSE_SECONDS, Erasures
from tests.router_service.house import House, house, skill
from weft.a2a.client import A2AClient
from weft.checkpoint import Checkpointer, ThreadKey
from weft.checkpoint.memory import memory_checkpointer
from weft.core import Principal
from weft.core.protocol_errors import PeerUnavailableError
from weft.events import AnyData, Event
from weft.loop import Agent
from weft.testing import ScriptedModel
from weft.testing.store_values import ending, new_run, running

KEY = ThreadKey("acme", "alice", "t")


@dataclass
class Forgetful:
    """A service that erases, or is away."""

    away: bool = False
    asked: list[tuple[str, list[str]]] = field(default_factory=list)

    async def erase(self, principal: Principal, run_ids: Sequence[str], *, within: float) -> None:
        assert within > 0
        self.asked.append((principal.subject, [*run_ids]))
        if self.away:
            raise PeerUnavailableError("it is away")


@dataclass
class Rig:
    """A mesh of services, a store with a deleted thread, and what tells the ones of the other."""

    mesh: House
    store: Checkpointer
    erasures: Erasures
    services: dict[str, Forgetful] = field(default_factory=dict)
    run_id: str = ""

    async def joins(self, name: str, *, away: bool = False) -> Forgetful:
        await self.mesh.joins(name, skill(name))
        await self.mesh.peers.refresh()
        self.services[name] = Forgetful(away)
        for (service, _), known in self.mesh.peers._known.items():
            known.client = cast(A2AClient, self.services[service])
        return self.services[name]

    async def deletes(self, *peers: str) -> None:
        held = await running(self.store, new_run("t"))
        told = [
            Event(type="plan.step.started", data=AnyData.model_validate({"peer": name}))
            for name in peers
        ]
        await self.store.runs.append(held, 1, told)
        await self.store.runs.finish(held, ending())
        await self.store.threads.delete(KEY)
        self.run_id = held.run_id

    async def left(self) -> int:
        return len(await self.store.threads.erasing(limit=10))


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    store = memory_checkpointer()
    async with house() as mesh:
        yield Rig(mesh, store, Erasures(store.threads, mesh.peers, clock=mesh.clock))


async def test_every_service_is_asked_once_and_then_nothing_is_left(rig: Rig) -> None:
    logs, bank = await rig.joins("logs"), await rig.joins("bank")
    await rig.deletes("logs")

    await rig.erasures.sweep()
    await rig.erasures.sweep()

    # Whoever logs called knows the run as well: all are asked.
    assert logs.asked == bank.asked == [("alice", [rig.run_id])]
    assert await rig.left() == 0


async def test_a_service_that_is_away_is_asked_again_and_the_others_are_not(rig: Rig) -> None:
    logs, bank = await rig.joins("logs", away=True), await rig.joins("bank")
    await rig.deletes("logs", "bank")
    for _ in range(3):
        await rig.erasures.sweep()
    assert (len(logs.asked), len(bank.asked), await rig.left()) == (1, 1, 1)

    logs.away = False
    rig.mesh.clock.time += LONGEST_PAUSE_SECONDS
    await rig.erasures.sweep()

    assert (len(logs.asked), len(bank.asked), await rig.left()) == (2, 1, 0)


async def test_nobody_is_asked_while_the_run_may_still_call_him(rig: Rig) -> None:
    logs = await rig.joins("logs")
    held = await running(rig.store, new_run("t"))
    await rig.store.threads.delete(KEY, cancel=True)
    await rig.erasures.sweep()
    assert (logs.asked, await rig.left()) == ([], 1)

    await rig.store.runs.finish(held, ending("canceled"))
    await rig.erasures.sweep()

    assert (logs.asked, await rig.left()) == ([("alice", [held.run_id])], 0)


async def test_what_the_router_did_itself_is_waited_for_by_nobody(rig: Rig) -> None:
    rig.mesh.peers.builtin = {"answer": Agent(ScriptedModel([]), name="builtin_answer")}
    logs = await rig.joins("logs")
    await rig.deletes("builtin_answer", "logs")

    await rig.erasures.sweep()

    assert (len(logs.asked), await rig.left()) == (1, 0)


async def test_a_service_that_was_called_and_left_is_waited_for(rig: Rig) -> None:
    await rig.deletes("logs")
    await rig.erasures.sweep()
    await rig.joins("bank")
    await rig.erasures.sweep()
    assert await rig.left() == 1

    logs = await rig.joins("logs")
    await rig.erasures.sweep()

    assert (len(logs.asked), await rig.left()) == (1, 0)


async def test_runs_that_wait_for_a_service_hold_up_no_others(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasures, "AT_ONCE", 1)
    bank = await rig.joins("bank")
    for peer in ("gone", "gone", "bank"):
        await rig.deletes(peer)
    for _ in range(4):
        await rig.erasures.sweep()

    assert await rig.left() == 2
    # Each was told once, also those that are looked at again and again.
    assert len(bank.asked) == 3
    assert rig.run_id in bank.asked[-1][1]


async def test_who_was_told_of_very_many_runs_is_told_again_rather_than_remembered(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasures, "AT_ONCE", 1)
    monkeypatch.setattr(erasures, "REMEMBERED", 1)
    bank = await rig.joins("bank")
    for _ in range(2):
        await rig.deletes("gone")
    for _ in range(6):
        await rig.erasures.sweep()

    assert len(bank.asked) == 4
    assert len(rig.erasures._done) == 1
