"""A run carried out: its plan written down once, then walked; its end in log, answer and thread."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

import anyio
import pytest

from router_service.execute import execute_run, prepare_run
from router_service.routes import NO_HINTS, Chosen, Hints, Routes
from tests.router_service.house import ANA, House, house
from weft.bus import MemoryBus
from weft.catalog import Offers
from weft.checkpoint import Claimed, NewRun, Run, ThreadKey
from weft.checkpoint.memory import memory_checkpointer
from weft.core import (
    Authority,
    Deadline,
    JsonObject,
    Message,
    Principal,
    Result,
    new_id,
    new_run_id,
    text_of,
)
from weft.events import Acceptance, RunAccepted
from weft.loop import Peer, role_agents
from weft.models import ModelRequest, ModelResponse, get_model
from weft.runs import MESH_RUN, PLAN_STEP, Journal, RoutedRequest, RunOutcome, Runs, Worker
from weft.testing import FunctionModel, ScriptedOpenAIServer

QUESTION = "What is an SLO?"
NO_DATA = "No data was looked at for this answer."


def echo(request: ModelRequest) -> ModelResponse:
    said = " | ".join(each.content for each in request.messages if each.role != "system")
    return ModelResponse(message=Message.assistant(f"heard {said}"))


@dataclass
class Router:
    """A store, a worker that routes, and whoever asks."""

    runs: Runs
    mesh: House

    async def ask(self, thread: str = "th", **request: object) -> tuple[Run, list[str]]:
        """Return the run once it ended, and the types in its log."""
        made = new_run(request, thread)
        with anyio.fail_after(30):
            await self.runs.submit(made, on_busy="reject", own=True)
            seen = [each.type async for each in self.runs.follow(ANA, made.run_id)]
            return await self.runs.read(ANA, made.run_id), seen

    async def messages(self, thread: str = "th") -> list[str]:
        key = ThreadKey(ANA.tenant, ANA.subject, thread)
        found = await self.runs.checkpointer.threads.load(key)
        entries = found.entries if found is not None else ()
        return [Message.model_validate_json(each).content for each in entries]


def new_run(request: Mapping[str, object], thread: str = "th") -> NewRun:
    return NewRun(
        run_id=new_run_id(),
        authority=Authority(ANA, deadline=Deadline.after(60)),
        operation="run",
        idem_key=new_id(),
        body_hash="0" * 64,
        thread_id=thread,
        request=RoutedRequest.model_validate(request).to_json(),
        accepted=RunAccepted(data=Acceptance(subject=ANA.subject)),
    )


@asynccontextmanager
async def routing(
    builtin: Mapping[str, Peer], routes: Routes | None = None
) -> AsyncIterator[Router]:
    async with house(builtin) as mesh, aclosing(memory_checkpointer()) as checkpointer:
        runs = Runs(checkpointer, MemoryBus(), pool="router")
        routes = routes or Routes()
        execute = execute_run(checkpointer, mesh.peers, routes)
        worker = Worker(
            runs,
            execute,
            name="router/1",
            operations=(MESH_RUN,),
            prepare=prepare_run(mesh.peers, routes),
        )
        async with worker.working(), runs.listening():
            yield Router(runs, mesh)


def answer_of(run: Run) -> str:
    assert run.result is not None
    return text_of(Result.answer_in(run.result))


@pytest.mark.requirement("RT-32")
async def test_routing_is_in_the_log_before_the_first_step() -> None:
    async with routing(role_agents(FunctionModel(echo))) as router:
        run, log = await router.ask(input=QUESTION)

    assert run.status == "completed"
    first_step = log.index("plan.step.started")
    for kind in ("router.frame.extracted", "router.protocol.selected", "router.policy.verdict",
                 "router.runnable.compiled", "plan.compiled"):  # fmt: skip
        assert log.index(kind) < first_step
    assert log[-1] == "run.completed"


async def test_the_plan_is_in_the_commit_that_claims_the_run() -> None:
    routes = Counting()
    async with (
        house(role_agents(FunctionModel(echo))) as mesh,
        aclosing(memory_checkpointer()) as checkpointer,
    ):
        new = new_run({"input": QUESTION})
        await checkpointer.runs.accept(new, on_busy="reject")
        await mesh.peers.refresh()
        prepare = prepare_run(mesh.peers, routes)
        (taken,) = await checkpointer.runs.claim("router/1", (MESH_RUN,), limit=1, prepare=prepare)
        log = [event.type for event in taken.events]

        assert PLAN_STEP in taken.steps
        assert log[0] == "run.started"
        assert log.index("router.protocol.selected") < log.index("plan.compiled")
        assert prepare(taken.run) == prepare(taken.run)


async def test_a_run_that_no_peer_serves_yet_is_claimed_without_a_plan() -> None:
    async with house() as mesh:
        prepare = prepare_run(mesh.peers, Routes())
        async with aclosing(memory_checkpointer()) as checkpointer:
            new = new_run({"input": "Diagnose the checkout slowdown"})
            await checkpointer.runs.accept(new, on_busy="reject")
            (taken,) = await checkpointer.runs.claim(
                "router/1", (MESH_RUN,), limit=1, prepare=prepare
            )

    assert taken.steps == {}


async def test_no_plan_is_made_in_a_claim_while_somebody_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        house(role_agents(FunctionModel(echo))) as mesh,
        aclosing(memory_checkpointer()) as checkpointer,
    ):
        listed = mesh.catalog.snapshot
        monkeypatch.setattr(mesh.catalog, "snapshot", lambda: replace(listed(), arriving=True))
        await checkpointer.runs.accept(new_run({"input": QUESTION}), on_busy="reject")
        prepare = prepare_run(mesh.peers, Routes())
        (taken,) = await checkpointer.runs.claim("router/1", (MESH_RUN,), limit=1, prepare=prepare)

    assert taken.steps == {}


@pytest.mark.requirement("RT-32")
async def test_a_failed_routing_ends_the_run_with_its_reason_in_the_log() -> None:
    async with routing({}) as router:
        run, log = await router.ask(input="Diagnose the checkout slowdown")

    assert run.status == "failed"
    assert run.error is not None
    assert run.error["code"] == "no_capability"
    assert "router.frame.extracted" in log
    assert "router.protocol.no_match" in log
    assert "plan.step.started" not in log
    assert log[-1] == "run.failed"


async def test_a_question_is_answered_by_the_model_over_the_wire() -> None:
    async with ScriptedOpenAIServer(["A target for reliability."]) as server:
        model = get_model("openai:gpt-4o", base_url=server.base_url, api_key="k")
        async with aclosing(model), routing(role_agents(model)) as router:
            run, log = await router.ask(input=QUESTION)

    assert run.status == "completed"
    assert answer_of(run) == f"{NO_DATA}\n\nA target for reliability."
    assert "plan.step.finished" in log
    assert QUESTION in str(server.requests[0].body)


async def test_without_a_model_a_question_fails_and_says_how_to_set_one() -> None:
    async with routing(role_agents(get_model("offline:"))) as router:
        run, _ = await router.ask(input=QUESTION)

    assert run.status == "failed"
    assert run.error is not None
    assert run.error["code"] == "no_applicable_tool"
    assert "WEFT_MODEL" in str(run.error)


async def test_a_completed_run_writes_its_turn_and_the_next_one_hears_it() -> None:
    async with routing(role_agents(FunctionModel(echo))) as router:
        await router.ask(input=QUESTION)
        second, _ = await router.ask(input="Explain what you said")
        said = await router.messages()

    assert said[0] == QUESTION
    assert said[2] == "Explain what you said"
    assert len(said) == 4
    first = f"{NO_DATA}\n\nheard {QUESTION}"
    assert said[1] == first
    assert answer_of(second) == (f"{NO_DATA}\n\nheard {QUESTION} | {first} | Explain what you said")


async def test_a_failed_run_leaves_the_thread_as_it_was() -> None:
    async with routing({}) as router:
        await router.ask(input="Diagnose the checkout slowdown")
        assert await router.messages() == []


class Counting(Routes):
    """Counts what is chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.chosen = 0

    def choose(
        self,
        request: RoutedRequest,
        principal: Principal,
        known: Offers,
        hints: Hints = NO_HINTS,
    ) -> Chosen:
        self.chosen += 1
        return super().choose(request, principal, known, hints)


@pytest.mark.requirement("PLAN-10")
async def test_the_plan_is_written_down_once_and_adopted_by_the_next_owner() -> None:
    routes = Counting()
    plans: list[JsonObject] = []
    async with (
        house(role_agents(FunctionModel(echo))) as mesh,
        aclosing(memory_checkpointer()) as checkpointer,
    ):
        runs = Runs(checkpointer, MemoryBus(), pool="router")
        route = execute_run(checkpointer, mesh.peers, routes)

        async def twice(claimed: Claimed, journal: Journal) -> RunOutcome:
            """Walk the plan as the first owner would, then as one that comes after it."""
            await route(claimed, journal)
            plans.append(journal.steps[PLAN_STEP])
            outcome = await route(claimed, journal)
            plans.append(journal.steps[PLAN_STEP])
            return outcome

        async with (
            Worker(runs, twice, operations=(MESH_RUN,), name="r").working(),
            runs.listening(),
        ):
            run, log = await Router(runs, mesh).ask(input=QUESTION)

    assert run.status == "completed"
    assert routes.chosen == 1
    assert plans[0] == plans[1]
    assert log.count("plan.compiled") == 1
