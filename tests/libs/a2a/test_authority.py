"""What a caller is told lasts no longer than the authority it is told by."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import time

import anyio
import pytest

from tests.libs.a2a.harness import Mesh, ScriptedPeer, ScriptedRun, Served, agent, message
from weft.core import JsonObject, Result
from weft.events import Event
from weft.identity import Trust, Verifier, keys, leases, publish


async def hold(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    await run.go.wait()
    yield Result(status="completed", text="the secret")


class PublishedMesh(Mesh):
    """Its keys stand in a directory, as those of a machine do."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory
        for key in (self.router, self.echo):
            publish(key, directory)

    @property
    def trust(self) -> Trust:
        return Trust(directory=self.directory)

    def revoke(self) -> None:
        (self.directory / "router.json").unlink()


@pytest.fixture
def mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PublishedMesh:
    monkeypatch.setattr(leases, "RECHECK_SECONDS", 0.05)
    monkeypatch.setattr(keys, "LOOK_SECONDS", 0.05)
    return PublishedMesh(tmp_path / "trust")


@asynccontextmanager
async def holding(mesh: Mesh) -> AsyncIterator[tuple[Served, str]]:
    """Yield an agent, and the id of a task that it holds until it is let go."""
    async with agent(ScriptedPeer(hold), mesh=mesh) as served:
        now: JsonObject = {**message("hold"), "configuration": {"returnImmediately": True}}
        task = (await served.call("SendMessage", now, mesh.bearer()))["result"]["task"]
        with anyio.fail_after(10):
            yield served, task["id"]
        served.peer.go.set()


@pytest.mark.requirement("SEC-9", "A2A-64")
async def test_a_stream_ends_with_the_key_that_vouched_for_its_reader(mesh: PublishedMesh) -> None:
    async with holding(mesh) as (served, task_id):
        stream = await served.stream("SubscribeToTask", {"id": task_id}, mesh.bearer())
        mesh.revoke()
        frames = await stream.all()

    assert [next(iter(result)) for _, result in frames] == ["task"]


@pytest.mark.requirement("SEC-9", "A2A-64")
async def test_a_stream_ends_when_the_work_is_over_that_its_token_was_for(
    mesh: PublishedMesh,
) -> None:
    late = mesh.bearer_with(exp=time() - 4.5, rem_ms=100)

    async with holding(mesh) as (served, task_id):
        stream = await served.stream("SubscribeToTask", {"id": task_id}, late)
        frames = await stream.all()

    assert [next(iter(result)) for _, result in frames] == ["task"]


@pytest.mark.requirement("A2A-64")
async def test_authority_lasts_beyond_its_token_while_the_work_does(mesh: PublishedMesh) -> None:
    verifier = Verifier(mesh.trust, audience="echo")

    caller = await verifier.authenticate(mesh.bearer_with(exp=time() - 4, rem_ms=60_000))

    assert caller.until == pytest.approx(time() + 61, abs=5)
    assert await verifier.stands(caller)


@pytest.mark.requirement("SEC-9", "A2A-64")
async def test_an_answer_that_is_waited_for_is_not_given_to_a_revoked_caller(
    mesh: PublishedMesh,
) -> None:
    async with holding(mesh) as (served, _), anyio.create_task_group() as tasks:
        served.peer.started.clear()

        async def revoked() -> None:
            await served.peer.started.wait()
            mesh.revoke()

        tasks.start_soon(revoked)
        answer = await served.call("SendMessage", message("wait"), mesh.bearer())

    assert answer["error"]["message"] == "the authority ended while the call was answered"
