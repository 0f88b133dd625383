"""Each protocol over the router, its role agents and specialists, with a model on the wire and without."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest

from router_service.execute import execute_run
from router_service.routes import Routes
from tests.libs.plan.doubles import FakePeer
from tests.router_service.house import ANA, house
from tests.router_service.test_execute import new_run
from tests.router_service.test_grants import served
from weft.a2a import Skill
from weft.bus import MemoryBus
from weft.checkpoint import Run
from weft.checkpoint.memory import memory_checkpointer
from weft.core import JsonObject, Result
from weft.loop import Agent, Peer, role_agents
from weft.models import Model, get_model
from weft.routing import BUILTINS, GoalFrame
from weft.runs import MESH_RUN, Runs, Worker
from weft.testing import ScriptedOpenAIServer
from weft.testing.openai_script import When, WireReply

pytestmark = pytest.mark.timeout(60)
PLANS, CARRIES_OUT, CHECKS = "You plan work", "You carry out", "You check somebody"
ARGUES, DECIDES, CODES = "You argue", "You decide between", "You write code"
FIRST, SECOND = "You measure first.", "You look second."
Specialist = tuple[Skill, Peer]


def skill(name: str, *tags: str) -> Skill:
    return Skill(id=name, name=name, description=f"Does {name}.", tags=("effects:none", *tags))


def says(role: str, text: str | JsonObject) -> WireReply:
    words = text if isinstance(text, str) else json.dumps(text)
    return WireReply(text=words, when=When(contains=role))


def verdict(choice: str, reasons: str = "") -> JsonObject:
    return {"choice": choice, "reasons": reasons}


def position(words: str, *, abstained: bool = False) -> JsonObject:
    return {"position": words, "abstained": abstained}


@asynccontextmanager
async def mesh(model: Model, specialists: Sequence[Specialist] = ()) -> AsyncIterator[Runs]:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(house(role_agents(model)))
        store = await stack.enter_async_context(aclosing(memory_checkpointer()))
        for offered, peer in specialists:
            await stack.enter_async_context(served(members, offered, peer))
        runs = Runs(store, MemoryBus(), pool="router")
        execute = execute_run(store, members.peers, Routes())
        worker = Worker(runs, execute, name="router/1", operations=(MESH_RUN,))
        await stack.enter_async_context(worker.working())
        await stack.enter_async_context(runs.listening())
        yield runs


async def ended(runs: Runs, goal: str, **request: object) -> tuple[Run, Result]:
    """Return a run once it ended or waits, with the protocol that its goal is for."""
    frame = GoalFrame.model_validate({"primary_goal": goal, **dict(request)}).to_json()
    made = new_run({"input": "Compare, plan and mend the till", "goal": frame})
    with anyio.fail_after(30):
        await runs.submit(made, on_busy="reject", own=True)
        async for event in runs.follow(ANA, made.run_id):
            if event.type == "run.interrupted":
                break
        run = await runs.read(ANA, made.run_id)
    return run, Result.model_validate(run.result) if run.result else Result(status="interrupted")


@asynccontextmanager
async def scripted(*script: WireReply) -> AsyncIterator[tuple[Model, list[Any]]]:
    """Yield a model behind the wire, and what it is asked."""
    async with ScriptedOpenAIServer(script) as server:
        model = get_model("openai:scripted", base_url=server.base_url, api_key="k")
        async with aclosing(model):
            yield model, server.requests


def spoken(requests: Sequence[Any], role: str) -> list[str]:
    """Return the prompts that one role was given."""
    return [
        str(request.body["messages"][1]["content"])
        for request in requests
        if role in str(request.body["messages"][0])
    ]


async def test_one_peer_answers() -> None:
    async with scripted(says("You answer", "It is 42.")) as (model, _), mesh(model) as runs:
        run, result = await ended(runs, "answer")

    assert (run.status, result.text.splitlines()[-1]) == ("completed", "It is 42.")
    assert result.usage.model_calls == 1


@pytest.mark.requirement("RT-21")
async def test_a_plan_is_carried_out_checked_and_carried_out_again() -> None:
    script = (
        says(PLANS, "1. weigh 2. mend"),
        says(CARRIES_OUT, "a draft"),
        says(CHECKS, "no form of a verdict"),
        says(CHECKS, verdict("fail", "the scales are missing")),
        says(CARRIES_OUT, "a draft with scales"),
        says(CHECKS, verdict("pass")),
    )
    async with scripted(*script) as (model, requests), mesh(model) as runs:
        run, result = await ended(runs, "build", complexity="medium")

    tries = spoken(requests, CARRIES_OUT)
    assert (run.status, result.text) == ("completed", "a draft with scales")
    assert result.verdict is not None
    assert result.verdict.choice == "pass"
    assert "1. weigh 2. mend" in tries[0]
    assert "the scales are missing" in tries[1]
    # The plan, two drafts, two checks, and one verdict that went back for its form.
    assert result.usage.model_calls == len(script)


@pytest.mark.requirement("PROTO-7")
@pytest.mark.parametrize("abstained", [False, True])
async def test_a_debate_is_decided_unless_a_side_abstains(abstained: bool) -> None:  # noqa: FBT001
    script = (
        says("Argue for it", position("it is faster")),
        says("Argue against it", position("it is dear", abstained=abstained)),
        says(DECIDES, verdict("a", "speed counts")),
    )
    async with scripted(*script) as (model, requests), mesh(model) as runs:
        run, result = await ended(runs, "compare")

    decided = spoken(requests, DECIDES)
    if abstained:
        assert (run.status, decided) == ("failed", [])
        assert "both sides must argue" in result.reasons[0].message
    else:
        assert (run.status, result.verdict and result.verdict.choice) == ("completed", "a")
        assert all(words in decided[0] for words in ("it is faster", "it is dear"))


@pytest.mark.requirement("OUT-1")
async def test_a_form_reaches_whoever_answers_elsewhere_and_is_mended_there() -> None:
    script = (
        says("Argue for it", "It is faster, obviously."),
        says("Argue for it", position("it is faster")),
        says("Argue against it", position("it is dear")),
        says(DECIDES, verdict("b")),
    )
    async with scripted(*script) as (model, requests):
        debater = Agent(model, system_prompt="You debate for a living.", name="debater")
        async with mesh(model, [(skill("debate", "role:argue"), debater)]) as runs:
            run, result = await ended(runs, "compare")

    assert (run.status, result.verdict and result.verdict.choice) == ("completed", "b")
    assert len(spoken(requests, "You debate for a living.")) == 3
    assert "it is faster" in spoken(requests, DECIDES)[0]
    assert result.usage.model_calls == len(script)


async def test_who_knows_no_forms_and_says_none_fails_the_step() -> None:
    stranger = FakePeer("stranger", [Result(status="completed", text="It is faster.")])
    async with (
        scripted() as (model, requests),
        mesh(model, [(skill("debate", "role:argue"), stranger)]) as runs,
    ):
        run, result = await ended(runs, "compare")

    assert run.status == "failed"
    assert "output_invalid" in {reason.code for reason in result.reasons}
    assert requests == []


@pytest.mark.requirement("PROTO-9")
async def test_each_link_of_a_chain_sees_all_that_was_said_and_done_before() -> None:
    script = (says(FIRST, "the first weighs 3 kg"), says(SECOND, "the second agrees"))
    async with scripted(*script) as (model, requests):
        chain = [
            (skill("a_scale", "measure"), Agent(model, system_prompt=FIRST, name="scale")),
            (skill("b_look", "look"), Agent(model, system_prompt=SECOND, name="looker")),
        ]
        async with mesh(model, chain) as runs:
            run, result = await ended(
                runs, "coordinate", required_capabilities=["scale/a_scale", "looker/b_look"]
            )

    assert (run.status, result.text) == ("completed", "the second agrees")
    assert "the first weighs 3 kg" in spoken(requests, SECOND)[0]


@pytest.mark.requirement("PROTO-4")
async def test_code_is_written_until_a_recorded_test_passes_whatever_is_claimed() -> None:
    script = (
        says(CODES, "all tests passed"),
        says(CODES, "return a + b"),
        says(CHECKS, verdict("pass")),
    )
    tester = FakePeer(
        "tester",
        [
            Result(status="completed", text="1 failed: add", data={"passed": False}),
            Result(status="completed", text="1 passed", data={"passed": True}),
        ],
    )
    async with (
        scripted(*script) as (model, requests),
        mesh(model, [(skill("run_tests", "role:test"), tester)]) as runs,
    ):
        run, result = await ended(runs, "generate_code", complexity="medium")

    tries = spoken(requests, CODES)
    assert run.status == "completed"
    assert [len(tester.tasks), len(tries), len(spoken(requests, CHECKS))] == [2, 2, 1]
    assert "1 failed: add" in tries[1]
    assert result.verdict is not None
    assert result.verdict.choice == "pass"


@pytest.mark.requirement("PROTO-8")
async def test_what_repairs_is_proposed_and_waits_before_anything_is_done() -> None:
    async with (
        scripted(says(PLANS, "restart the till")) as (model, requests),
        mesh(model) as runs,
    ):
        run, _ = await ended(runs, "remediate", complexity="medium")

    assert run.status == "interrupted"
    assert [interrupt.reason for interrupt in run.interrupts] == ["approval"]
    assert "restart the till" in json.dumps(run.interrupts[0].to_json())
    assert len(requests) == 1


async def test_a_fan_out_asks_everybody_and_reports_who_gave_nothing() -> None:
    seen = Result(status="completed", text="seen", claims=(), data={"claims": []})
    lost = Result.failed("peer_failed", "the scale is broken")
    both = [
        (skill("a_scale", "diagnose"), FakePeer("scale", [lost])),
        (skill("b_look", "diagnose"), FakePeer("looker", [seen])),
    ]
    async with scripted() as (model, _), mesh(model, both) as runs:
        run, result = await ended(runs, "diagnose")

    assert run.status == "completed"
    assert result.partial
    assert "the scale is broken" in result.text


async def test_who_would_delegate_without_a_delegate_is_told_so() -> None:
    async with scripted() as (model, requests), mesh(model) as runs:
        made = new_run({"input": "Hand it over", "protocol": "a2a_delegate"})
        with anyio.fail_after(20):
            await runs.submit(made, on_busy="reject", own=True)
            async for _ in runs.follow(ANA, made.run_id):
                pass
        result = Result.model_validate((await runs.read(ANA, made.run_id)).result)

    assert (result.status, result.reasons[0].code) == ("failed", "no_capability")
    assert "a2a_peer" in result.reasons[0].message
    assert requests == []


@pytest.mark.requirement("RT-36")
@pytest.mark.parametrize("protocol", sorted({each.id for each in BUILTINS} - {"a2a_delegate"}))
async def test_without_a_model_each_protocol_brings_a_result_or_says_why_not(protocol: str) -> None:
    silent = Result.failed("peer_failed", "nothing to see")
    looker = (skill("look", "diagnose"), FakePeer("looker", [silent]))
    goals = {
        "direct_response": "answer",
        "plan_execute_validate": "build",
        "specialist_fanout": "diagnose",
        "debate": "compare",
        "codegen_test_validate": "generate_code",
        "approval_gated_execution": "remediate",
        "handoff_chain": "coordinate",
    }
    async with mesh(get_model("offline:"), [looker]) as runs:
        run, result = await ended(runs, goals[protocol])

    assert run.status == "failed", result
    assert result.reasons
    assert all(reason.message for reason in result.reasons)
    if protocol not in ("specialist_fanout", "handoff_chain"):
        said = " ".join([result.text, *(reason.message for reason in result.reasons)])
        assert "language model" in said
