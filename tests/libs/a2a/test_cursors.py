"""Where a subscriber goes on: behind the last event, never beyond it."""

from collections.abc import AsyncIterator

import anyio
import pytest

from tests.libs.a2a.harness import Mesh, ScriptedPeer, ScriptedRun, Served, agent, message
from weft.core import LOCAL, JsonObject, Result
from weft.events import Event


async def waits(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    await run.go.wait()
    yield Result(status="completed", text="done")


async def ended(served: Served) -> tuple[str, int]:
    task_id = (await served.call("SendMessage", message("hello")))["result"]["task"]["id"]
    return task_id, (await served.runs.read(LOCAL, task_id)).last_seq


@pytest.mark.parametrize("beyond", [0, 1, 1000])
async def test_behind_the_end_of_an_ended_task_nothing_comes_and_the_stream_closes(
    served: Served, beyond: int
) -> None:
    task_id, last = await ended(served)

    with anyio.fail_after(5):
        seen = {"last-event-id": str(last + beyond)}
        stream = await served.stream("SubscribeToTask", {"id": task_id}, seen)
        frames = await stream.all()

    assert frames == []


async def test_the_last_event_of_an_ended_task_is_told_to_who_lacks_it(served: Served) -> None:
    task_id, last = await ended(served)

    seen = {"last-event-id": str(last - 1)}
    frames = await (await served.stream("SubscribeToTask", {"id": task_id}, seen)).all()

    assert frames[-1][0] == last


@pytest.mark.parametrize("seen", ["1000", "-1", "1.0", "x", "", "9" * 17, "٣"])
async def test_a_number_that_is_none_of_a_living_tasks_log_is_refused(seen: str) -> None:
    peer = ScriptedPeer(waits)
    async with agent(peer) as served:
        at_once: JsonObject = {**message("a"), "configuration": {"returnImmediately": True}}
        task_id = (await served.call("SendMessage", at_once))["result"]["task"]["id"]
        header = {"last-event-id": seen.encode().decode("latin-1")}
        answer = await served.call("SubscribeToTask", {"id": task_id}, header)
        peer.go.set()

    assert answer["error"]["code"] == -32602


@pytest.mark.requirement("A2A-67")
async def test_a_caller_without_time_left_gets_none() -> None:
    mesh, peer = Mesh(), ScriptedPeer()
    async with agent(peer, mesh=mesh) as served:
        with anyio.fail_after(10):
            token = mesh.bearer_with(rem_ms=0)
            late = (await served.call("SendMessage", message("a"), token))["result"]["task"]
            none = message("a", metadata={"seconds": 0})
            extended = {"a2a-extensions": "urn:weft:a2a:budget:v1", **mesh.bearer()}
            spent = (await served.call("SendMessage", none, extended))["result"]["task"]
            negative = await served.call("SendMessage", message("a"), mesh.bearer_with(rem_ms=-5))
            living = (await served.call("SendMessage", message("a"), mesh.bearer()))["result"]

    for task in (late, spent):
        assert task["status"]["state"] == "TASK_STATE_FAILED"
        assert task["metadata"]["reason"] == "expired"
    assert "error" in negative
    assert living["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
    assert len(peer.runs) == 1


async def test_members_that_say_nothing_may_be_null(served: Served) -> None:
    sent = message("hello")
    silent: JsonObject = {
        "acceptedOutputModes": None,
        "returnImmediately": None,
        "historyLength": None,
    }
    for configuration in (None, silent):
        answer = await served.call(
            "SendMessage", {**sent, "configuration": configuration, "metadata": None}
        )
        assert answer["result"]["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
