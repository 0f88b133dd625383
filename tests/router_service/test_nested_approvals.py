"""An approval that is needed three agents down: one question with one id, answered once, for one effect."""

from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, field, replace

import anyio
import anyio.lowlevel
import pytest

from tests.router_service.house import ANA
from tests.router_service.test_execute import new_run
from tests.router_service.test_grants import ANSWERS, GREETS, mesh_of, text_of
from weft.core import Authority, Deadline, Interrupt, JsonValue, Result, approves
from weft.events import Event
from weft.loop import Agent, Peer, PeerRun, Task
from weft.models import get_model
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
