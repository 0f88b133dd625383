"""A store that is away or full costs a warning and a retry, never a worker."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from tests.libs.checkpoint.raw import execute
from tests.libs.runs.outage import Outage
from tests.libs.runs.test_runs import Blocker, echo, numbers, request, said, worker
from weft.bus import MemoryBus, subjects
from weft.checkpoint import Checkpointer, Claimed, sqlite_checkpointer
from weft.checkpoint.memory import memory_checkpointer
from weft.checkpoint.store import DatabaseCheckpointer
from weft.core import LOCAL, Result, RunId
from weft.core.errors import StoreError, StoreFullError, StoreUnavailableError
from weft.runs import Journal, RunOutcome, Runs
from weft.testing.store_values import RUNS, ScriptedFaults

ERRORS = (StoreUnavailableError("the store is away"), StoreFullError("there is no room"))


@pytest.fixture(params=ERRORS, ids=["away", "full"])
def error(request: pytest.FixtureRequest) -> StoreError:
    made = request.param
    assert isinstance(made, StoreError)
    return made


@pytest.fixture
def faults() -> ScriptedFaults:
    return ScriptedFaults()


@pytest.fixture
async def store(faults: ScriptedFaults) -> AsyncIterator[Checkpointer]:
    async with aclosing(memory_checkpointer(faults=faults)) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.runs.lease.RENEW_SECONDS", 0.02)
    monkeypatch.setattr("weft.runs.lease.RETRY_SECONDS", 0.01)
    monkeypatch.setattr("weft.core.supervision.FIRST_PAUSE_SECONDS", 0.01)


async def ended(runs: Runs, run_id: RunId) -> str:
    with anyio.fail_after(10):
        return (await runs.wait(LOCAL, run_id, seconds=9)).status


async def test_a_claim_that_fails_is_tried_again(
    store: Checkpointer, error: StoreError, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Outage(monkeypatch, store.runs, "claim", error)
    runs = Runs(store, MemoryBus(), pool="router")

    claim.on = True
    async with worker(runs, echo).working():
        accepted = await runs.submit(request(), on_busy="reject")
        await claim.failed(2)
        claim.on = False

        assert await ended(runs, accepted.run.run_id) == "completed"


async def test_renewals_that_fail_for_a_while_cost_the_run_nothing(
    store: Checkpointer, error: StoreError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.runs.lease.TRUST_SECONDS", 60)
    renew = Outage(monkeypatch, store.runs, "renew", error)
    runs, blocker = Runs(store, MemoryBus(), pool="router"), Blocker()
    async with worker(runs, blocker).working():
        accepted = await runs.submit(request(), on_busy="reject", own=True)
        with anyio.fail_after(5):
            await blocker.began.wait()
        renew.on = True
        await renew.failed(3)
        renew.on = False
        run = await runs.cancel(LOCAL, accepted.run.run_id, reason="enough", wait_s=5)

    assert run.status == "canceled"
    assert run.epoch == 1


async def test_a_cancel_that_cannot_be_looked_up_is_heard_of_by_the_next_renewal(
    store: Checkpointer, error: StoreError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.runs.lease.TRUST_SECONDS", 60)
    renew = Outage(monkeypatch, store.runs, "renew", error)
    bus, blocker = MemoryBus(), Blocker()
    runs = Runs(store, bus, pool="router")
    async with worker(runs, blocker).working():
        accepted = await runs.submit(request(), on_busy="reject", own=True)
        run_id = accepted.run.run_id
        with anyio.fail_after(5):
            await blocker.began.wait()
        renew.on = True
        for _ in range(5):
            bus.publish(subjects.cancel("router", run_id), b"")
        await renew.failed(6)
        renew.on = False
        run = await runs.cancel(LOCAL, run_id, reason="enough", wait_s=5)

    assert run.status == "canceled"


async def test_an_owner_that_cannot_renew_gives_its_run_up_before_another_takes_it(
    store: Checkpointer,
    faults: ScriptedFaults,
    error: StoreError,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("weft.runs.lease.TRUST_SECONDS", 0.2)
    renew = Outage(monkeypatch, store.runs, "renew", error)
    runs, blocker = Runs(store, MemoryBus(), pool="router"), Blocker()
    first = worker(runs, blocker)
    async with first.working():
        accepted = await runs.submit(request(), on_busy="reject", own=True)
        with anyio.fail_after(5):
            await blocker.began.wait()
            first.leave()
            renew.on = True
            while first.busy:
                await anyio.lowlevel.checkpoint()
        before = await runs.read(LOCAL, accepted.run.run_id)
        renew.on = False
        faults.ahead_s = 4
        (taken,) = await store.runs.claim("second", RUNS, limit=1)

    assert blocker.stopped
    assert before.status == "running"
    assert taken.held.epoch == 2


@pytest.mark.parametrize("method", ["append", "record_step", "finish"])
async def test_writes_of_a_run_wait_for_the_store_and_nothing_is_lost_or_doubled(
    method: str, store: Checkpointer, error: StoreError, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = Outage(monkeypatch, store.runs, method, error)
    runs = Runs(store, MemoryBus(), pool="router")

    async def work(claimed: Claimed, journal: Journal) -> RunOutcome:
        outage.on = True
        journal.emit(said("one"))
        if method == "append":
            await outage.failed(2)
            outage.on = False
            await journal.flush()
        return await echo(claimed, journal)

    async with worker(runs, work).working():
        accepted = await runs.submit(request(), on_busy="reject", own=True)
        await outage.failed(2)
        outage.on = False
        seen = await numbers(runs, accepted.run.run_id)

    assert [number for number, _ in seen] == list(range(1, len(seen) + 1))
    assert [kind for _, kind in seen].count("agent.custom") == 4
    assert seen[-1][1] == "run.completed"


async def test_an_end_that_cannot_be_written_leaves_the_run_to_its_lease(
    store: Checkpointer,
    faults: ScriptedFaults,
    error: StoreError,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("weft.runs.patience.PATIENCE_SECONDS", 0.02)
    finish = Outage(monkeypatch, store.runs, "finish", error)
    runs = Runs(store, MemoryBus(), pool="router")
    first = worker(runs, echo)
    async with first.working():
        finish.on = True
        accepted = await runs.submit(request(), on_busy="reject", own=True)
        await finish.failed(1)
        with anyio.fail_after(5):
            while first.busy:
                await anyio.lowlevel.checkpoint()
        finish.on = False
        faults.ahead_s = 4

        assert await ended(runs, accepted.run.run_id) == "completed"
        assert (await runs.read(LOCAL, accepted.run.run_id)).epoch == 2


async def test_an_executor_that_finds_the_store_full_does_not_fail_its_run(
    store: Checkpointer, faults: ScriptedFaults, error: StoreError
) -> None:
    refusals = [error]

    async def work(claimed: Claimed, journal: Journal) -> RunOutcome:
        if refusals:
            faults.ahead_s = 4
            raise refusals.pop()
        return await echo(claimed, journal)

    runs = Runs(store, MemoryBus(), pool="router")
    async with worker(runs, work).working():
        accepted = await runs.submit(request(), on_busy="reject", own=True)

        assert await ended(runs, accepted.run.run_id) == "completed"


async def test_a_release_that_fails_does_not_keep_a_worker_from_leaving(
    store: Checkpointer, error: StoreError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.runs.worker.DRAIN_SECONDS", 0.02)
    release = Outage(monkeypatch, store.runs, "release", error)
    runs, blocker = Runs(store, MemoryBus(), pool="router"), Blocker()
    with anyio.fail_after(5):
        async with worker(runs, blocker).working():
            await runs.submit(request(), on_busy="reject", own=True)
            await blocker.began.wait()
            release.on = True

    assert release.failures == 1


@pytest.mark.requirement("RS-23")
async def test_a_worker_lives_through_a_full_disk_and_ends_its_runs_once_there_is_room(
    tmp_path: Path,
) -> None:
    started, room = asyncio.Event(), asyncio.Event()

    async def large(_: Claimed, journal: Journal) -> RunOutcome:
        journal.emit(said(secrets.token_hex(150_000)))
        started.set()
        await room.wait()
        return RunOutcome(Result(status="completed", text=secrets.token_hex(150_000)))

    async with aclosing(sqlite_checkpointer(tmp_path / "db")) as store:
        runs = Runs(store, MemoryBus(), pool="router")
        await store.ping()
        async with worker(runs, large).working():
            accepted = await runs.submit(request(), on_busy="reject", own=True)
            with anyio.fail_after(10):
                await started.wait()
            await _limit_pages(store, 1)
            room.set()
            with pytest.raises(StoreFullError):
                await runs.submit(request(secrets.token_hex(150_000)), on_busy="reject")
            await _limit_pages(store, 1_000_000)

            assert await ended(runs, accepted.run.run_id) == "completed"


async def _limit_pages(store: DatabaseCheckpointer, most: int) -> None:
    """Let the file grow to `most` pages; it never becomes smaller than it is."""

    await execute(store, f"PRAGMA max_page_count = {most}")
