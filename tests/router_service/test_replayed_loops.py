"""A replay reaches into the agents: each walks its own loop again, and nobody and nothing is called."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from router_service.outside import OutsideAgents
from router_service.replaying import Replayer
from tests.router_service.house import ANA
from tests.router_service.test_execute import new_run
from tests.router_service.test_grants import GREETS, Mesh, greet, mesh_of, offline
from tests.router_service.test_models_away import LOGS, TRACES, look
from weft.catalog import OutsideTerms, Provider
from weft.core import JsonObject, JsonValue, Principal, RunId
from weft.core import Path as RunPath
from weft.core.errors import NotFoundError
from weft.loop import Agent, ModelPatience, PeerRun, Task
from weft.models import Model, ModelRetryConfig, StandIn, get_model
from weft.service import OutsideFile
from weft.testing import ScriptedOpenAIServer
from weft.testing.openai_script import When, WireCall, WireReply
from weft.tools import Tool, tool

ASKED = "Diagnose the checkout slowdown"
LOG_PATH, TRACE_PATH = ["diagnose", "log_look"], ["diagnose", "trace_look"]
touched: list[str] = []


@tool(name="look", labels={"read"})
async def noted_look(place: str = "checkout") -> JsonObject:
    """Diagnose the checkout: say how it is doing."""
    touched.append(place)
    result: JsonObject = await look(place)
    return result


@dataclass
class Deployed:
    """An agent that another version can take the place of, as at a deployment."""

    agent: Agent

    @property
    def name(self) -> str:
        return self.agent.name

    def start(self, task: Task) -> PeerRun:
        return self.agent.start(task)

    def replay(self, task: Task) -> PeerRun:
        return self.agent.replay(task)


@dataclass
class Incident:
    """A mesh that diagnosed something, and what it may be asked of it."""

    mesh: Mesh
    run_id: str
    logs: Deployed

    async def replay(self, who: Principal = ANA) -> JsonObject:
        touched.clear()
        replayer = Replayer(self.mesh.runs.checkpointer, self.mesh.members.peers)
        with anyio.fail_after(20):
            document = await replayer.replay(who, RunId(self.run_id))
        assert touched == []
        return document


@asynccontextmanager
async def diagnosed(
    model: Model, tools: tuple[Tool[..., Any], ...] = (noted_look,)
) -> AsyncIterator[Incident]:
    options = ModelPatience(
        model_retry=ModelRetryConfig(max_retries=0), stand_in=StandIn(get_model("offline:"))
    )
    logs = Deployed(Agent(model, tools, "You look.", name="logs", **options))
    traces = Agent(model, tools, "You look.", name="traces", **options)
    async with mesh_of(get_model("offline:"), (LOGS, logs), (TRACES, traces)) as mesh:
        made = new_run({"input": ASKED})
        with anyio.fail_after(20):
            await mesh.runs.submit(made, on_busy="reject", own=True)
            async for _ in mesh.runs.follow(ANA, made.run_id):
                pass
        assert touched
        yield Incident(mesh, made.run_id, logs)


def agents(document: JsonObject) -> list[tuple[object, ...]]:
    listed = document["agents"]
    assert isinstance(listed, list)
    return [
        (each["agent"], each["turns"], each["calls"], each["not_compared"])
        for each in listed
        if isinstance(each, dict)
    ]


@pytest.mark.requirement("CLI-5")
async def test_offline_every_agents_rules_do_the_same_again() -> None:
    async with diagnosed(get_model("offline:")) as incident:
        document = await incident.replay()

        with pytest.raises(NotFoundError):
            await incident.replay(ANA.model_copy(update={"subject": "eve"}))

    assert (document["same"], document["difference"]) == (True, None)
    assert sorted(agents(document)) == [
        ("builtin_synthesize", 1, 0, ""),
        ("logs", 2, 1, ""),
        ("traces", 2, 1, ""),
    ]


LOOKS = WireReply(
    calls=(WireCall(name="look", arguments={"place": "orders"}),),
    when=When(last_contains=ASKED),
    repeat=True,
)
SAYS = WireReply(text="It waits for its pool.", when=When(last_contains="summary"), repeat=True)


@asynccontextmanager
async def asked_once(*script: WireReply) -> AsyncIterator[tuple[ScriptedOpenAIServer, Model]]:
    async with ScriptedOpenAIServer(script) as server:
        model = get_model("openai:scripted", base_url=server.base_url, api_key="k")
        async with aclosing(model):
            yield server, model


@pytest.mark.requirement("CLI-5")
async def test_what_a_model_would_be_asked_now_is_said_where_it_differs_and_no_model_is_asked() -> (
    None
):
    async with asked_once(LOOKS, SAYS) as (server, model), diagnosed(model) as incident:
        before = len(server.requests)
        same = await incident.replay()
        incident.logs.agent = Agent(model, [noted_look], "You look twice.", name="logs")
        other = await incident.replay()

        assert (before, len(server.requests)) == (4, 4)

    assert same["same"] is True
    assert sorted(agents(same)) == [
        ("builtin_synthesize", 1, 0, ""),
        ("logs", 2, 1, ""),
        ("traces", 2, 1, ""),
    ]
    assert other["same"] is False
    difference = other["difference"]
    assert isinstance(difference, dict)
    assert difference["path"] == [*LOG_PATH, "think#1"]
    assert difference["what"] == "the instructions that the model is given"
    assert difference["replayed"] == "You look twice."


@pytest.mark.requirement("CLI-5")
async def test_rules_that_stood_in_for_a_silent_model_do_so_again() -> None:
    down = WireReply(status=503, repeat=True, when=When())
    async with asked_once(down) as (server, model), diagnosed(model) as incident:
        before = len(server.requests)

        assert (await incident.replay())["same"] is True
        assert len(server.requests) == before


@pytest.mark.requirement("CLI-5")
async def test_whoever_keeps_nothing_of_it_or_is_not_there_is_not_said_to_agree(
    tmp_path: Path,
) -> None:
    async with diagnosed(get_model("offline:")) as incident, AsyncExitStack() as sessions:
        peers, catalog = incident.mesh.members.peers, incident.mesh.members.catalog
        await peers.one_of_each()["logs"].erase(ANA, [incident.run_id], within=5.0)
        erased = await incident.replay()
        [entry] = catalog.snapshot().of("logs")
        await incident.mesh.members.stops(entry)
        away = await incident.replay()
        terms = OutsideTerms(tenants=frozenset({ANA.tenant}))
        peers.outside = OutsideAgents(OutsideFile.of(None, tmp_path), sessions)
        named = Provider(
            service="logs", instance="1", url="https://logs.example", card="", outside=terms
        )
        peers.outside.providers = (named,)
        peers.outside.revision = 1
        foreign = await incident.replay()

    assert [document["same"] for document in (erased, away, foreign)] == [None] * 3
    assert [
        [(name, words) for name, _, _, words in agents(document) if words]
        for document in (erased, away, foreign)
    ] == [
        [("logs", "it keeps no record of this task any more")],
        [("logs", "logs is away")],
        [("logs", "it is no member of the mesh, and tells nobody how it came to its answer")],
    ]


@pytest.mark.requirement("CLI-5")
async def test_an_agent_of_the_routers_own_is_walked_again_where_it_was() -> None:
    async with mesh_of(get_model("offline:"), (GREETS, offline(greet, name="greeter"))) as mesh:
        run, _ = await mesh.ask("Greet customer=Ada")
        replayer = Replayer(mesh.runs.checkpointer, mesh.members.peers)

        document = await replayer.replay(ANA, run.run_id)

    assert document["same"] is True, document
    assert agents(document) == [("builtin_answer", 2, 1, ""), ("greeter", 2, 1, "")]


@pytest.mark.requirement("CLI-5")
async def test_what_the_plan_would_ask_now_is_held_against_what_was_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with diagnosed(get_model("offline:")) as incident:
        store = incident.mesh.runs.checkpointer.runs
        steps = dict(await store.steps(ANA, RunId(incident.run_id)))

        async def reworded(*_: object) -> dict[RunPath, JsonObject]:
            return {**steps, (): {**steps[()], "plan": _other(steps[()]["plan"])}}

        monkeypatch.setattr(store, "steps", reworded)
        document = await incident.replay()

    difference = document["difference"]
    assert isinstance(difference, dict)
    assert difference["what"] == "what it is asked"
    assert "checkout slowdown" in str(difference["recorded"])
    assert difference["replayed"] == "Have a look."


def _other(node: JsonValue) -> JsonValue:
    """Return the plan with another prompt in each of its calls."""
    if isinstance(node, list):
        return [*map(_other, node)]
    if not isinstance(node, dict):
        return node
    prompt: JsonObject = {"prompt": "Have a look."} if node.get("kind") == "call" else {}
    return {**{name: _other(value) for name, value in node.items()}, **prompt}
