"""A context holds many tasks, and none of them holds up another."""

from collections.abc import AsyncIterator

import anyio
import pytest

from tests.libs.a2a.harness import Mesh, ScriptedPeer, ScriptedRun, agent, message
from weft.core import LOCAL, Interrupt, JsonObject, Result
from weft.core.error_table import A2A_INTERNAL, LOOKS
from weft.events import Event


async def does_as_told(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    if run.task.prompt == "ask" and not run.task.answers:
        asked = Interrupt(id="q", reason="question", message="Which?")
        yield Result(status="interrupted", interrupts=(asked,))
        return
    if run.task.prompt == "wait":
        await run.go.wait()
    yield Result(status="completed", text=f"did {run.task.prompt}")


AT_ONCE: JsonObject = {"configuration": {"returnImmediately": True}}


@pytest.mark.requirement("A2A-85")
@pytest.mark.parametrize("token", [False, True])
async def test_a_waiting_task_neither_blocks_nor_fails_the_next_of_its_context(
    *, token: bool
) -> None:
    mesh = Mesh() if token else None
    headers = mesh.bearer(root_id="r" * 32) if mesh else None
    async with agent(ScriptedPeer(does_as_told), mesh=mesh) as served:
        with anyio.fail_after(10):
            asking = await served.call("SendMessage", message("ask", contextId="c"), headers)
            next_one = await served.call("SendMessage", message("work", contextId="c"), headers)
            task_id = asking["result"]["task"]["id"]
            answered = await served.call("SendMessage", message("x", taskId=task_id), headers)

    assert asking["result"]["task"]["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    assert next_one["result"]["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
    assert answered["result"]["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
    contexts = {each["result"]["task"]["contextId"] for each in (asking, next_one, answered)}
    assert contexts == {"c"}


@pytest.mark.requirement("A2A-85")
async def test_tasks_of_one_context_run_side_by_side_however_many() -> None:
    peer = ScriptedPeer(does_as_told)
    async with agent(peer) as served:
        with anyio.fail_after(10):
            waiting = [
                await served.call("SendMessage", {**message("wait", contextId="c"), **AT_ONCE})
                for _ in range(20)
            ]
            done = await served.call("SendMessage", message("work", contextId="c"))
            peer.go.set()
            tasks = [each["result"]["task"]["id"] for each in waiting]
            ended = [await served.runs.wait(LOCAL, task_id, seconds=10) for task_id in tasks]

    assert {run.status for run in ended} == {"completed"}
    assert done["result"]["task"]["status"]["state"] == "TASK_STATE_COMPLETED"


@pytest.mark.requirement("A2A-85")
async def test_tasks_of_one_thread_of_the_mesh_work_one_after_another() -> None:
    mesh, peer = Mesh(), ScriptedPeer(does_as_told)
    headers = mesh.bearer(root_id="r" * 32)
    async with agent(peer, mesh=mesh) as served:
        with anyio.fail_after(10):
            first: JsonObject = {**message("wait", contextId="c"), **AT_ONCE}
            await served.call("SendMessage", first, headers)
            await peer.started.wait()
            second: JsonObject = {**message("work", contextId="c"), **AT_ONCE}
            queued = (await served.call("SendMessage", second, headers))["result"]["task"]
            peer.go.set()
            stream = await served.stream("SubscribeToTask", {"id": queued["id"]}, headers)
            last = (await stream.all())[-1][1]

    assert queued["status"]["state"] == "TASK_STATE_SUBMITTED"
    assert last["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"
    assert [run.task.prompt for run in peer.runs] == ["wait", "work"]


@pytest.mark.requirement("A2A-85")
def test_no_condition_of_a_client_is_told_as_an_internal_error() -> None:
    internal = {code for code, row in LOOKS.items() if row.a2a == A2A_INTERNAL}
    clients = {code for code, row in LOOKS.items() if 400 <= row.http < 500}

    assert internal & clients == set()
