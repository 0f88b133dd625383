"""What an explanation says is what a run then does: for every frame, with whatever policy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router_service.choosing import NOBODY
from router_service.control import ControlService
from router_service.execute import NotPlannedError, Planner, prepare_run
from router_service.routes import Routes
from tests.libs.routing.frames import frame
from tests.libs.routing.test_compiler import frames
from tests.router_service.house import ANA, House, house, skill
from tests.router_service.test_execute import new_run
from weft.checkpoint import Checkpointer, memory_checkpointer
from weft.core import JsonObject, RunId, new_id
from weft.events import Event
from weft.plan import Call, Judge, Plan, price
from weft.routing import BUILTINS, GoalFrame, Level, Policies, PolicyGate, TaskType
from weft.runs import LocalJournal, RoutedRequest

WORDS = "Look into the checkout of the shop"
TAGS = ("domain:observability", "risk:low", "effects:none", "diagnose", "slow")
LEVELS = ("low", "medium", "high")
TABLE = [
    frame(goal, complexity=complexity, risk=risk)
    for goal, complexity, risk in product(TaskType, LEVELS, LEVELS)
]
gates = st.builds(
    PolicyGate,
    max_risk=st.sampled_from(Level),
    require_approval_above=st.sampled_from(Level),
    denied_protocols=st.lists(
        st.sampled_from([protocol.id for protocol in BUILTINS]), max_size=2, unique=True
    ).map(tuple),
)


@dataclass
class Router:
    """One router's mesh and database, with any policy."""

    mesh: House
    store: Checkpointer

    async def explained(self, request: RoutedRequest, gate: PolicyGate) -> Any:  # noqa: ANN401 - JSON
        service = ControlService(self._routes(gate), self.mesh.peers, None, None, NOBODY)  # type: ignore[arg-type]
        return await service.explained(request, ANA, seconds=30)

    async def done(self, request: RoutedRequest, gate: PolicyGate) -> JsonObject:
        """Return what a run writes down of its request before its first step."""
        accepted = await self.store.runs.accept(
            new_run(request.to_json(), new_id()), on_busy="reject", owner="router/1"
        )
        assert accepted.claimed is not None
        run, routes, events = accepted.claimed.run, self._routes(gate), list[Event]()
        step = prepare_run(self.mesh.peers, routes)(run)
        if step is not None:
            return _told(step.outcome["plan"], step.events)
        journal = LocalJournal(run_id=RunId(run.run_id), tell=events.append)
        planner = Planner(self.mesh.peers, routes, NOBODY, journal)
        try:
            planned = await planner.plan(request, run)
        except NotPlannedError as unplanned:
            error = unplanned.error
            shown: JsonObject = {"code": error.code, "message": str(error)}
            return {**_told(None, events), "error": shown}
        return _told(planned.plan.to_json(), events)

    def _routes(self, gate: PolicyGate) -> Routes:
        loose = PolicyGate(require_approval_above=Level.HIGH)
        return Routes(Policies(loose, {ANA.tenant: gate}))


@asynccontextmanager
async def opened() -> AsyncIterator[Router]:
    async with house() as mesh, aclosing(memory_checkpointer()) as store:
        for name in ("code", "log", "metric", "trace"):
            await mesh.joins(f"{name}_analyst", skill(f"{name}.analyze", *TAGS))
        await mesh.joins("operator", skill("db.restart", "risk:high", "domain:db"))
        await mesh.joins("reviewer", skill("review", "role:validate", "role:judge"))
        yield Router(mesh, store)


def _told(plan: Any, events: Any) -> JsonObject:  # noqa: ANN401 - JSON
    parts: list[Any] = []
    frame_told: Any = None
    for event in events:
        data = event.data.to_json()
        if event.type == "router.frame.extracted":
            frame_told = (data["frame"], data["method"], data["floor"])
        elif event.type == "router.protocol.selected":
            parts.append([data["primary_goal"], data["protocol_id"], data["method"]])
        elif event.type == "router.policy.verdict":
            parts[-1] += [data["allow"], data["require_approval"], data["reason"]]
    return {"plan": plan, "frame": frame_told, "parts": parts, "error": None}


def _explained(shown: Any) -> JsonObject:  # noqa: ANN401 - JSON
    """Return of an explanation what a run's log tells, too."""
    parts: list[Any] = [
        [part["goal"], part["selected_protocol"], part["method"], part["policy"]["allow"],
         part["policy"]["require_approval"], part["policy"]["reason"]]
        for part in shown["parts"]
        if part["selected_protocol"]
    ]  # fmt: skip
    read = shown["extraction"]
    told: Any = (shown["goal_frame"], read["method"], read["floor"])
    return {"plan": shown["plan"], "frame": told, "parts": parts, "error": shown["error"]}


async def check(router: Router, wanted: GoalFrame, gate: PolicyGate) -> Any:  # noqa: ANN401 - JSON
    """Return the explanation, which a run of the same request bears out."""
    request = RoutedRequest(input=WORDS, goal=wanted.to_json())

    shown = await router.explained(request, gate)

    assert _explained(shown) == await router.done(request, gate)
    assert shown["revisions"] == (await router.explained(request, gate))["revisions"]
    assert (shown["plan"] is None) is (shown["error"] is not None) is (shown["price"] is None)
    if shown["plan"] is not None:
        plan = Plan.from_json(shown["plan"])
        assert shown["price"] == price(plan).to_json()
        asked = [[*path] for path, node in plan.nodes() if isinstance(node, Call | Judge)]
        assert [peer["path"] for peer in shown["peers"]] == asked
    return shown


@pytest.mark.requirement("RT-35")
async def test_what_is_explained_of_each_frame_of_the_table_is_what_a_run_does() -> None:
    async with opened() as router:
        shown = [await check(router, wanted, PolicyGate()) for wanted in TABLE]

    assert all(explanation["error"] is None for explanation in shown)
    assert len(shown) == 117


@pytest.mark.requirement("RT-35")
def test_denials_and_dead_ends_are_explained_as_they_come() -> None:
    codes = set[str]()
    with asyncio.Runner() as runner:
        room = opened()
        router = runner.run(room.__aenter__())

        @settings(max_examples=200, deadline=None, derandomize=True)
        @given(frames, gates)
        def explained(wanted: GoalFrame, gate: PolicyGate) -> None:
            shown = runner.run(check(router, wanted, gate))
            codes.add((shown["error"] or {"code": ""})["code"])

        explained()
        runner.run(room.__aexit__(None, None, None))

    assert {"", "policy_denied", "no_capability"} <= codes


@pytest.mark.requirement("RT-35")
async def test_explaining_starts_no_run_and_asks_no_peer() -> None:
    async with opened() as router:
        await router.explained(RoutedRequest(input="Restart the db"), PolicyGate())

        page = await router.store.index.runs(ANA.model_copy(update={"scopes": {"admin"}}), limit=5)
    assert page.entries == ()


async def test_revisions_tell_catalogues_and_policies_apart_on_every_replica() -> None:
    request = RoutedRequest(input=WORDS)
    async with opened() as router, opened() as replica:
        here = (await router.explained(request, PolicyGate()))["revisions"]
        there = (await replica.explained(request, PolicyGate()))["revisions"]
        strict = (await router.explained(request, PolicyGate(max_risk=Level.LOW)))["revisions"]
        await router.mesh.joins("newcomer", skill("queue.look", "effects:none"))
        later = (await router.explained(request, PolicyGate()))["revisions"]

    assert here["capabilities"] == there["capabilities"] != later["capabilities"]
    assert here["policy"] == there["policy"] != strict["policy"]
    assert later["catalog"] > here["catalog"]


async def test_who_is_away_is_explained_as_a_run_asks_him() -> None:
    request = RoutedRequest(input="Diagnose the slow checkout")
    async with opened() as router:
        entry = await router.mesh.joins("log_analyst", skill("log.analyze", *TAGS))
        await router.mesh.leaves(entry, hangs=True)
        shown = await router.explained(request, PolicyGate())
        told = await router.done(request, PolicyGate())

    assert _explained(shown) == told
    assert "log.analyze" in str(shown["plan"])
    [peer] = [peer for peer in shown["peers"] if peer["why"] == "offers log.analyze"]
    assert peer["peer"] == "log_analyst"
