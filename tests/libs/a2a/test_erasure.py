"""A caller's run is forgotten by its peers, and nobody else's is."""

from collections.abc import AsyncIterator

import pytest

from tests.libs.a2a.harness import Mesh, ScriptedPeer, ScriptedRun, agent, message
from weft.core import JsonObject, Result
from weft.events import Event


async def waits(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    await run.go.wait()
    yield Result(status="completed", text="done")


@pytest.mark.requirement("GW-6")
async def test_what_was_done_for_a_run_is_erased_for_its_owner_only() -> None:
    mesh = Mesh()
    async with agent(mesh=mesh) as served:
        tasks = {}
        for name, run in (("alice", "r1"), ("alice", "r2"), ("bob", "r1")):
            sent = await served.call("SendMessage", message("x"), mesh.bearer(name, root_id=run))
            tasks[name, run] = sent["result"]["task"]["id"]

        erased = await served.call("EraseRuns", {"runs": ["r1", "r9"]}, mesh.bearer("alice"))
        again = await served.call("EraseRuns", {"runs": ["r1"]}, mesh.bearer("alice"))
        left = {}
        for (name, run), task_id in tasks.items():
            answer = await served.call("GetTask", {"id": task_id}, mesh.bearer(name))
            left[name, run] = "result" in answer

    assert (erased["result"], again["result"]) == ({"erased": 1}, {"erased": 0})
    assert left == {("alice", "r1"): False, ("alice", "r2"): True, ("bob", "r1"): True}


@pytest.mark.requirement("GW-6")
async def test_what_is_under_way_for_a_deleted_run_is_stopped() -> None:
    mesh, peer = Mesh(), ScriptedPeer(waits)
    async with agent(peer, mesh=mesh) as served:
        at_once: JsonObject = {"configuration": {"returnImmediately": True}}
        sent = await served.call(
            "SendMessage", {**message("x"), **at_once}, mesh.bearer("alice", root_id="r1")
        )
        task_id = sent["result"]["task"]["id"]

        erased = await served.call("EraseRuns", {"runs": ["r1"]}, mesh.bearer("alice"))
        gone = await served.call("GetTask", {"id": task_id}, mesh.bearer("alice"))

    assert erased["result"] == {"erased": 1}
    assert gone["error"]["code"] == -32001


@pytest.mark.parametrize(
    "params", [{}, {"runs": []}, {"runs": [""]}, {"runs": "r1"}, {"runs": ["r"] * 101}]
)
async def test_an_erasure_names_its_runs(params: JsonObject) -> None:
    mesh = Mesh()
    async with agent(mesh=mesh) as served:
        refused = await served.call("EraseRuns", params, mesh.bearer())

    assert refused["error"]["code"] == -32602


@pytest.mark.requirement("RS-24", "A2A-22")
async def test_an_old_task_is_absent_and_its_message_is_not_carried_out_again() -> None:
    mesh = Mesh()
    async with agent(mesh=mesh) as served:
        said = message("x")
        sent = await served.call("SendMessage", said, mesh.bearer())
        task_id = sent["result"]["task"]["id"]
        await served.runs.checkpointer.index.prune(older_s=-1.0, forget_s=3600.0, limit=10)

        gone = await served.call("GetTask", {"id": task_id}, mesh.bearer())
        again = await served.call("SendMessage", said, mesh.bearer())
        fresh = await served.call("SendMessage", message("y"), mesh.bearer())

    assert [answer["error"]["code"] for answer in (gone, again)] == [-32001, -32001]
    assert fresh["result"]["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
