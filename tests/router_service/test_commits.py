"""What one run costs its stores: the commits of a fan-out over three specialists."""

from collections import Counter
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from router_service.execute import execute_run, prepare_run
from router_service.routes import Routes
from tests.libs.a2a.harness import bound_socket, serving
from tests.router_service.house import ANA, ROUTER_KEY, House, house
from tests.router_service.test_execute import new_run
from weft.a2a import Card, Skill
from weft.a2a.server import A2AServer, execute_task
from weft.bus import MemoryBus
from weft.checkpoint import RunStore
from weft.checkpoint.sqlite import SqliteCheckpointer, Stats, sqlite_checkpointer
from weft.checkpoint.store import DatabaseRuns
from weft.core import JsonValue, Result
from weft.events import Event
from weft.identity import Trust, Verifier
from weft.loop import Peer, PeerRun, Task
from weft.plan import Plan
from weft.routing import Situation
from weft.runs import A2A_SEND, MESH_RUN, Runs, TaskPublisher, Worker
from weft.testing.store_values import RUNS

NAMES = ("ants", "bees", "wasps")
TAGS = ("domain:observability", "risk:low", "effects:none", "diagnose", "slowdown")


class AtOnce:
    """A peer, and its run, that answers without an event."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self, task: Task) -> PeerRun:
        del task
        return self

    async def __aiter__(self) -> AsyncIterator[Event]:
        told: tuple[Event, ...] = ()
        for event in told:
            yield event

    def __await__(self) -> Generator[object, None, Result]:
        yield from ()
        return Result(status="completed", text=f"{self.name} looked")

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        del reason, grace_s
        return {"outcome": "done"}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[RunStore]:
    """Count how often each store is asked for a run or its events."""
    counted: Counter[RunStore] = Counter()

    def watch(name: str) -> None:
        original = getattr(DatabaseRuns, name)

        async def counting(self: DatabaseRuns, *args: object, **more: object) -> object:
            counted[self] += 1
            return await original(self, *args, **more)

        monkeypatch.setattr(DatabaseRuns, name, counting)

    watch("read")
    watch("events")
    return counted


def _read_again(*_: object) -> Plan:
    raise AssertionError("the plan was made in the claim by the same process")


def _looked_at(*_: object) -> Plan:
    raise AssertionError("the claim said that nothing is in the thread")


@asynccontextmanager
async def specialist(peer: Peer, mesh: House, store: Path) -> AsyncIterator[SqliteCheckpointer]:
    """Serve `peer` over A2A, with a database of its own in the file `store`."""
    name = peer.name
    bound, bus = bound_socket(), MemoryBus()
    url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
    skill = Skill(id=f"{name}.look", name="Look", description="Diagnose.", tags=TAGS)
    async with AsyncExitStack() as stack:
        checkpointer = await stack.enter_async_context(aclosing(sqlite_checkpointer(store)))
        runs = Runs(checkpointer, bus, pool=name, publisher=TaskPublisher(bus, name))
        await stack.enter_async_context(runs.listening())
        worker = Worker(runs, execute_task(peer), operations=(A2A_SEND,), name=f"{name}/1")
        await stack.enter_async_context(worker.working())
        verifier = Verifier(Trust((ROUTER_KEY.trusted(),)), audience=name)
        card = Card(name=name, description=name, skills=(skill,))
        server = A2AServer(card, runs, url=url, authenticator=verifier)
        await stack.enter_async_context(serving(server.app(), bound))
        await mesh.joins(name, skill, url=url)
        yield checkpointer


async def test_a_run_over_three_specialists_takes_five_commits_here_and_two_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: Counter[RunStore]
) -> None:
    # A slow machine would add a renewal, and a commit of its own for the starts of the steps.
    monkeypatch.setattr("weft.runs.lease.RENEW_SECONDS", 60)
    monkeypatch.setattr("weft.runs.journal.event_log.FLUSH_SECONDS", 60)
    # And looks for work that no bell told of.
    monkeypatch.setattr("random.uniform", lambda *_: 60.0)
    monkeypatch.setattr("weft.plan.Plan.from_json", _read_again)
    monkeypatch.setattr("weft.checkpoint.store.DatabaseThreads.load", _looked_at)
    async with AsyncExitStack() as stack:
        mesh = await stack.enter_async_context(house())
        theirs = [
            await stack.enter_async_context(specialist(AtOnce(name), mesh, tmp_path / name))
            for name in NAMES
        ]
        store = await stack.enter_async_context(aclosing(sqlite_checkpointer(tmp_path / "runs")))
        runs = Runs(store, MemoryBus(), pool="router")
        routes = Routes(situation=Situation(model=False))
        worker = Worker(
            runs,
            execute_run(store, mesh.peers, routes),
            name="router/1",
            operations=(MESH_RUN,),
            prepare=prepare_run(mesh.peers, routes),
        )
        await stack.enter_async_context(worker.working())
        # The worker looked around once; its claim would share the first commit otherwise.
        assert await store.runs.claim("nobody", RUNS, limit=1) == []
        new = new_run({"input": "Diagnose the checkout slowdown"})
        with anyio.fail_after(10):
            await runs.submit(new, on_busy="reject")
            run = await runs.wait(ANA, new.run_id, seconds=10)
        spent: list[Stats] = [each.stats for each in (store, *theirs)]

    assert run.status == "completed"
    assert all(f"{name} looked" in str(run.result) for name in NAMES)
    # Accepted, claimed with its plan, two steps as they arrive, and the third with the end.
    assert spent[0].commits <= 5
    # Accepted and claimed, and ended.
    assert [each.commits for each in spent[1:]] == [2, 2, 2]
    # Two looks for work before; what the commits take; a look behind the claim, and behind the end.
    assert spent[0].statements <= 2 + 4 + 6 + 3 + 3 + 5 + 2
    assert all(each.statements <= 1 + 4 + 2 + 1 for each in spent[1:])
    # What a stream tells of its own process's run is at hand.
    assert [reads[each.runs] for each in theirs] == [0, 0, 0]
