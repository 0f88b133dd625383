"""Our client at our server: a peer like any other, whatever breaks on the way."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import pytest

from tests.libs.a2a.harness import (
    Mesh,
    ScriptedPeer,
    ScriptedRun,
    a_task,
    agent,
    calling,
    message,
    principal,
)
from weft.core import (
    Artifact,
    Authority,
    Budget,
    Claim,
    Deadline,
    Interrupt,
    JsonObject,
    Message,
    Principal,
    Reason,
    Result,
    TraceContext,
    Usage,
    parts_of,
)
from weft.events import AnyData, Event, Origin
from weft.local.ports import free_port
from weft.loop import Task
from weft.tools import tool

FULL = Result(
    status="completed",
    text="The pool is exhausted.",
    data={"n": [1, 2.5, None]},
    claims=(Claim(text="pool at 100 %", strength=0.9, evidence_refs=("call-1#/max",)),),
    artifacts=(Artifact(id="call-1", name="pool", data={"max": 100}),),
    usage=Usage(total_tokens=7, model_calls=1, cost_usd=0.01),
    reasons=(Reason(code="partial_data", message="one host was silent"),),
    partial=True,
    generated_by="rules",
    stop_reason="complete",
)


def custom(number: int) -> Event:
    return Event(type="agent.custom", path=("step",), data=AnyData.model_validate({"n": number}))


async def works(_: ScriptedRun) -> AsyncIterator[Event | Result]:
    for number in range(3):
        yield custom(number)
    yield FULL


async def waits(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    yield custom(0)
    await run.go.wait()
    yield custom(1)
    yield FULL


async def test_events_and_result_arrive_as_the_peer_made_them() -> None:
    mesh = Mesh()
    async with agent(ScriptedPeer(works), mesh=mesh) as served, calling(served, mesh) as client:
        run = client.start(a_task())
        events = [event async for event in run]
        result = await run

    assert result == FULL
    assert [event.data.model_dump() for event in events] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert {event.path for event in events} == {("step",)}
    assert {type(event.origin) for event in events} == {Origin}


async def test_large_events_are_told_in_pieces_that_a_reader_takes() -> None:
    async def tells_much(_: ScriptedRun) -> AsyncIterator[Event | Result]:
        for number in range(40):
            data = AnyData.model_validate({"n": number, "pad": "x" * 60_000})
            yield Event(type="agent.custom", data=data)
        yield FULL

    mesh = Mesh()
    async with (
        agent(ScriptedPeer(tells_much), mesh=mesh) as served,
        calling(served, mesh) as client,
    ):
        run = client.start(a_task())
        events = [event.data.model_dump()["n"] async for event in run]
        result = await run

    assert events == list(range(40))
    assert result == FULL


@tool(labels={"read"}, examples=["Find errors"])
async def log_search(task: str) -> str:
    """Search logs."""
    return task


async def test_a_task_arrives_whole() -> None:
    mesh, peer = Mesh(), ScriptedPeer(works)
    sent = Task(
        parts_of("why?", {"service": "checkout"}),
        "a" * 32,
        authority=Authority(
            principal(),
            budget=Budget(tokens=100, cost_usd=0.5, calls=7, hops=3),
            deadline=Deadline.after(30),
            act=("gateway",),
            depth=2,
            trace=TraceContext("d" * 32, "e" * 16),
            root_id="c" * 32,
        ),
        metadata={"ticket": "T-1"},
        history=(Message.user("before"),),
        capability="echo/metrics.query",
        role="execute",
        grants=(log_search,),
        output_schema={"type": "object"},
        thread_id="thread",
    )
    async with agent(peer, mesh=mesh) as served, calling(served, mesh) as client:
        await client.start(sent)

    got = peer.runs[0].task
    same = {
        name: getattr(sent, name)
        for name in (
            "prompt", "message_id", "arguments", "metadata", "history", "role", "output_schema",
        )
    }  # fmt: skip
    assert {name: getattr(got, name) for name in same} == same
    [grant] = got.grants
    assert (grant.name, grant.description, grant.labels, grant.examples) == (
        "log_search", "Search logs.", frozenset({"read"}), ("Find errors",),
    )  # fmt: skip
    assert got.capability == "metrics.query"
    assert got.authority.budget == sent.authority.budget
    assert got.authority.root_id == "c" * 32
    assert got.authority.trace is not None
    assert got.authority.trace.trace_id == "d" * 32
    assert got.authority.trace.span_id != "e" * 16
    assert got.authority.principal == Principal(
        tenant="t", subject="s", scopes=frozenset({"agents:*"}), kind="delegated"
    )
    assert (got.authority.depth, got.authority.act) == (3, ("gateway", "router"))
    assert got.authority.deadline is not None
    assert 25 < got.authority.deadline.remaining() < 30
    assert got.journal is not None


@pytest.mark.requirement("A2A-65", "SEC-52")
async def test_metadata_that_looks_like_ours_comes_through_and_sets_nothing() -> None:
    mesh, peer = Mesh(), ScriptedPeer(works)
    own: JsonObject = {"role": "judge", "history": [1], "outputSchema": {}, "metadata": {"a": 1}}
    hostile: JsonObject = {
        "weft": own, "tokens": 0, "costUsd": -1, "seconds": 0, "depth": "x", "skillId": "refund",
        "interrupt": "?1", "team": "sre",
    }  # fmt: skip
    async with agent(peer, mesh=mesh) as served, calling(served, mesh) as client:
        results = [
            await client.start(a_task(metadata=metadata, role=role))
            for metadata, role in ((hostile, None), (hostile, "execute"), ({}, "execute"))
        ]

    assert [result.status for result in results] == ["completed"] * 3
    tasks = [run.task for run in peer.runs]
    assert [task.metadata for task in tasks] == [hostile, hostile, {}]
    assert [(task.role, task.history) for task in tasks] == [
        (None, ()), ("execute", ()), ("execute", ()),
    ]  # fmt: skip
    assert [task.authority.budget for task in tasks] == [Budget()] * 3


async def test_a_history_that_is_none_is_said_to_be_none() -> None:
    async with agent() as served:
        answer = await served.call(
            "SendMessage", message("go", metadata={"weft": {"history": [1]}})
        )

    status = answer["result"]["task"]["status"]
    assert status["state"] == "TASK_STATE_FAILED"
    assert "history" in status["message"]["parts"][0]["text"]


@pytest.mark.requirement("A2A-67")
async def test_the_smallest_limit_applies_and_zero_is_none_left() -> None:
    mesh, peer = Mesh(), ScriptedPeer(works)
    limits = {"a2a-extensions": "urn:weft:a2a:budget:v1"}
    async with agent(peer, mesh=mesh) as served:
        for told in ({"tokens": 5, "seconds": 2}, {"tokens": 99, "costUsd": 0}, {}):
            bearer = mesh.bearer(budget=Budget(tokens=10), deadline=Deadline.after(20))
            await served.call(
                "SendMessage", message("go", metadata=dict(told)), {**limits, **bearer}
            )

    budgets = [run.task.authority.budget for run in peer.runs]
    seconds = [run.task.authority.remaining() or 0 for run in peer.runs]
    assert [each.tokens for each in budgets] == [5, 10, 10]
    assert [each.cost_usd for each in budgets] == [None, 0, None]
    assert seconds[0] < 2
    assert 15 < seconds[1] < 20


@pytest.mark.requirement("A2A-64")
@pytest.mark.requirement("SEC-107")
async def test_a_loop_of_agents_ends_at_the_eighth_call() -> None:
    mesh = Mesh()
    peer = ScriptedPeer()
    async with agent(peer, mesh=mesh) as served, calling(served, mesh) as client:

        async def calls_itself(run: ScriptedRun) -> AsyncIterator[Event | Result]:
            inner = replace(run.task, message_id=f"{run.task.authority.depth:032x}", journal=None)
            yield await client.start(inner)

        peer.script = calls_itself
        with anyio.fail_after(10):
            result = await client.start(a_task(thread_id="one"))

    assert result.reasons[0].code == "depth_exceeded"
    assert [run.task.authority.depth for run in peer.runs] == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_the_same_task_sent_again_is_executed_once() -> None:
    mesh, peer = Mesh(), ScriptedPeer(works)
    task = a_task()
    async with agent(peer, mesh=mesh) as served, calling(served, mesh) as client:
        results = [await client.start(task), await client.start(task)]

    assert results == [FULL, FULL]
    assert len(peer.runs) == 1


async def test_a_question_comes_up_and_its_answer_goes_down_to_the_same_task() -> None:
    asked = Interrupt(
        id="q1",
        reason="approval",
        message="Restart?",
        path=("fix",),
        tool_call_id="call-1",
        response_schema={"type": "object"},
        approver_scope="approve",
        expires_in=60.0,
    )

    async def asks(run: ScriptedRun) -> AsyncIterator[Event | Result]:
        if run.task.answers:
            yield Result(status="completed", data=run.task.answers)
        else:
            yield Result(status="interrupted", interrupts=(asked,))

    mesh, peer = Mesh(), ScriptedPeer(asks)
    async with agent(peer, mesh=mesh) as served, calling(served, mesh) as client:
        task = a_task()
        first = await client.start(task)
        second = await client.start(replace(task, answers={"q1": {"approved": True}}))

    assert first.status == "interrupted"
    assert first.interrupts == (asked,)
    assert second.data == {"q1": {"approved": True}}


async def test_cancel_stops_the_remote_work_and_reports_it() -> None:
    mesh, peer = Mesh(), ScriptedPeer(waits)
    async with agent(peer, mesh=mesh) as served, calling(served, mesh) as client:
        run = client.start(a_task())
        events = aiter(run)
        await anext(events)
        with anyio.fail_after(1):
            report = await run.cancel("no longer needed")
        result = await run

    assert isinstance(report, dict)
    assert report["outcome"] == "canceled"
    assert result.status == "canceled"
    assert peer.runs[0].canceled


@pytest.mark.requirement("A2A-77")
async def test_closing_the_iterator_leaves_the_remote_task_alone() -> None:
    mesh, peer = Mesh(), ScriptedPeer(waits)
    task = a_task()
    async with agent(peer, mesh=mesh) as served, calling(served, mesh) as client:
        events = aiter(client.start(task))
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined] # an async generator
        assert not peer.runs[0].canceled
        peer.go.set()
        result = await client.start(task)

    assert result == FULL
    assert len(peer.runs) == 1


async def test_cancelling_who_awaits_cancels_the_remote_work() -> None:
    mesh, peer = Mesh(), ScriptedPeer(waits)
    async with agent(peer, mesh=mesh) as served, calling(served, mesh) as client:
        awaiting = asyncio.ensure_future(client.start(a_task())._finish())
        with anyio.fail_after(5):
            await peer.started.wait()
            awaiting.cancel()
            await asyncio.gather(awaiting, return_exceptions=True)

    assert peer.runs[0].canceled


async def test_a_peer_that_nobody_serves_is_unavailable_and_may_be_tried_again() -> None:
    mesh = Mesh()
    async with agent(mesh=mesh) as served, calling(served, mesh) as client:
        client.card = replace(client.card, url=f"http://127.0.0.1:{free_port()}/")
        result = await client.start(a_task())

    assert result.status == "failed"
    assert result.reasons[0].code == "peer_unavailable"
    assert result.reasons[0].retryable


async def test_too_little_time_is_no_call() -> None:
    mesh, peer = Mesh(), ScriptedPeer(works)
    async with agent(peer, mesh=mesh) as served, calling(served, mesh) as client:
        result = await client.start(a_task(deadline=Deadline.after(0.01)))
        late = await client.start(a_task(budget=Budget(seconds=0)))

    assert result.reasons[0].code == late.reasons[0].code == "deadline_exceeded"
    assert peer.runs == []


async def test_a_peer_that_is_too_slow_is_given_up_at_the_deadline() -> None:
    mesh, peer = Mesh(), ScriptedPeer(waits)
    async with agent(peer, mesh=mesh) as served, calling(served, mesh) as client:
        with anyio.fail_after(2):
            result = await client.start(a_task(deadline=Deadline.after(0.3)))
        peer.go.set()

    assert result.reasons[0].code == "deadline_exceeded"
