"""The router learns where it is told to: what came of a run orders the next choice, and no more."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from router_service.choosing import NOBODY, Advisers
from router_service.control import ControlService
from router_service.execute import execute_run, prepare_run
from router_service.main import Settings
from router_service.routes import Routes
from tests.libs.plan.doubles import FakePeer, done, failed
from tests.router_service.house import ANA, House, house
from tests.router_service.test_execute import new_run
from weft.bus import MemoryBus
from weft.checkpoint import Checkpointer, Claimed, NewRun, memory_checkpointer, sqlite_checkpointer
from weft.core import Principal, Result, RunId, new_id
from weft.events import Envelope
from weft.loop import Peer
from weft.routing import GoalFrame, Policies, PolicyGate
from weft.runs import MESH_RUN, Journal, RoutedRequest, RunOutcome, Runs, Worker

pytestmark = pytest.mark.timeout(40)
RESEARCH = GoalFrame.model_validate({"primary_goal": "research", "complexity": "low"}).to_json()
"""With nobody but the roles: direct_response, and behind it debate."""
EVE = ANA.model_copy(update={"tenant": "other"})
POSITION = done(data={"position": "so it is", "abstained": False})
RULING = done(data={"choice": "a", "reasons": "it is so"})
BROKEN = failed("peer_failed")


def peers(answer: Result = BROKEN) -> Mapping[str, Peer]:
    """Return who plays the roles: `answer` comes of a direct response, and debates go well."""
    return {
        "answer": FakePeer("answer", [answer]),
        "argue": FakePeer("argue", [POSITION]),
        "judge": FakePeer("judge", [RULING]),
    }


@dataclass
class Replica:
    """One router over a database."""

    runs: Runs
    mesh: House
    store: Checkpointer
    advisers: Advisers

    async def ask(
        self, principal: Principal = ANA, **request: object
    ) -> tuple[RunId, list[Envelope]]:
        made = named(principal, **request)
        with anyio.fail_after(30):
            await self.runs.submit(made, on_busy="reject", own=True)
            log = [event async for event in self.runs.follow(principal, made.run_id)]
        return made.run_id, log

    async def explained(self, principal: Principal = ANA) -> Any:  # noqa: ANN401 - JSON
        service = ControlService(Routes(), self.mesh.peers, None, None, self.advisers)  # type: ignore[arg-type]
        request = RoutedRequest(input="Look into the till", goal=RESEARCH)
        return await service.explained(request, principal, seconds=20)


def named(principal: Principal, **request: object) -> NewRun:
    made = new_run({"input": "Look into the till", "goal": RESEARCH, **request}, new_id())
    return replace(made, authority=replace(made.authority, principal=principal))


@asynccontextmanager
async def replica(
    store: Checkpointer,
    roles: Mapping[str, Peer] | None = None,
    *,
    learning: bool = True,
    routes: Routes | None = None,
    name: str = "router/1",
) -> AsyncIterator[Replica]:
    async with house(roles or peers()) as mesh:
        runs, routes = Runs(store, MemoryBus(), pool="router"), routes or Routes()
        advisers = Advisers(book=store.book) if learning else NOBODY
        worker = Worker(
            runs,
            execute_run(store, mesh.peers, routes, advisers),
            name=name,
            operations=(MESH_RUN,),
            prepare=prepare_run(mesh.peers, routes, advisers),
        )
        async with worker.working(), runs.listening():
            yield Replica(runs, mesh, store, advisers)


@asynccontextmanager
async def alone(roles: Mapping[str, Peer] | None = None) -> AsyncIterator[Replica]:
    async with aclosing(memory_checkpointer()) as store, replica(store, roles) as router:
        yield router


def choice(log: list[Envelope]) -> tuple[str, str]:
    [selected] = [event.data for event in log if event.type == "router.protocol.selected"]
    return str(selected["protocol_id"]), str(selected["method"])


def learned(shown: Any, protocol: str = "direct_response") -> tuple[int, int]:  # noqa: ANN401 - JSON
    [view] = [view for view in shown["learning"] if view["protocol_id"] == protocol]
    return view["runs"], view["successes"]


@pytest.mark.requirement("RT-34")
async def test_what_fails_again_and_again_gives_way_and_the_explanation_says_why() -> None:
    async with alone() as router:
        choices = [choice((await router.ask())[1]) for _ in range(4)]
        shown = await router.explained()
        _, log = await router.ask()

    assert choices == [
        ("direct_response", "rule_based"),
        ("direct_response", "learned"),
        ("direct_response", "learned"),
        ("debate", "learned"),
    ]
    assert shown["learning"] == [
        {"goal": "research", "domain": "general", "protocol_id": "direct_response",
         "prior": 0.9, "runs": 3, "successes": 0, "score": 0.692308},
        {"goal": "research", "domain": "general", "protocol_id": "debate",
         "prior": 0.7, "runs": 1, "successes": 1, "score": 0.727273},
    ]  # fmt: skip
    [plan] = [event.data["plan"] for event in log if event.type == "plan.compiled"]
    assert shown["plan"] == plan
    [selected] = [event.data for event in log if event.type == "router.protocol.selected"]
    assert "1 of its 1 earlier runs of this kind went well" in str(selected["rationale"])


@pytest.mark.requirement("RT-34")
async def test_off_records_change_nothing_and_none_are_kept(tmp_path: Path) -> None:
    async with aclosing(sqlite_checkpointer(tmp_path / "db")) as store:
        async with replica(store) as on:
            for _ in range(4):
                await on.ask()
        async with replica(store, learning=False) as off:
            _, log = await off.ask()
            shown = await off.explained()
        async with replica(store) as on:
            again = await on.explained()

    assert choice(log) == ("direct_response", "rule_based")
    assert shown["learning"] is None
    assert shown["parts"][0]["method"] == "rule_based"
    assert (learned(again), learned(again, "debate")) == ((3, 0), (1, 1))
    assert Settings.model_validate({"home": "."}).learning is False


@pytest.mark.requirement("RT-34")
async def test_two_tenants_learn_apart() -> None:
    async with alone() as router:
        for _ in range(4):
            await router.ask()
        _, log = await router.ask(EVE)
        shown = await router.explained(EVE)

    assert choice(log) == ("direct_response", "rule_based")
    assert learned(shown) == (1, 0)


@pytest.mark.requirement("RT-34")
@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (done("it is so"), (1, 1)),
        (BROKEN, (1, 0)),
        (failed("deadline_exceeded"), (1, 0)),
        (failed("peer_unavailable"), (0, 0)),
        (failed("model_unavailable"), (0, 0)),
        (failed("forbidden"), (0, 0)),
        (failed("approval_refused"), (0, 0)),
        (failed("no_applicable_tool"), (0, 0)),
        (failed("canceled"), (0, 0)),
    ],
)
async def test_outages_denials_refusals_and_cancels_do_not_count(
    answer: Result, counted: tuple[int, int]
) -> None:
    async with alone(peers(answer)) as router:
        await router.ask()

        assert learned(await router.explained()) == counted


@pytest.mark.requirement("RT-34")
async def test_what_policy_denies_is_not_kept_and_stays_denied_whatever_was_learned() -> None:
    gate = PolicyGate(denied_protocols=("debate",))
    async with aclosing(memory_checkpointer()) as store:
        async with replica(store) as router:
            for _ in range(3):
                await router.ask()
        async with replica(store, routes=Routes(Policies(tenants={ANA.tenant: gate}))) as strict:
            run_id, log = await strict.ask()
            run = await strict.runs.read(ANA, run_id)
            shown = await strict.explained()

    assert choice(log) == ("debate", "learned")
    assert (run.status, (run.error or {})["code"]) == ("failed", "policy_denied")
    assert (learned(shown), learned(shown, "debate")) == ((3, 0), (0, 0))


@pytest.mark.requirement("RT-34")
async def test_a_bad_rating_takes_the_success_back() -> None:
    async with alone(peers(done("it is so"))) as router:
        runs = [(await router.ask())[0] for _ in range(3)]
        before = await router.explained()
        for run_id in runs:
            await router.store.book.rate(ANA, run_id, bad=True)
        after = await router.explained()
        _, log = await router.ask()

    assert (learned(before), learned(after)) == ((3, 3), (3, 0))
    assert before["parts"][0]["selected_protocol"] == "direct_response"
    assert after["parts"][0]["selected_protocol"] == "debate" == choice(log)[0]


@pytest.mark.requirement("RT-34")
async def test_replicas_share_what_they_learn_and_count_each_run_once(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        replicas = []
        for number in (1, 2):
            store = await stack.enter_async_context(aclosing(sqlite_checkpointer(tmp_path / "db")))
            router = replica(store, peers(done("so it is")), name=f"router/{number}")
            replicas.append(await stack.enter_async_context(router))

        logs = await asyncio.gather(*[r.ask() for r in replicas for _ in range(8)])
        told = [await router.explained() for router in replicas]

    assert {log[-1].type for _, log in logs} == {"run.completed"}
    assert [learned(shown) for shown in told] == [(16, 16), (16, 16)]


@pytest.mark.requirement("RT-34")
async def test_whoever_goes_on_after_a_crash_writes_the_outcome_of_the_stored_plan() -> None:
    async with aclosing(memory_checkpointer()) as store, house(peers()) as mesh:
        runs, routes, advisers = Runs(store, MemoryBus(), pool="router"), Routes(), Advisers(
            book=store.book
        )  # fmt: skip
        first = execute_run(store, mesh.peers, routes, advisers)
        heir = execute_run(store, mesh.peers, routes, NOBODY)

        async def twice(claimed: Claimed, journal: Journal) -> RunOutcome:
            """Plan as a router that learns, and go on as one that reads the plan back."""
            await first(claimed, journal)
            stored = {path: dict(step) for path, step in journal.steps.items()}
            journal._steps.clear()  # type: ignore[attr-defined]
            journal._steps.update(stored)  # type: ignore[attr-defined]
            return await heir(claimed, journal)

        worker = Worker(runs, twice, name="r", operations=(MESH_RUN,))
        async with worker.working(), runs.listening():
            router = Replica(runs, mesh, store, advisers)
            await router.ask()
            shown = await router.explained()

    assert learned(shown) == (1, 0)
