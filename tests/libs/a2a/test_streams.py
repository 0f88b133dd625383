"""Streams of a task: in order, the same for everybody, and gone on with after a break."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from tests.libs.a2a.harness import ScriptedPeer, ScriptedRun, Served, agent, message
from weft.a2a.server import streams, updates
from weft.core import LOCAL, Artifact, Interrupt, Result
from weft.events import AnyData, Envelope, Event

EVENTS = {"a2a-extensions": "urn:weft:a2a:events:v1"}


def custom(number: int) -> Event:
    return Event(type="agent.custom", data=AnyData.model_validate({"n": number}))


async def flood(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    """Tell more than the buffers of a connection hold."""
    for number in range(int(run.task.prompt)):
        data = AnyData.model_validate({"n": number, "pad": "x" * 10_000})
        yield Event(type="agent.custom", data=data)
    yield Result(status="completed", text="all told")


async def burst(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    for number in range(int(run.task.prompt)):
        yield custom(number)
    evidence = Artifact(id="call-1", name="rows", data=[1])
    yield Result(status="completed", text="all told", artifacts=(evidence,))


async def two_parts(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    yield custom(0)
    yield custom(1)
    await run.go.wait()
    yield custom(2)
    yield Result(status="completed", text="done")


async def asks_once(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    if run.task.prompt == "later":
        await run.go.wait()
    if run.task.answers:
        yield Result(status="completed", text="thanks")
    else:
        asked = Interrupt(id="q1", reason="question", message="Which?")
        yield Result(status="interrupted", interrupts=(asked,))


def state(frame: tuple[int | None, Any]) -> str:
    result = frame[1]
    body = result.get("statusUpdate") or result.get("task") or {}
    return str(body.get("status", {}).get("state", next(iter(result))))


def told(frames: list[tuple[int | None, Any]]) -> list[Any]:
    statuses = [result.get("statusUpdate", {}) for _, result in frames]
    return [event for status in statuses for event in status.get("metadata", {}).get("events", [])]


async def log_of(served: Served, task_id: str) -> list[Envelope]:
    run_id: Any = task_id
    return list(await served.runs.checkpointer.runs.events(LOCAL, run_id, limit=10_000))


@pytest.mark.requirement("A2A-10")
async def test_a_stream_is_the_task_then_its_artifacts_then_its_end() -> None:
    async with agent(ScriptedPeer(burst)) as served:
        frames = await (await served.stream("SendStreamingMessage", message("3"))).all()
        task_id = frames[0][1]["task"]["id"]
        stored = (await served.call("GetTask", {"id": task_id}))["result"]["artifacts"]

    assert [state(frame) for frame in frames] == [
        "TASK_STATE_SUBMITTED",
        "TASK_STATE_WORKING",
        "artifactUpdate",
        "artifactUpdate",
        "TASK_STATE_COMPLETED",
    ]
    shown = [frame[1]["artifactUpdate"] for frame in frames[2:4]]
    assert [(update["append"], update["lastChunk"]) for update in shown] == [(False, True)] * 2
    assert [update["artifact"] for update in shown] == stored


@pytest.mark.requirement("A2A-72")
@pytest.mark.parametrize("after", [0, 1, 7, 20])
async def test_the_log_can_be_rebuilt_from_the_stream_and_from_any_point_of_it(after: int) -> None:
    async with agent(ScriptedPeer(burst)) as served:
        stream = await served.stream("SendStreamingMessage", message("20"), EVENTS)
        whole = await stream.all()
        task_id = whole[0][1]["task"]["id"]
        log = await log_of(served, task_id)
        resumed = await served.stream(
            "SubscribeToTask", {"id": task_id}, {**EVENTS, "last-event-id": str(after)}
        )
        rest = await resumed.all()

    assert [Envelope.model_validate(each) for each in told(whole)] == log
    assert [Envelope.model_validate(each) for each in told(rest)] == log[after:]
    assert whole[-1][0] == rest[-1][0] == log[-1].seq
    assert rest[-1][1]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"


async def test_a_task_that_ends_at_once_is_one_answer_whose_length_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "COALESCE_SECONDS", 5.0)
    async with agent(ScriptedPeer(burst)) as served:
        stream = await served.stream("SendStreamingMessage", message("3"))
        frames = await stream.all()

    assert stream.response.content_length is not None
    assert state(frames[0]) == "TASK_STATE_SUBMITTED"
    assert state(frames[-1]) == "TASK_STATE_COMPLETED"


@pytest.mark.requirement("A2A-72")
async def test_of_more_than_a_listener_keeps_the_rest_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "COALESCE_SECONDS", 5.0)
    async with agent(ScriptedPeer(burst)) as served:
        frames = await (await served.stream("SendStreamingMessage", message("700"), EVENTS)).all()
        log = await log_of(served, frames[0][1]["task"]["id"])

    assert [Envelope.model_validate(each) for each in told(frames)] == log


async def test_events_that_are_there_together_share_a_frame() -> None:
    async with agent(ScriptedPeer(burst)) as served:
        frames = await (await served.stream("SendStreamingMessage", message("50"), EVENTS)).all()

    assert len(told(frames)) == 53
    assert len(frames) < 12


@pytest.mark.requirement("A2A-11")
async def test_all_streams_show_the_same_and_closing_one_harms_nobody() -> None:
    peer = ScriptedPeer(two_parts)
    async with agent(peer) as served:
        first = await served.stream("SendStreamingMessage", message("go"), EVENTS)
        frames = first.frames()
        task_id = (await anext(frames))[1]["task"]["id"]
        resume = {**EVENTS, "last-event-id": "0"}
        others = [await served.stream("SubscribeToTask", {"id": task_id}, resume) for _ in range(3)]
        others[0].response.close()
        peer.go.set()
        with anyio.fail_after(5):
            seen = [
                told([frame async for frame in frames]),
                *[told(await each.all()) for each in others[1:]],
            ]
        log = await log_of(served, task_id)

    assert all([each["seq"] for each in events] == [it.seq for it in log] for events in seen)


@pytest.mark.requirement("A2A-12")
@pytest.mark.requirement("A2A-56")
async def test_a_subscriber_sees_the_question_come_and_the_follow_up_finish() -> None:
    peer = ScriptedPeer(asks_once)
    async with agent(peer) as served:
        send = await served.stream("SendStreamingMessage", message("later"))
        task_id = (await anext(send.frames()))[1]["task"]["id"]
        subscription = (await served.stream("SubscribeToTask", {"id": task_id})).frames()
        await anext(subscription)
        peer.go.set()
        with anyio.fail_after(5):
            states = []
            async for frame in subscription:
                states.append(state(frame))
                if states[-1] == "TASK_STATE_INPUT_REQUIRED":
                    await served.call("SendMessage", message("that one", taskId=task_id))

    assert "TASK_STATE_INPUT_REQUIRED" in states
    assert states[-1] == "TASK_STATE_COMPLETED"


@pytest.mark.requirement("A2A-56")
@pytest.mark.requirement("A2A-12")
async def test_a_send_stream_ends_at_a_question_and_a_subscription_goes_on() -> None:
    async with agent(ScriptedPeer(asks_once)) as served:
        sent = await (await served.stream("SendStreamingMessage", message("go"))).all()
        task_id = sent[0][1]["task"]["id"]
        subscription = (await served.stream("SubscribeToTask", {"id": task_id})).frames()
        first = await anext(subscription)
        await served.call("SendMessage", message("that one", taskId=task_id))
        with anyio.fail_after(5):
            rest = [frame async for frame in subscription]

    assert state(sent[-1]) == "TASK_STATE_INPUT_REQUIRED"
    assert sent[-1][1]["statusUpdate"]["status"]["message"]["parts"] == [{"text": "Which?"}]
    assert state(first) == "TASK_STATE_INPUT_REQUIRED"
    assert state(rest[-1]) == "TASK_STATE_COMPLETED"


async def test_a_follow_up_can_be_streamed() -> None:
    async with agent(ScriptedPeer(asks_once)) as served:
        sent = await (await served.stream("SendStreamingMessage", message("go"))).all()
        more = message("that one", taskId=sent[0][1]["task"]["id"])
        with anyio.fail_after(5):
            rest = await (await served.stream("SendStreamingMessage", more)).all()

    assert state(rest[-1]) == "TASK_STATE_COMPLETED"
    assert all(state(frame) != "TASK_STATE_INPUT_REQUIRED" for frame in rest[1:])


@pytest.mark.requirement("A2A-57")
async def test_a_subscription_starts_with_the_task_as_it_is_and_not_at_an_ended_one() -> None:
    peer = ScriptedPeer(two_parts)
    async with agent(peer) as served:
        send = await served.stream("SendStreamingMessage", message("go"))
        frames = send.frames()
        task_id = (await anext(frames))[1]["task"]["id"]
        subscription = (await served.stream("SubscribeToTask", {"id": task_id})).frames()
        number, first = await anext(subscription)
        peer.go.set()
        with anyio.fail_after(5):
            rest = [frame async for frame in subscription]
        ended = await served.call("SubscribeToTask", {"id": task_id})

    assert first["task"]["status"]["state"] == "TASK_STATE_WORKING"
    assert number is not None
    assert all(each is None or each > number for each, _ in rest)
    assert state(rest[-1]) == "TASK_STATE_COMPLETED"
    assert ended["error"]["code"] == -32004


@pytest.mark.parametrize("seen", ["-1", "x", "1.5", "9" * 40])
async def test_an_event_id_that_is_none_is_refused(served: Served, seen: str) -> None:
    task = (await served.call("SendMessage", message("a")))["result"]["task"]

    answer = await served.call("SubscribeToTask", {"id": task["id"]}, {"last-event-id": seen})

    assert answer["error"]["code"] == -32602


@pytest.mark.requirement("A2A-14")
async def test_a_silent_stream_is_kept_alive_and_ends_cleanly_when_the_server_drains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert updates.HEARTBEAT_SECONDS <= 15
    monkeypatch.setattr(updates, "HEARTBEAT_SECONDS", 0.05)
    peer = ScriptedPeer(two_parts)
    async with agent(peer) as served:
        stream = await served.stream("SendStreamingMessage", message("go"))
        lines = stream.response.content
        with anyio.fail_after(5):
            while await lines.readline() != b": keep-alive\n":
                continue
            served.server.drain()
            rest = await lines.read()
        peer.go.set()

    assert stream.response.headers["X-Accel-Buffering"] == "no"
    assert b"COMPLETED" not in rest


@pytest.mark.requirement("A2A-15")
async def test_a_reader_that_stalls_through_thousands_of_events_gets_the_last_one() -> None:
    async with agent(ScriptedPeer(flood)) as served:
        stream = await served.stream("SendStreamingMessage", message("3000"), EVENTS)
        frames = stream.frames()
        task_id: Any = (await anext(frames))[1]["task"]["id"]
        with anyio.fail_after(10):
            await served.runs.wait(LOCAL, task_id, seconds=9)
            [open_stream] = served.server.operations.streams
            unread = []
            for _ in range(40):
                # A stall is time passing: nothing tells when a writer has given up writing.
                await asyncio.sleep(0.01)
                unread.append(len(open_stream._log._unread))
            rest = [frame async for frame in frames]

    assert state(rest[-1]) == "TASK_STATE_COMPLETED"
    assert [each["seq"] for each in told(rest)] == list(range(1, 3004))
    assert 0 < max(unread) < 2 * updates.UNREAD


async def test_a_reader_that_leaves_ends_its_stream_and_not_the_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer = ScriptedPeer(two_parts)
    gone = asyncio.Event()
    monkeypatch.setattr(streams.TaskStream, "stop", lambda _: gone.set())
    async with agent(peer) as served:
        stream = await served.stream("SendStreamingMessage", message("go"))
        task_id: Any = (await anext(stream.frames()))[1]["task"]["id"]
        stream.response.close()
        with anyio.fail_after(5):
            await gone.wait()
        peer.go.set()
        run = await served.runs.wait(LOCAL, task_id, seconds=5)

    assert run.status == "completed"
