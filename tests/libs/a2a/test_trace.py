"""The trace of a task: taken from its caller, its own span at each hop, in its log lines."""

import re
from collections.abc import AsyncIterator

import anyio
import pytest

from tests.libs.a2a.byhand import against, always, ask, status
from tests.libs.a2a.harness import Mesh, ScriptedPeer, ScriptedRun, agent, calling, message
from weft.core import Result, TraceContext, logged_trace_id
from weft.events import Event
from weft.loop import Agent, Task
from weft.testing.models import ScriptedModel, call
from weft.tools import ToolContext, tool

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


async def works(_: ScriptedRun) -> AsyncIterator[Event | Result]:
    yield Result(status="completed", text=logged_trace_id() or "")


async def test_every_request_to_a_peer_has_a_span_of_its_own() -> None:
    trace = TraceContext(TRACE, SPAN, sampled=False)
    async with against(always(status("503 Busy", b"", "Retry-After: 0"))) as (peer, client):
        await ask(client, trace=trace)

    headers = [re.search(r"traceparent: 00-(\w+)-(\w+)-(\w+)", head) for head in peer.heads]
    hops = [header.groups() for header in headers if header is not None]
    assert len(hops) == 3
    assert {(trace_id, flags) for trace_id, _, flags in hops} == {(TRACE, "00")}
    assert len({SPAN, *(span for _, span, _ in hops)}) == 4


@pytest.mark.parametrize("header", [None, "garbage", f"00-{'0' * 32}-{SPAN}-01"])
async def test_a_task_whose_caller_names_no_trace_begins_one(header: str | None) -> None:
    mesh, peer = Mesh(), ScriptedPeer(works)
    async with agent(peer, mesh=mesh) as served:
        for _ in range(2):
            sent = {} if header is None else {"traceparent": header}
            await served.call("SendMessage", message("go"), {**mesh.bearer(), **sent})

    traces = [run.task.authority.trace for run in peer.runs]
    ids = {trace.trace_id for trace in traces if trace is not None}
    assert len(ids) == 2
    assert "0" * 32 not in ids


async def test_a_task_is_worked_for_under_its_callers_trace() -> None:
    mesh, peer = Mesh(), ScriptedPeer(works)
    header = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    async with agent(peer, mesh=mesh) as served:
        answer = await served.call("SendMessage", message("go"), {**mesh.bearer(), **header})

    [run] = peer.runs
    trace = run.task.authority.trace
    assert trace is not None
    assert (trace.trace_id, trace.sampled) == (TRACE, True)
    assert trace.span_id != SPAN
    assert TRACE in str(answer["result"]["task"]["artifacts"])


async def test_what_a_tool_of_an_agent_logs_and_calls_belongs_to_the_tasks_trace() -> None:
    seen: list[tuple[str | None, str | None]] = []

    @tool
    def look(context: ToolContext) -> str:
        """Look, in a thread of its own."""
        trace = context.authority.trace
        seen.append((logged_trace_id(), None if trace is None else trace.trace_id))
        return "ok"

    helper = Agent(ScriptedModel([call("look"), "found"]), [look], name="helper")
    outer = Agent(ScriptedModel([call("helper", task="look"), "done"]), [helper.as_tool()])
    mesh = Mesh()
    header = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    async with agent(outer, mesh=mesh) as served:  # any peer will do
        with anyio.fail_after(10):
            await served.call("SendMessage", message("go"), {**mesh.bearer(), **header})

    assert seen == [(TRACE, TRACE)]


async def test_a_task_sent_on_keeps_its_trace_over_every_hop() -> None:
    mesh, peer = Mesh(), ScriptedPeer()
    async with agent(peer, mesh=mesh) as served, calling(served, mesh) as client:

        async def sends_on(run: ScriptedRun) -> AsyncIterator[Event | Result]:
            yield await client.start(
                Task(run.task.parts, f"{len(peer.runs):032x}", authority=run.task.authority)
            )

        peer.script = sends_on
        with anyio.fail_after(10):
            await served.call(
                "SendMessage",
                message("go"),
                {**mesh.bearer(), "traceparent": f"00-{TRACE}-{SPAN}-01"},
            )

    traces = [run.task.authority.trace for run in peer.runs]
    assert len(traces) == 8
    assert {trace.trace_id for trace in traces if trace is not None} == {TRACE}
    assert len({trace.span_id for trace in traces if trace is not None}) == 8
