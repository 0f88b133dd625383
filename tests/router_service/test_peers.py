"""Whom the router calls: verified, allowed, and the best of those that fit."""

from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, field
from typing import cast

import anyio
import pytest

from router_service.peers import (
    MISSED_SECONDS,
    QUIET_SECONDS,
    REFUSED_SECONDS,
    RESTART_SECONDS,
    MeshPeers,
)
from tests.router_service.house import ANA, House, house, may_call, skill
from weft.a2a.client import A2AClient
from weft.catalog import Entry
from weft.core import Authority, JsonValue, Result, parts_of
from weft.core.errors import ForbiddenError
from weft.core.protocol_errors import PeerAwayError, PeerUnavailableError
from weft.events import Event
from weft.loop import Task
from weft.plan import Target


@pytest.fixture
async def mesh() -> AsyncIterator[House]:
    async with house() as made:
        yield made


LOOK = skill("look", "domain:observability", "effects:none")


def picked(mesh: House, target: Target) -> str:
    return mesh.peers.pick(target, ANA).peer.name


async def known(mesh: House) -> tuple[Entry, ...]:
    offers = await mesh.peers.refresh()
    return tuple(Entry.model_validate(each.model_dump()) for each in offers.providers)


@dataclass
class FakeRun:
    """Two events, then a result, unless it is told to wait for ever."""

    result: Result
    waits: bool = False
    canceled: bool = False

    async def __aiter__(self) -> AsyncIterator[Event]:
        for _ in range(2):
            yield Event(type="agent.think")
        if self.waits:
            await anyio.sleep_forever()

    def __await__(self) -> Generator[object, None, Result]:
        return self._result().__await__()

    async def _result(self) -> Result:
        if self.waits:
            await anyio.sleep_forever()
        return self.result

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        del reason, grace_s
        self.canceled = True
        return None


@dataclass
class FakeClient:
    runs: list[FakeRun] = field(default_factory=list)
    result: Result = field(default_factory=lambda: Result(status="completed", text="ok"))
    waits: bool = False

    def start(self, task: Task) -> FakeRun:
        del task
        self.runs.append(FakeRun(self.result, self.waits))
        return self.runs[-1]


def answering(mesh: House, service: str, client: FakeClient) -> None:
    for (name, _), known in mesh.peers._known.items():
        if name == service:
            known.client = cast(A2AClient, client)


def open_calls(peers: MeshPeers) -> list[int]:
    return [known.open for known in peers._known.values()]


TASK = Task(parts_of("look"), "m", authority=Authority(ANA))


@pytest.mark.requirement("RT-4")
async def test_a_card_whose_key_appears_later_is_taken_without_a_restart(mesh: House) -> None:
    entry = await mesh.joins("looker", LOOK, known=False)
    assert (await mesh.peers.refresh()).providers == ()

    mesh.trust.publish(mesh.keys["looker"])
    assert (await mesh.peers.refresh()).providers == ()
    mesh.clock.time += REFUSED_SECONDS * 1.1

    assert await known(mesh) == (entry,)
    assert picked(mesh, Target(capability="look")) == "looker"


async def test_a_card_that_stays_refused_is_complained_of_once(
    mesh: House, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await mesh.joins("looker", LOOK, known=False)
    for _ in range(5):
        mesh.clock.time += REFUSED_SECONDS * 1.1
        await mesh.peers.refresh()
    assert [record.message for record in caplog.records] == ["card_refused"]

    await mesh.leaves(entry)
    assert mesh.peers._refused == {}


@pytest.mark.requirement("RT-4")
async def test_who_leaves_is_forgotten_and_who_comes_is_known(mesh: House) -> None:
    first = await mesh.joins("looker", LOOK)
    second = await mesh.joins("watcher", LOOK)

    await mesh.leaves(first)

    assert await known(mesh) == (second,)
    assert picked(mesh, Target(capability="look")) == "watcher"
    await mesh.leaves(second)
    with pytest.raises(PeerUnavailableError, match="look"):
        mesh.peers.pick(Target(capability="look"), ANA)


async def test_a_new_card_that_is_refused_takes_the_old_one_with_it(mesh: House) -> None:
    entry = await mesh.joins("looker", LOOK)

    await mesh.catalog.publish(entry.model_copy(update={"card": "{}"}))

    assert (await mesh.peers.refresh()).providers == ()


async def test_the_router_does_not_call_itself(mesh: House) -> None:
    await mesh.joins("router", LOOK)

    assert (await mesh.peers.refresh()).providers == ()


async def test_a_capability_of_one_agent_is_asked_of_no_other(mesh: House) -> None:
    await mesh.joins("a", LOOK)
    await mesh.joins("b", LOOK)

    assert picked(mesh, Target(capability="look")) == "a"
    assert picked(mesh, Target(capability="b/look")) == "b"
    assert picked(mesh, Target(peer="b")) == "b"
    with pytest.raises(PeerUnavailableError):
        picked(mesh, Target(capability="c/look"))


@pytest.mark.requirement("PLAN-29")
async def test_a_peer_is_picked_by_domain_then_failures_then_open_calls_then_name(
    mesh: House,
) -> None:
    for name, domain in (("a", "security"), ("b", "observability"), ("c", "observability"),
                         ("d", "observability")):  # fmt: skip
        await mesh.joins(name, skill("look", f"domain:{domain}"))
    target = Target(capability="look", domain="observability")
    inside = {service: each for (service, _), each in mesh.peers._known.items()}

    assert picked(mesh, target) == "b"
    inside["b"].open = 1
    assert picked(mesh, target) == "c"
    inside["c"].failures = 1
    assert picked(mesh, target) == "d"
    inside["d"].open = 2
    assert picked(mesh, target) == "b"
    inside["b"].failures = inside["d"].failures = 2
    assert picked(mesh, target) == "c"
    assert picked(mesh, Target(capability="look")) == "a"


async def test_anybody_else_is_better_than_the_author_or_who_failed_in_this_step(
    mesh: House,
) -> None:
    await mesh.joins("a", LOOK)
    await mesh.joins("b", LOOK)
    a, b = frozenset({"a"}), frozenset({"b"})

    assert picked(mesh, Target(capability="look", tried=a)) == "b"
    assert picked(mesh, Target(capability="look", authors=a)) == "b"
    assert picked(mesh, Target(capability="look", authors=a, tried=b)) == "b"
    assert picked(mesh, Target(capability="look", tried=a | b)) == "a"


@pytest.mark.requirement("PLAN-29")
async def test_only_those_the_principal_may_call_are_picked(mesh: House) -> None:
    await mesh.joins("a", LOOK)
    await mesh.joins("b", LOOK)

    assert mesh.peers.pick(Target(capability="look"), may_call("b")).peer.name == "b"
    with pytest.raises(ForbiddenError, match="agents:a"):
        mesh.peers.pick(Target(capability="look"), may_call("c"))


async def test_what_a_skill_says_of_its_effects_goes_with_the_pick(mesh: House) -> None:
    await mesh.joins("a", LOOK, skill("act"))

    assert mesh.peers.pick(Target(capability="look"), ANA).effects == "none"
    assert mesh.peers.pick(Target(capability="act"), ANA).effects == "unknown"
    assert mesh.peers.pick(Target(peer="a"), ANA).effects == "unknown"


@pytest.mark.requirement("PLAN-16")
async def test_what_is_at_stake_is_what_the_skills_say_and_no_word_is_not_harmless(
    mesh: House,
) -> None:
    await mesh.joins("analyst", LOOK)
    await mesh.joins("payer", skill("pay", "risk:high"), skill("quote", "effects:none"))
    await mesh.joins("greeter", skill("greet"))

    def at_stake(**wanted: str) -> tuple[str, str]:
        found = mesh.peers.pick(Target(**wanted), ANA)  # type: ignore[arg-type]
        return found.effects, found.risk

    assert at_stake(peer="analyst") == ("none", "low")
    assert at_stake(peer="payer") == ("unknown", "high")
    assert at_stake(peer="greeter") == ("unknown", "medium")
    assert at_stake(capability="pay") == ("unknown", "high")
    assert at_stake(capability="payer/quote") == ("none", "low")
    assert at_stake(capability="greet") == ("unknown", "low")


async def test_open_calls_and_failures_are_counted_while_they_last(mesh: House) -> None:
    await mesh.joins("a", LOOK)
    client = FakeClient()
    answering(mesh, "a", client)
    peer = mesh.peers.pick(Target(capability="look"), ANA).peer

    runs = [peer.start(TASK), peer.start(TASK)]
    assert open_calls(mesh.peers) == [2]
    for run in runs:
        assert len([event async for event in run]) == 2
        assert (await run).text == "ok"
    assert open_calls(mesh.peers) == [0]

    client.result = Result.failed("peer_unavailable", "away")
    await peer.start(TASK)
    await peer.start(TASK)
    (known,) = mesh.peers._known.values()
    assert known.failures == 2
    client.result = Result.failed("model_failed", "it tried")
    await peer.start(TASK)
    assert known.failures == 0


async def test_a_call_that_is_cancelled_counts_no_longer(mesh: House) -> None:
    await mesh.joins("a", LOOK)
    client = FakeClient(waits=True)
    answering(mesh, "a", client)
    peer = mesh.peers.pick(Target(capability="look"), ANA).peer

    run = peer.start(TASK)
    await run.cancel("enough")
    await run.cancel("again")
    assert (open_calls(mesh.peers), client.runs[0].canceled) == ([0], True)

    with anyio.move_on_after(0.01):
        await peer.start(TASK)
    assert open_calls(mesh.peers) == [0]


async def test_a_call_whose_events_nobody_reads_any_more_counts_no_longer(mesh: House) -> None:
    await mesh.joins("a", LOOK)
    answering(mesh, "a", FakeClient(waits=True))
    run = mesh.peers.pick(Target(capability="look"), ANA).peer.start(TASK)

    with anyio.move_on_after(0.01):
        async for _ in run:
            continue

    assert open_calls(mesh.peers) == [0]


@pytest.mark.requirement("DIAG-3")
async def test_who_is_away_for_longer_than_a_restart_is_named_and_not_waited_for(
    mesh: House,
) -> None:
    entry = await mesh.joins("looker", LOOK)
    await mesh.leaves(entry)
    with pytest.raises(PeerUnavailableError):
        picked(mesh, Target(capability="look"))
    mesh.clock.time += RESTART_SECONDS + 2

    with pytest.raises(PeerAwayError, match="looker was there and has not answered for 12 s"):
        picked(mesh, Target(capability="look"))
    assert [each.service for each in (await mesh.peers.refresh()).away] == ["looker"]

    await mesh.joins("looker", LOOK, instance="2")
    assert (await mesh.peers.refresh()).away == ()
    assert picked(mesh, Target(capability="look")) == "looker"


async def test_who_stopped_in_order_is_no_gap_and_is_not_called_lost(mesh: House) -> None:
    await mesh.stops(await mesh.joins("looker", LOOK))

    assert (await mesh.peers.refresh()).away == ()
    assert mesh.peers.may_return("looker")
    with pytest.raises(PeerUnavailableError):
        picked(mesh, Target(capability="look"))


@pytest.mark.requirement("DIAG-3")
async def test_who_hangs_is_named_at_once_and_one_of_a_silent_call_is_asked(mesh: House) -> None:
    entry = await mesh.joins("looker", LOOK)
    answering(mesh, "looker", FakeClient(waits=True))
    run = mesh.peers.pick(Target(capability="look"), ANA).peer.start(TASK)
    mesh.peers.doubt_the_quiet()
    assert mesh.catalog.doubted == []
    for _ in range(2):
        mesh.clock.time += QUIET_SECONDS
        mesh.peers.doubt_the_quiet()
        mesh.peers.doubt_the_quiet()
    assert mesh.catalog.doubted == ["looker", "looker"]

    await mesh.leaves(entry, hangs=True)
    mesh.peers.give_up()

    with anyio.fail_after(5):
        assert (await run).reasons[0].code == "outcome_unknown"
    with pytest.raises(PeerAwayError, match="has not answered for 6 s"):
        picked(mesh, Target(capability="look"))


@pytest.mark.requirement("DIAG-3")
async def test_who_stays_away_is_forgotten_in_the_end(mesh: House) -> None:
    await mesh.leaves(await mesh.joins("looker", LOOK))
    mesh.clock.time += MISSED_SECONDS

    assert (await mesh.peers.refresh()).away == ()
    with pytest.raises(PeerUnavailableError):
        picked(mesh, Target(capability="look"))


@pytest.mark.requirement("DIAG-3")
@pytest.mark.parametrize("listens", [True, False])
async def test_an_open_call_of_a_peer_that_hangs_ends_once_he_is_away_for_too_long(
    mesh: House, *, listens: bool
) -> None:
    entry = await mesh.joins("looker", LOOK)
    answering(mesh, "looker", FakeClient(waits=True))
    run = mesh.peers.pick(Target(capability="look"), ANA).peer.start(TASK)
    ended: list[Result] = []

    async def follow() -> None:
        if listens:
            async for _ in run:
                continue
        ended.append(await run)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await anyio.wait_all_tasks_blocked()
            await mesh.leaves(entry)
            mesh.peers.give_up()
            await anyio.wait_all_tasks_blocked()
            assert ended == [], "a restart may take so long"
            mesh.clock.time += RESTART_SECONDS
            mesh.peers.give_up()

    assert ended[0].reasons[0].code == "outcome_unknown"
    assert "looker" in ended[0].reasons[0].message
    assert not mesh.peers._calls["looker"]
