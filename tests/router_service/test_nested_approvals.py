"""An approval that is needed three agents down: one question with one id, answered once, for one effect."""

from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.router_service.house import ANA
from tests.router_service.test_execute import new_run
from tests.router_service.test_grants import ANSWERS, GREETS, mesh_of, text_of
from weft.checkpoint import Run
from weft.core import (
    Authority,
    Deadline,
    Interrupt,
    JsonValue,
    Message,
    Result,
    ToolCall,
    approves,
)
from weft.events import Event
from weft.loop import Agent, Peer, PeerRun, Task
from weft.models import ModelRequest, ModelResponse, ModelUsage, get_model
from weft.testing import FunctionModel
from weft.tools import InterruptRaised, ToolContext, tool

ID = "7" * 32


def greeter(greeted: list[str], stopped: list[str] | None = None) -> Agent:
    """Return an agent that greets whom a person approved, or, given `stopped`, never comes to it."""

    @tool(labels={"read"})
    async def greet(customer: str, context: ToolContext) -> str:
        """Greet somebody by name."""
        if ID not in context.answers:
            raise InterruptRaised(Interrupt(id=ID, reason="approval", message=f"greet {customer}?"))
        if approves(context.answers[ID]) is not True:
            return "nobody was greeted"
        if stopped is not None:
            try:
                await anyio.sleep_forever()
            finally:
                stopped.append(customer)
        greeted.append(customer)
        return f"Hello, {customer}!"

    return Agent(get_model("offline:"), [greet], "You greet people.", name="greeter")


@dataclass
class Noting:
    """A peer that keeps what its own runs wait for."""

    peer: Peer
    waited: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.peer.name

    def start(self, task: Task) -> PeerRun:
        return Noted(self.peer.start(task), self.waited)


@dataclass
class Noted:
    run: PeerRun
    waited: list[str]

    def __aiter__(self) -> AsyncIterator[Event]:
        return aiter(self.run)

    def __await__(self) -> Generator[object, None, Result]:
        return self._result().__await__()

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        return await self.run.cancel(reason, grace_s=grace_s)

    async def _result(self) -> Result:
        result = await self.run
        self.waited += [question.id for question in result.interrupts]
        return result


@pytest.mark.requirement("GW-28")
@pytest.mark.parametrize(("yes", "said"), [(True, "Hello, Ada!"), (False, "nobody was greeted")])
async def test_an_approval_three_agents_down_is_the_runs_with_the_id_it_was_raised_with(
    *, yes: bool, said: str
) -> None:
    greeted: list[str] = []
    deepest = Noting(greeter(greeted))
    between = Agent(get_model("offline:"), name="generalist")
    async with mesh_of(get_model("offline:"), (GREETS, deepest), (ANSWERS, between)) as mesh:
        made = new_run({"input": "Greet customer=Ada"})
        with anyio.fail_after(15):
            await mesh.runs.submit(made, on_busy="reject", own=True)
            parked = await mesh.runs.wait(ANA, made.run_id, seconds=10)
            before = list(greeted)
            await mesh.runs.resume(ANA, made.run_id, {ID: {"approved": yes}})
            run = await mesh.runs.wait(ANA, made.run_id, seconds=10)

    assert parked.status == "interrupted"
    [question] = parked.interrupts
    assert (question.id, question.reason, question.agent) == (ID, "approval", "greeter")
    assert deepest.waited == [ID]
    assert before == []
    assert run.status == "completed", run.error
    assert said in text_of(run)
    assert greeted == (["Ada"] if yes else [])


COST = ModelUsage(total_tokens=10)


def decide(request: ModelRequest) -> ModelResponse:
    """Greet Ada once, and say what came of it."""
    answered = any(message.role == "tool" for message in request.messages)
    call = ToolCall(id="call_1", name="greet", arguments={"customer": "Ada"})
    said = Message.assistant("Greeted.") if answered else Message.assistant(tool_calls=(call,))
    return ModelResponse(message=said, usage=COST)


def thinking(greeted: list[str], stopped: list[str] | None = None) -> Agent:
    tools = greeter(greeted, stopped).tools
    return Agent(FunctionModel(decide), tools, "You greet people.", name="greeter")


def used(run: Run) -> tuple[object, object]:
    usage: Any = (run.result or {}).get("usage")
    return usage["total_tokens"], usage["model_calls"]


@pytest.mark.requirement("A2A-68")
async def test_what_an_agent_elsewhere_spent_comes_up_while_it_waits_and_once_when_it_ended() -> (
    None
):
    async with mesh_of(get_model("offline:"), (GREETS, thinking([]))) as mesh:
        made = new_run({"input": "Greet customer=Ada", "agent": "greeter"})
        with anyio.fail_after(15):
            await mesh.runs.submit(made, on_busy="reject", own=True)
            parked = await mesh.runs.wait(ANA, made.run_id, seconds=10)
            await mesh.runs.resume(ANA, made.run_id, {ID: {"approved": True}})
            ended = await mesh.runs.wait(ANA, made.run_id, seconds=10)

    assert (parked.status, used(parked)) == ("interrupted", (10, 1))
    assert (ended.status, used(ended)) == ("completed", (20, 2))


@pytest.mark.parametrize("at", ["wait", "work"])
async def test_a_run_that_is_cancelled_says_what_was_spent_on_it(at: str) -> None:
    stopped: list[str] = []
    async with mesh_of(get_model("offline:"), (GREETS, thinking([], stopped))) as mesh:
        made = new_run({"input": "Greet customer=Ada", "agent": "greeter"})
        with anyio.fail_after(15):
            await mesh.runs.submit(made, on_busy="reject", own=True)
            await mesh.runs.wait(ANA, made.run_id, seconds=10)
            if at == "work":
                await mesh.runs.resume(ANA, made.run_id, {ID: {"approved": True}})
                resumed = False
                async for event in mesh.runs.follow(ANA, made.run_id):
                    resumed = resumed or event.type == "run.resumed"
                    if resumed and event.type == "agent.tool.started":
                        break
            run = await mesh.runs.cancel(ANA, made.run_id, reason="enough", wait_s=10)

    assert (run.status, used(run)) == ("canceled", (10, 1))


@pytest.mark.requirement("GW-16")
async def test_when_its_time_is_over_a_run_ends_and_so_does_what_it_had_begun_elsewhere() -> None:
    greeted: list[str] = []
    stopped: list[str] = []
    between = Agent(get_model("offline:"), name="generalist")
    agents = ((GREETS, greeter(greeted, stopped)), (ANSWERS, between))
    async with mesh_of(get_model("offline:"), *agents) as mesh:
        made = new_run({"input": "Greet customer=Ada"})
        made = replace(made, authority=Authority(ANA, deadline=Deadline.after(4)))
        with anyio.fail_after(18):
            await mesh.runs.submit(made, on_busy="reject", own=True)
            await mesh.runs.wait(ANA, made.run_id, seconds=10)
            await mesh.runs.resume(ANA, made.run_id, {ID: {"approved": True}})
            run = await mesh.runs.wait(ANA, made.run_id, seconds=10)
            while not stopped:
                await anyio.lowlevel.checkpoint()

    assert run.status == "expired", (run.error, run.result)
    assert (greeted, stopped) == ([], ["Ada"])
