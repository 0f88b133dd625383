"""Who was there a moment ago is waited for; who never was is not."""

from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import pytest

from router_service import waiting
from router_service.peers import LATELY_SECONDS
from router_service.routes import Chosen, Routes
from router_service.waiting import choose_patiently
from tests.router_service.house import ANA, House, house, skill
from weft.catalog import Offers, Snapshot
from weft.routing import Situation
from weft.runs import RoutedRequest

LOOK = skill("look", "domain:observability", "effects:none")
NAMED = RoutedRequest(input="look", agent="looker")
GOAL = RoutedRequest(input="Diagnose the checkout slowdown")


@pytest.fixture
async def mesh() -> AsyncIterator[House]:
    async with house() as made:
        yield made


async def choose(
    mesh: House,
    asked: RoutedRequest,
    *,
    remaining_s: float | None = None,
    situation: Situation | None = None,
) -> Chosen:
    routes = Routes(situation=situation or Situation())

    def made(offers: Offers) -> Chosen:
        return routes.choose(asked, ANA, offers)

    with anyio.fail_after(8):
        return await choose_patiently(made, mesh.peers, remaining_s=remaining_s)


def code_of(chosen: Chosen) -> str | None:
    return chosen.error.code if chosen.error is not None else None


@pytest.mark.parametrize("asked", [NAMED, GOAL])
async def test_a_request_waits_for_who_left_a_moment_ago(mesh: House, asked: RoutedRequest) -> None:
    entry = await mesh.joins("looker", LOOK)
    await mesh.leaves(entry)
    found: list[Chosen] = []

    async def ask() -> None:
        found.append(await choose(mesh, asked))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert found == []
        # Somebody else comes: not the one.
        await mesh.joins("speaker", skill("speak", "role:execute"))
        await anyio.wait_all_tasks_blocked()
        await mesh.joins("looker", LOOK, instance="2")

    assert found[0].plan is not None


async def test_nobody_is_said_to_be_missing_who_left_a_moment_ago(mesh: House) -> None:
    looker = skill("diagnose", "domain:observability", "effects:none")
    await mesh.leaves(await mesh.joins("looker", looker))
    chosen: list[Chosen] = []

    async def ask() -> None:
        chosen.append(await choose(mesh, GOAL, situation=Situation(model=False)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert chosen == []
        await mesh.joins("looker", looker, instance="2")

    assert chosen[0].protocol == "specialist_fanout"


@pytest.mark.parametrize(("asked", "code"), [(NAMED, "unknown_agent"), (GOAL, "no_capability")])
async def test_who_never_was_there_is_not_waited_for(
    mesh: House, asked: RoutedRequest, code: str
) -> None:
    await mesh.joins("speaker", skill("speak", "domain:social", "risk:high"))

    assert code_of(await choose(mesh, asked)) == code


async def test_who_left_long_ago_is_not_waited_for(mesh: House) -> None:
    await mesh.leaves(await mesh.joins("looker", LOOK))
    mesh.clock.time += LATELY_SECONDS + 1

    assert code_of(await choose(mesh, NAMED)) == "unknown_agent"


async def test_another_name_is_not_waited_for(mesh: House) -> None:
    await mesh.leaves(await mesh.joins("looker", LOOK))

    assert code_of(await choose(mesh, NAMED.model_copy(update={"agent": "x"}))) == "unknown_agent"


async def test_waiting_ends_and_says_whom_there_is(
    mesh: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.05)
    await mesh.joins("speaker", skill("speak", "role:execute"))
    await mesh.leaves(await mesh.joins("looker", LOOK))

    chosen = await choose(mesh, NAMED)

    assert code_of(chosen) == "unknown_agent"
    assert "known: speaker" in str(chosen.error)


async def test_waiting_takes_a_part_of_the_runs_time_only(mesh: House) -> None:
    await mesh.leaves(await mesh.joins("looker", LOOK))

    assert code_of(await choose(mesh, NAMED, remaining_s=0.1)) == "unknown_agent"


async def test_a_router_that_just_began_waits_while_nobody_could_say_who_is_there(
    mesh: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.05)
    asked: list[Snapshot] = []

    def stale() -> Snapshot:
        asked.append(Snapshot(0, (), stale=True))
        return asked[-1]

    monkeypatch.setattr(mesh.catalog, "snapshot", stale)

    assert mesh.peers.may_return("looker")
    assert code_of(await choose(mesh, NAMED)) == "unknown_agent"
    mesh.clock.time += LATELY_SECONDS + 1
    assert not mesh.peers.may_return("looker")


async def test_who_was_there_before_this_start_and_has_not_answered_yet_is_waited_for(
    mesh: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        mesh.catalog, "snapshot", lambda: Snapshot(0, (), awaited=frozenset({"looker"}))
    )

    assert mesh.peers.may_return("looker")
    assert mesh.peers.may_return()
    assert not mesh.peers.may_return("speaker")


async def test_a_choice_waits_for_who_is_being_asked_what_he_offers(
    mesh: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mesh.joins("looker", LOOK)
    arriving, looks = True, 0
    listed = mesh.catalog.snapshot

    def snapshot() -> Snapshot:
        nonlocal looks
        looks += 1
        return replace(listed(), arriving=arriving)

    monkeypatch.setattr(mesh.catalog, "snapshot", snapshot)
    results: list[Chosen] = []

    async def ask() -> None:
        results.append(await choose(mesh, GOAL))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        with anyio.fail_after(5):
            while looks < 8:
                await anyio.lowlevel.checkpoint()
        assert results == []
        await mesh.joins("reader", skill("read", "domain:observability", "effects:none"))
        arriving = False

    [chosen] = results
    assert chosen.plan is not None
    plan = str(chosen.plan.to_json())
    assert ("'look'" in plan, "'read'" in plan) == (True, True), plan


async def test_who_says_that_he_is_there_and_never_answers_holds_nobody_up_for_long(
    mesh: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "ARRIVAL_SECONDS", 0.05)
    await mesh.joins("looker", LOOK)
    listed = mesh.catalog.snapshot
    monkeypatch.setattr(mesh.catalog, "snapshot", lambda: replace(listed(), arriving=True))

    assert (await choose(mesh, GOAL)).plan is not None
