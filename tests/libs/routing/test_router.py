"""A request over tools and agents of one process, from its words to what came of it."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from tests.conftest import ROOT
from tests.libs.plan.doubles import FakePeer
from weft.core import Interrupt, JsonObject, Principal, Result
from weft.core.errors import InputError, RunFailedError
from weft.core.protocol_errors import PeerUnavailableError
from weft.loop import Agent
from weft.models import ModelRequest
from weft.plan import Target
from weft.routing import (
    CapabilityIndex,
    CognitiveCompiler,
    Extraction,
    FrameExtractionError,
    NoMatchingProtocolError,
    PolicyDeniedError,
    PolicyGate,
    Router,
    TaskType,
)
from weft.routing.frame import Level
from weft.routing.local_peers import LocalPeers
from weft.testing.models import FunctionModel, ScriptedModel, call
from weft.tools import Tool, tool


@tool(labels={"read"})
async def population(city: str) -> int:
    """Say how many people live in a city."""
    return {"Turin": 850_000}.get(city, 0)


@tool
async def reboot(host: str) -> str:
    """Reboot a host."""
    return f"{host} is up again"


def router(model: FunctionModel | ScriptedModel, *tools: Tool, **roles: str) -> Router:
    peers = {role: Agent(ScriptedModel([words]), name=role) for role, words in roles.items()}
    return Router(model, tools=tools, roles={"answer": Agent(model, name="speaker"), **peers})


@pytest.mark.requirement("RT-25")
async def test_tools_and_a_model_suffice() -> None:
    # The speaker uses its grant; the tool's own agent calls it, and says what came.
    model = ScriptedModel(
        [
            call("population", task="of Turin"),
            call("population", city="Turin"),
            "850000",
            "Some 850,000 people live in Turin.",
        ]
    )

    done = await router(model, population).dispatch("How many people live in Turin?")

    assert (done.status, done.text) == ("completed", "Some 850,000 people live in Turin.")
    assert (done.protocol_id, done.frame.primary_goal) == ("direct_response", TaskType.ANSWER)
    assert (done.partial, done.interrupts, done.report, done.parsed) == (False, (), None, None)
    assert done.usage.model_calls == 4
    model.assert_exhausted()


@pytest.mark.requirement("RT-25")
async def test_a_fan_out_over_tools_says_what_each_brought() -> None:
    model = FunctionModel(lambda _: "nothing to see")
    named: JsonObject = {"required_capabilities": ["population"], "primary_goal": "diagnose"}

    done = await router(model, population).dispatch("Diagnose Turin", frame=named)

    assert done.protocol_id == "specialist_fanout"
    assert done.report is not None
    assert done.report.summary == done.text


@pytest.mark.requirement("RT-26")
async def test_what_cannot_be_done_is_raised() -> None:
    gate = PolicyGate(denied_protocols=("direct_response",))
    index = CapabilityIndex(tools=[population.spec])
    model = ScriptedModel([])
    denying = Router(model, tools=[population], compiler=CognitiveCompiler(index, policy=gate))

    with pytest.raises(FrameExtractionError, match="empty"):
        await router(model).dispatch("  ")
    with pytest.raises(NoMatchingProtocolError, match="diagnose"):
        await router(model).dispatch("Diagnose the slowdown")
    with pytest.raises(PolicyDeniedError, match="direct_response is denied"):
        await denying.dispatch("How many people live in Turin?")


@pytest.mark.requirement("RT-26")
async def test_a_run_that_fails_raises_with_what_it_came_to() -> None:
    model = FunctionModel(lambda _: "")

    with pytest.raises(RunFailedError) as raised:
        await router(model).dispatch("How many people live in Turin?")

    assert isinstance(raised.value.result, Result)
    assert raised.value.result.reasons
    assert raised.value.result.reasons[0].code in str(raised.value)


def test_who_is_not_there_is_said_with_the_remedy() -> None:
    peers = LocalPeers(ScriptedModel([]), (), {}, CapabilityIndex())

    with pytest.raises(PeerUnavailableError, match="plays the role 'test': give the router one"):
        peers.pick(Target(role="test"), Principal(tenant="t", subject="ana"))
    with pytest.raises(PeerUnavailableError, match="nothing in this process serves 'x'"):
        peers.pick(Target(capability="x", role="answer"), Principal(tenant="t", subject="ana"))


@pytest.mark.requirement("RT-26")
async def test_a_question_to_people_is_no_failure() -> None:
    asked = Interrupt(id="which", reason="question", message="Which Turin?")
    waiting = FakePeer("asking", [Result(status="interrupted", interrupts=(asked,))])
    asking = Router(ScriptedModel([]), roles={"answer": waiting})

    done = await asking.dispatch("How many people live in Turin?")

    assert done.status == "interrupted"
    assert [question.message for question in done.interrupts] == ["Which Turin?"]


@pytest.mark.requirement("RT-27")
@pytest.mark.parametrize("approved", [True, False])
async def test_a_gate_asks_in_place(*, approved: bool) -> None:
    asked: list[Interrupt] = []

    async def approve(question: Interrupt) -> bool:
        asked.append(question)
        return approved

    model = FunctionModel(lambda _: "ok")
    peers = {role: Agent(model, name=role) for role in ("plan", "execute")}
    peers["validate"] = Agent(FunctionModel(lambda _: '{"choice": "pass"}'), name="validate")
    over = Router(model, tools=[reboot], roles=peers, on_approval=approve)
    frame: JsonObject = {"primary_goal": "remediate", "risk": "low"}

    if approved:
        assert (await over.dispatch("Reboot db1", frame=frame)).status == "completed"
    else:
        with pytest.raises(RunFailedError, match="approval_refused"):
            await over.dispatch("Reboot db1", frame=frame)
    assert [question.reason for question in asked] == ["approval"]


@pytest.mark.requirement("RT-28")
async def test_dispatches_at_once_share_a_model_and_leave_it_open() -> None:
    class Shared(FunctionModel):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1

    everybody_asks = asyncio.Barrier(5)

    async def answer(_: ModelRequest) -> str:
        await everybody_asks.wait()
        return "yes"

    model = Shared(answer)
    over = router(model, population)

    with anyio.fail_after(30):
        done = await asyncio.gather(*(over.dispatch("Is Turin large?") for _ in range(5)))

    assert [result.text for result in done] == ["yes"] * 5
    assert (model.closed, len(model.requests)) == (0, 5)


async def test_what_the_caller_knows_is_taken_and_seen_before_anything_is_done() -> None:
    seen: list[Extraction] = []
    over = Router(
        ScriptedModel(["Turin"]),
        roles={"answer": Agent(ScriptedModel(["Turin"]))},
        on_frame=seen.append,
    )

    done = await over.dispatch("Which city?", frame={"primary_goal": "explain", "risk": "low"})

    assert done.frame.primary_goal is TaskType.EXPLAIN
    assert [extraction.frame for extraction in seen] == [done.frame]


async def test_explaining_does_nothing_and_equals_what_is_done() -> None:
    model = ScriptedModel(["yes"])
    over = router(model, population)

    explained = over.explain("Is Turin large?")
    done = await over.dispatch("Is Turin large?")

    assert explained.parts[0].selected_protocol == done.protocol_id
    assert explained.goal_frame == done.frame
    assert model.requests


def test_more_is_said_of_a_tool_than_it_says_of_itself() -> None:
    index = CapabilityIndex(tools=[population.spec, reboot.spec])

    named = index.annotate("reboot", id="host.reboot", domain="infrastructure", risk="high")

    [found] = named.lookup(["host.reboot"]).capabilities
    assert (found.tool_name, found.risk) == ("reboot", Level.HIGH)
    assert named.domains() == {"infrastructure"}
    assert "reboot" in index.ids()
    with pytest.raises(InputError, match=r"there is no tool 'rebot'.*reboot"):
        index.annotate("rebot", risk="low")


async def test_a_described_tool_is_called_by_its_new_name() -> None:
    model = ScriptedModel(
        [call("city_size", task="Turin"), call("population", city="Turin"), "850000", "Large."]
    )
    index = CapabilityIndex(tools=[population.spec]).annotate("population", id="city.size")
    over = Router(
        model,
        tools=[population],
        roles={"answer": Agent(model)},
        compiler=CognitiveCompiler(index),
    )

    assert (await over.dispatch("Is Turin large?")).text == "Large."


@pytest.mark.timeout(60)
def test_the_router_of_the_readme_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (program,) = (block for block in blocks if "CognitiveCompiler" in block)
    (tmp_path / "program.py").write_text(program)
    paths = os.pathsep.join((str(ROOT / "libs"), str(ROOT / "proto")))

    said = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths, "WEFT_MODEL": "offline:"},
        capture_output=True, text=True, timeout=50, check=True,
    ).stdout  # fmt: skip

    assert said.startswith("direct_response\ncompleted ")
    assert "850000" in said
