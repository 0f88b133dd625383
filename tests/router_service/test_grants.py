"""The tools of the role agents: what a call was granted, over A2A, with a model and without."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from router_service.execute import execute_run
from router_service.routes import Routes
from tests.libs.a2a.harness import bound_socket, serving
from tests.router_service.house import ANA, ROUTER_KEY, House, house
from tests.router_service.test_execute import new_run
from weft.a2a import Card, Skill
from weft.a2a.server import A2AServer, execute_task, replay_task
from weft.bus import MemoryBus
from weft.checkpoint import Run
from weft.checkpoint.memory import memory_checkpointer
from weft.core import JsonObject, Result
from weft.events import Envelope
from weft.identity import Trust, Verifier
from weft.loop import Agent, Peer, role_agents
from weft.models import Model, get_model
from weft.runs import A2A_SEND, MESH_RUN, Runs, Worker
from weft.testing import ScriptedOpenAIServer
from weft.testing.openai_script import When, WireCall, WireReply
from weft.tools import tool
from weft.tools.builtin import ask_user

GREETS = Skill(
    id="greet",
    name="Greet",
    description="Greets people.",
    tags=("domain:social", "effects:none"),
    examples=("Greet Ada",),
)
ANSWERS = Skill(
    id="reply", name="Reply", description="Answers.", tags=("role:answer", "effects:none")
)
PAYS = Skill(id="pay", name="Pay", description="Pays an order.", tags=("general",))


@tool(labels={"read"})
async def greet(customer: str = "world") -> str:
    """Greet somebody by name."""
    return f"Hello, {customer}!"


@dataclass
class Mesh:
    """A router's runs, with specialists behind real sockets."""

    runs: Runs
    members: House

    async def ask(self, text: str) -> tuple[Run, list[Envelope]]:
        made = new_run({"input": text})
        with anyio.fail_after(10):
            await self.runs.submit(made, on_busy="reject", own=True)
            log = [event async for event in self.runs.follow(ANA, made.run_id)]
            return await self.runs.read(ANA, made.run_id), log


@asynccontextmanager
async def mesh_of(model: Model, *specialists: tuple[Skill, Peer]) -> AsyncIterator[Mesh]:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(house(role_agents(model)))
        store = await stack.enter_async_context(aclosing(memory_checkpointer()))
        runs = Runs(store, MemoryBus(), pool="router")
        mesh = Mesh(runs, members)
        for skill, peer in specialists:
            await stack.enter_async_context(served(members, skill, peer))
        worker = Worker(
            runs,
            execute_run(store, members.peers, Routes()),
            name="router/1",
            operations=(MESH_RUN,),
        )
        await stack.enter_async_context(worker.working())
        await stack.enter_async_context(runs.listening())
        yield mesh


@asynccontextmanager
async def served(members: House, skill: Skill, peer: Peer) -> AsyncIterator[None]:
    bound = bound_socket()
    url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(aclosing(memory_checkpointer()))
        runs = Runs(store, MemoryBus(), pool=peer.name)
        await stack.enter_async_context(runs.listening())
        worker = Worker(runs, execute_task(peer), name=f"{peer.name}/1", operations=(A2A_SEND,))
        await stack.enter_async_context(worker.working())
        verifier = Verifier(Trust((ROUTER_KEY.trusted(),)), audience=peer.name)
        card = Card(name=peer.name, description=peer.name, skills=(skill,))
        server = A2AServer(card, runs, url=url, authenticator=verifier, replays=replay_task(peer))
        await stack.enter_async_context(serving(server.app(), bound))
        await members.joins(peer.name, skill, url=url)
        yield


def offline(*tools: object, name: str) -> Agent:
    return Agent(get_model("offline:"), tools, "You greet people.", name=name)  # type: ignore[arg-type]


def text_of(run: Run) -> str:
    assert run.result is not None, run
    return Result.model_validate(run.result).text


def steps(log: list[Envelope]) -> list[tuple[str, tuple[str, ...], object]]:
    return [
        (event.type, event.path, event.data.get("peer"))
        for event in log
        if event.type in {"plan.step.started", "plan.step.finished"}
    ]


async def test_offline_an_eligible_skill_is_reached_by_its_own_words() -> None:
    async with mesh_of(get_model("offline:"), (GREETS, offline(greet, name="greeter"))) as mesh:
        run, log = await mesh.ask("Greet customer=Ada")

    assert run.status == "completed", run.error
    assert "Hello, Ada!" in text_of(run)
    assert steps(log) == [
        ("plan.step.started", ("answer",), "builtin_answer"),
        ("plan.step.started", ("answer", "call_1"), "greeter"),
        ("plan.step.finished", ("answer", "call_1"), "greeter"),
        ("plan.step.finished", ("answer",), "builtin_answer"),
    ]


@asynccontextmanager
async def scripted(*script: WireReply) -> AsyncIterator[tuple[ScriptedOpenAIServer, Model]]:
    async with ScriptedOpenAIServer(script) as server:
        model = get_model("openai:scripted", api_key="k", base_url=server.base_url)
        async with aclosing(model):
            yield server, model


def said(when: str, *, text: str = "", **calls: JsonObject) -> WireReply:
    made = tuple(WireCall(name=name, arguments=arguments) for name, arguments in calls.items())
    return WireReply(text=text, calls=made, when=When(last_contains=when), repeat=True)


@pytest.mark.requirement("DIAG-31")
async def test_a_model_uses_what_is_eligible_and_can_reach_nothing_else() -> None:
    script = (
        said("Welcome", greet={"task": "Greet customer=Ada"}, pay={"task": "everything"}),
        said("unknown tool 'pay'", text="Ada was greeted: Hello, Ada!"),
    )
    paying = offline(greet, name="payer")
    async with (
        scripted(*script) as (server, model),
        mesh_of(model, (GREETS, offline(greet, name="greeter")), (PAYS, paying)) as mesh,
    ):
        run, log = await mesh.ask("Welcome our new customer")

    bodies: list[Any] = [request.body for request in server.requests]
    results = [each["content"] for each in bodies[1]["messages"] if each["role"] == "tool"]
    assert text_of(run) == "Ada was greeted: Hello, Ada!"
    assert [each["function"]["name"] for each in bodies[0]["tools"]] == ["greet"]
    assert "Hello, Ada!" in results[0]
    assert "unknown tool 'pay'" in results[1]
    assert {peer for _, _, peer in steps(log)} == {"builtin_answer", "greeter"}


async def test_a_specialists_question_parks_the_run_and_its_answer_reaches_the_specialist() -> None:
    script = (
        said("Welcome", greet={"task": "Greet the new customer"}),
        said("Grace", text="Greeted: Hello, Grace!"),
    )
    greeter_script = (
        said("Greet the new customer", ask_user={"question": "Who is it?"}),
        said("Grace", text="Hello, Grace!"),
    )
    async with (
        scripted(*script) as (_, model),
        scripted(*greeter_script) as (_, asking),
        mesh_of(model, (GREETS, Agent(asking, [greet, ask_user], name="greeter"))) as mesh,
    ):
        made = new_run({"input": "Welcome our new customer"})
        with anyio.fail_after(10):
            await mesh.runs.submit(made, on_busy="reject", own=True)
            parked = await mesh.runs.wait(ANA, made.run_id, seconds=8)
            [asked] = parked.interrupts
            await mesh.runs.resume(ANA, made.run_id, {asked.id: "Grace"})
            run = await mesh.runs.wait(ANA, made.run_id, seconds=8)

    assert (asked.message, asked.agent, asked.path[0]) == ("Who is it?", "greeter", "answer")
    assert text_of(run) == "Greeted: Hello, Grace!"


async def test_a_role_that_is_played_elsewhere_uses_its_grants_through_its_caller() -> None:
    generalist = Agent(get_model("offline:"), name="generalist")
    async with mesh_of(
        get_model("offline:"), (GREETS, offline(greet, name="greeter")), (ANSWERS, generalist)
    ) as mesh:
        run, log = await mesh.ask("Greet customer=Ada")

    assert run.status == "completed", run.error
    assert "Hello, Ada!" in text_of(run)
    started = [(path, peer) for kind, path, peer in steps(log) if kind == "plan.step.started"]
    assert [peer for _, peer in started] == ["generalist", "greeter"]
    assert started[1][0][0] == "answer"
    assert "run.interrupted" not in {event.type for event in log}


async def test_a_model_elsewhere_is_told_its_grants_and_reaches_nothing_else() -> None:
    script = (
        said("Welcome", greet={"task": "Greet customer=Ada"}),
        said("Hello, Ada!", pay={"task": "everything"}),
        said("unknown tool", text="Greeted, not paid."),
    )
    async with (
        scripted(*script) as (server, model),
        mesh_of(
            get_model("offline:"),
            (GREETS, offline(greet, name="greeter")),
            (PAYS, offline(greet, name="payer")),
            (ANSWERS, Agent(model, name="generalist")),
        ) as mesh,
    ):
        run, log = await mesh.ask("Welcome our new customer")

    bodies: list[Any] = [request.body for request in server.requests]
    assert [each["function"]["name"] for each in bodies[0]["tools"]] == ["greet"]
    assert bodies[0]["tools"][0]["function"]["description"] == "Greets people."
    assert text_of(run) == "Greeted, not paid."
    assert {peer for _, _, peer in steps(log)} == {"generalist", "greeter"}


async def test_a_question_below_a_role_played_elsewhere_is_the_runs_and_is_answered_once() -> None:
    script = (
        said("Welcome", greet={"task": "Greet the new customer"}),
        said("Grace", text="Greeted: Hello, Grace!"),
    )
    greeter_script = (
        said("Greet the new customer", ask_user={"question": "Who is it?"}),
        said("Grace", text="Hello, Grace!"),
    )
    async with (
        scripted(*script) as (server, model),
        scripted(*greeter_script) as (_, asking),
        mesh_of(
            get_model("offline:"),
            (GREETS, Agent(asking, [greet, ask_user], name="greeter")),
            (ANSWERS, Agent(model, name="generalist")),
        ) as mesh,
    ):
        made = new_run({"input": "Welcome our new customer"})
        with anyio.fail_after(10):
            await mesh.runs.submit(made, on_busy="reject", own=True)
            parked = await mesh.runs.wait(ANA, made.run_id, seconds=8)
            [asked] = parked.interrupts
            await mesh.runs.resume(ANA, made.run_id, {asked.id: "Grace"})
            run = await mesh.runs.wait(ANA, made.run_id, seconds=8)

    assert (asked.reason, asked.message, asked.agent) == ("question", "Who is it?", "greeter")
    assert text_of(run) == "Greeted: Hello, Grace!"
    assert len(server.requests) == 2
