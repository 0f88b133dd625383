"""Cancelling a task cancels what it had others do, three hops down, and nobody thinks on."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from tests.libs.a2a.harness import Mesh, Served, a_task, agent, calling
from weft.a2a.client import A2AClient
from weft.checkpoint import RunStatus
from weft.core import JsonObject, JsonValue, Principal
from weft.loop import Agent, PeerRun
from weft.loop.subagent import agent_tool
from weft.models import ModelRequest
from weft.testing import FunctionModel, call
from weft.testing.models import Scripted
from weft.tools import Tool, tool

pytestmark = pytest.mark.timeout(90)
HOPS = 3
TRIES = 4
"""The promise is one of speed: one try on a busy machine says nothing."""
READER = Principal(tenant="t", subject="s", scopes=frozenset({"admin"}))


@dataclass
class Chain:
    """Agents that each hand their task to the next; the last one waits for ever."""

    first: A2AClient
    served: list[Served]
    asked: list[str] = field(default_factory=list)
    """Whose model was asked, in order."""
    waits: anyio.Event = field(default_factory=anyio.Event)
    leave: anyio.Event = field(default_factory=anyio.Event)
    """Lets a stubborn last one go."""

    async def statuses(self) -> list[RunStatus]:
        """Return the status of the newest task at each hop, the last hop first."""
        pages = [await hop.runs.checkpointer.index.runs(READER, limit=1) for hop in self.served]
        return [page.entries[0].status for page in pages]


@asynccontextmanager
async def chain(*, stubborn: bool = False) -> AsyncIterator[Chain]:
    """Yield a chain whose last agent waits for ever; a `stubborn` one does not hear of any end."""
    mesh, asked, holder = Mesh(), list[str](), list[Chain]()

    @tool
    async def wait() -> JsonObject:
        """Wait for ever."""
        holder[0].waits.set()
        with anyio.CancelScope(shield=stubborn):
            await holder[0].leave.wait()
        return {}

    def model(name: str, tool_name: str) -> FunctionModel:
        def answer(request: ModelRequest) -> Scripted:
            asked.append(name)
            last = request.messages[-1]
            if last.role == "tool":
                return "done"
            return call(tool_name, **({"task": "go on"} if tool_name == "hand_on" else {}))

        return FunctionModel(answer)

    async with AsyncExitStack() as stack:
        served: list[Served] = []
        following: Tool = wait
        client: A2AClient | None = None
        for number in range(HOPS, 0, -1):
            name = f"hop{number}"
            peer = Agent(model(name, following.name), [following], name=name)
            served.append(await stack.enter_async_context(agent(peer, mesh=mesh)))
            client = await stack.enter_async_context(calling(served[-1], mesh))
            following = agent_tool(client, "hand_on", "Hands the task on.")
        assert client is not None
        holder.append(Chain(client, served, asked))
        yield holder[0]


async def cancelled_in(chained: Chain) -> float:
    """Start a task, cancel it once its last hop is at work, and return the seconds that took."""
    chained.waits = anyio.Event()
    run = chained.first.start(a_task("begin"))
    async with anyio.create_task_group() as tasks:

        async def follow() -> None:
            async for _ in run:
                pass

        tasks.start_soon(follow)
        with anyio.fail_after(15):
            await chained.waits.wait()
        before, began = len(chained.asked), time.monotonic()
        report = await run.cancel("enough", grace_s=0.0)
        with anyio.fail_after(15):
            for hop in chained.served:
                (task,) = (await hop.runs.checkpointer.index.runs(READER, limit=1)).entries
                await hop.runs.wait(READER, task.run_id, seconds=15)
        seconds = time.monotonic() - began
        assert set(await chained.statuses()) == {"canceled"}
        with anyio.fail_after(15):
            result = await run
    assert isinstance(report, dict)
    assert report["outcome"] == "canceled"
    assert result.status == "canceled"
    assert len(chained.asked) == before, "somebody thought on"
    return seconds


@pytest.mark.requirement("GW-23")
async def test_every_task_three_hops_down_is_cancelled_within_a_second() -> None:
    async with chain() as chained:
        seconds = [await cancelled_in(chained) for _ in range(TRIES)]

    assert chained.asked[:HOPS] == ["hop1", "hop2", "hop3"]
    assert min(seconds) < 1, seconds


@asynccontextmanager
async def at_work(chained: Chain) -> AsyncIterator[PeerRun]:
    """Yield a task of the first hop whose last hop is at work, and let that go at the end."""
    run = chained.first.start(a_task("begin"))
    async with anyio.create_task_group() as tasks:

        async def follow() -> None:
            async for _ in run:
                pass

        tasks.start_soon(follow)
        with anyio.fail_after(15):
            await chained.waits.wait()
            yield run
        chained.leave.set()
        tasks.cancel_scope.cancel()


def outcomes(report: JsonValue) -> dict[str, JsonValue]:
    """Return what was reported of each place, by how far down it is."""
    assert isinstance(report, dict)
    listed = report["outcomes"]
    assert isinstance(listed, list)
    parts = [part for part in listed if isinstance(part, dict)]
    depths = [len(path) if isinstance(path := part.get("path"), list) else 0 for part in parts]
    named = {
        f"{part['tool']} {depth}": part["outcome"]
        for part, depth in zip(parts, depths, strict=True)
    }
    return {"task": report["outcome"], **named}


@pytest.mark.requirement("GW-22", "GW-24")
@pytest.mark.parametrize("stubborn", [False, True])
async def test_what_became_of_each_task_below_comes_back_and_unknown_stays_unknown(
    *, stubborn: bool
) -> None:
    async with chain(stubborn=stubborn) as chained, at_work(chained) as run:
        report = await run.cancel("enough", grace_s=0.1)

        before = len(chained.asked)
        chained.leave.set()
        statuses = await chained.statuses()

    parts = outcomes(report)
    assert parts["task"] == "canceled"
    if stubborn:
        # Nobody can tell what those below, who did not end in time, still do.
        assert parts["hand_on 0"] == "unknown"
    else:
        below = {"hand_on 0": "canceled", "hand_on 1": "canceled", "wait 2": "canceled"}
        assert parts == {"task": "canceled", **below}
        assert set(statuses) == {"canceled"}
    assert len(chained.asked) == before


@pytest.mark.requirement("GW-25")
async def test_a_shorter_grace_takes_over_at_every_hop() -> None:
    async with chain(stubborn=True) as chained, at_work(chained):
        first = chained.served[-1].runs
        (task,) = (await first.checkpointer.index.runs(READER, limit=1)).entries
        slow = await first.cancel(READER, task.run_id, reason="enough", grace_s=30, wait_s=0.2)
        assert slow.status == "canceling"

        run = await first.cancel(READER, task.run_id, reason="now", grace_s=0.1, wait_s=8)
        again = await first.cancel(READER, task.run_id, reason="now", grace_s=0.0)

    assert (run.status, again.status) == ("canceled", "canceled")
    assert run.cancel is not None
    # Who asked first, and why, stands.
    assert (run.cancel["reason"], run.cancel["grace_s"]) == ("enough", 0.1)
