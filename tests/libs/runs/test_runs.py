"""A run from submission to its end: owned, followed, cancelled, recovered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from weft.bus import Bus, MemoryBus, subjects
from weft.checkpoint import (
    Checkpointer,
    Claimed,
    NewRun,
    ThreadKey,
    Turn,
    get_checkpointer,
)
from weft.core import (
    LOCAL,
    Authority,
    Deadline,
    Interrupt,
    JsonObject,
    Principal,
    Result,
    RunId,
    new_id,
    new_run_id,
    text_of,
)
from weft.core.errors import NotFoundError
from weft.events import Acceptance, AnyData, Envelope, Event, RunAccepted
from weft.runs import MESH_RUN, Execute, Journal, RunOutcome, Runs, Worker

STRANGER = Principal(tenant="local", subject="stranger")


def request(text: str = "hello", *, thread_id: str | None = None) -> NewRun:
    return NewRun(
        run_id=new_run_id(),
        authority=Authority(LOCAL, deadline=Deadline.after(60)),
        operation="run",
        idem_key=new_id(),
        body_hash="0" * 64,
        thread_id=thread_id or new_id(),
        request={"input": text},
        accepted=RunAccepted(data=Acceptance(subject=LOCAL.subject)),
    )


def said(words: str) -> Event:
    return Event(type="agent.custom", data=AnyData.model_validate({"name": words}))


async def echo(claimed: Claimed, journal: Journal) -> RunOutcome:
    journal.emit(said("one"), said("two"))
    stored = await journal.record(("step",), {"text": str(claimed.run.request["input"])})
    journal.emit(said("three"))
    return RunOutcome(Result(status="completed", text=str(stored["text"])))


@pytest.fixture(params=["memory:", "sqlite:{}"])
async def checkpointer(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Checkpointer]:
    async with aclosing(get_checkpointer(str(request.param).format(tmp_path / "db"))) as opened:
        yield opened


class LossyBus(MemoryBus):
    """Loses everything."""

    def publish(self, subject: str, payload: bytes) -> None:
        del subject, payload


@pytest.fixture(params=[MemoryBus, LossyBus])
def bus(request: pytest.FixtureRequest) -> Bus:
    made = request.param()
    assert isinstance(made, Bus)
    return made


def worker(runs: Runs, execute: Execute, name: str = "w1") -> Worker:
    return Worker(runs, execute, operations=(MESH_RUN,), name=name)


async def numbers(runs: Runs, run_id: RunId, *, after: int = 0) -> list[tuple[int, str]]:
    with anyio.fail_after(10):
        return [(event.seq, event.type) async for event in runs.follow(LOCAL, run_id, after=after)]


@pytest.mark.requirement("EV-11", "EV-12", "EV-33")
async def test_a_run_submitted_here_is_executed_there_and_followed_without_gap(
    checkpointer: Checkpointer, bus: Bus
) -> None:
    front = Runs(checkpointer, bus, pool="router")
    back = Runs(checkpointer, bus, pool="router")

    async with worker(back, echo).working(), front.listening():
        accepted = await front.submit(request("hi"), on_busy="reject")
        seen = await numbers(front, accepted.run.run_id)
        ended = await front.read(LOCAL, accepted.run.run_id)

    kinds = [kind for _, kind in seen]
    assert [number for number, _ in seen] == list(range(1, len(seen) + 1))
    assert kinds[:2] == ["run.accepted", "run.started"]
    assert kinds[-1] == "run.completed"
    assert kinds.count("agent.custom") == 3
    assert ended.status == "completed"
    assert ended.result is not None
    assert text_of(Result.answer_in(ended.result)) == "hi"


async def test_following_from_a_cursor_starts_behind_it(checkpointer: Checkpointer) -> None:
    runs = Runs(checkpointer, MemoryBus(), pool="router")

    async with worker(runs, echo).working():
        accepted = await runs.submit(request(), on_busy="reject", own=True)
        whole = await numbers(runs, accepted.run.run_id)
        rest = await numbers(runs, accepted.run.run_id, after=3)

    assert rest == whole[3:]


async def test_a_run_owned_at_once_is_claimed_in_its_accept_commit(
    checkpointer: Checkpointer,
) -> None:
    runs = Runs(checkpointer, MemoryBus(), pool="router")

    async with worker(runs, echo).working():
        accepted = await runs.submit(request(), on_busy="reject", own=True)

        assert accepted.claimed is not None
        assert [event.type for event in accepted.events] == ["run.accepted", "run.started"]
        await numbers(runs, accepted.run.run_id)


async def test_anothers_run_is_as_absent_as_none(checkpointer: Checkpointer) -> None:
    runs = Runs(checkpointer, MemoryBus(), pool="router")
    accepted = await runs.submit(request(), on_busy="reject")

    with pytest.raises(NotFoundError):
        await runs.read(STRANGER, accepted.run.run_id)
    with pytest.raises(NotFoundError):
        await anext(runs.follow(STRANGER, accepted.run.run_id))
    with pytest.raises(NotFoundError):
        await runs.cancel(STRANGER, accepted.run.run_id, reason="mine now")


class Blocker:
    """An executor that reports it began, then waits for ever."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.stopped = False

    async def __call__(self, _: Claimed, journal: Journal) -> RunOutcome:
        journal.report = {"peers": [{"agent": "a", "outcome": "canceled"}]}
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped = True
        raise AssertionError("unreachable")


@pytest.mark.requirement("GW-26")
async def test_a_cancelled_run_stops_its_work_and_tells_the_report(
    checkpointer: Checkpointer, bus: Bus
) -> None:
    runs = Runs(checkpointer, bus, pool="router")
    blocker = Blocker()

    async with worker(runs, blocker).working():
        accepted = await runs.submit(request(), on_busy="reject", own=True)
        with anyio.fail_after(5):
            await blocker.began.wait()
            ended = await runs.cancel(LOCAL, accepted.run.run_id, reason="enough", wait_s=4)
        events = [event async for event in runs.follow(LOCAL, accepted.run.run_id)]

    assert blocker.stopped
    assert ended.status == "canceled"
    assert [event.type for event in events[-2:]] == ["run.canceling", "run.canceled"]
    report = events[-1].data["report"]
    assert isinstance(report, dict)
    assert report["reason"] == "enough"
    assert report["peers"] == [{"agent": "a", "outcome": "canceled"}]


async def test_an_executor_that_crashes_fails_its_run_only_and_says_nothing_of_why(
    checkpointer: Checkpointer,
) -> None:
    async def crash(_: Claimed, __: Journal) -> RunOutcome:
        raise ZeroDivisionError("secret detail")

    runs = Runs(checkpointer, MemoryBus(), pool="router")
    async with worker(runs, crash).working():
        accepted = await runs.submit(request(), on_busy="reject", own=True)
        with anyio.fail_after(5):
            ended = await runs.wait(LOCAL, accepted.run.run_id, seconds=4)

    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error["code"] == "internal"
    assert "secret" not in str(ended)


async def test_a_worker_that_leaves_hands_its_run_to_the_next_at_once(
    checkpointer: Checkpointer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.runs.worker.DRAIN_SECONDS", 0.05)
    runs = Runs(checkpointer, MemoryBus(), pool="router")
    blocker = Blocker()
    first = worker(runs, blocker, "first")
    async with first.working():
        accepted = await runs.submit(request("again"), on_busy="reject", own=True)
        with anyio.fail_after(5):
            await blocker.began.wait()

    async with worker(runs, echo, "second").working():
        with anyio.fail_after(2):
            ended = await runs.wait(LOCAL, accepted.run.run_id, seconds=2)
        kinds = [event.type async for event in runs.follow(LOCAL, accepted.run.run_id)]

    assert ended.status == "completed"
    assert "run.resumed" in kinds
    assert "run.recovered" not in kinds


async def test_what_was_recorded_is_adopted_not_written_again(checkpointer: Checkpointer) -> None:
    seen: list[JsonObject] = []

    async def twice(_: Claimed, journal: Journal) -> RunOutcome:
        seen.append(await journal.record(("a",), {"n": 1}, [said("first")]))
        seen.append(await journal.record(("a",), {"n": 2}, [said("second")]))
        return RunOutcome(Result(status="completed", text="done"))

    runs = Runs(checkpointer, MemoryBus(), pool="router")
    async with worker(runs, twice).working():
        accepted = await runs.submit(request(), on_busy="reject", own=True)
        kinds = [kind for _, kind in await numbers(runs, accepted.run.run_id)]

    assert seen == [{"n": 1}, {"n": 1}]
    assert kinds.count("agent.custom") == 1


async def test_a_run_that_ends_while_it_is_being_cancelled_is_cancelled(
    checkpointer: Checkpointer,
) -> None:
    runs = Runs(checkpointer, MemoryBus(), pool="router")

    async def too_late(claimed: Claimed, journal: Journal) -> RunOutcome:
        journal.emit(said("kept"))
        await checkpointer.runs.cancel(LOCAL, claimed.run.run_id, reason="stop", grace_s=1)
        return RunOutcome(Result(status="completed", text="done after all"))

    async with worker(runs, too_late).working():
        accepted = await runs.submit(request(), on_busy="reject", own=True)
        kinds = [kind for _, kind in await numbers(runs, accepted.run.run_id)]
        ended = await runs.read(LOCAL, accepted.run.run_id)

    assert ended.status == "canceled"
    assert kinds[-1] == "run.canceled"
    assert "agent.custom" in kinds


async def test_a_turn_on_a_thread_that_moved_on_fails_its_run_and_stores_nothing(
    checkpointer: Checkpointer,
) -> None:
    runs = Runs(checkpointer, MemoryBus(), pool="router")
    key = ThreadKey(LOCAL.tenant, LOCAL.subject, "moved")

    async def behind(claimed: Claimed, _: Journal) -> RunOutcome:
        await checkpointer.threads.append(key, [b'"new"'], expected=0, fence=claimed.held)
        turn = Turn(key, (b'"stale"',), expected=0)
        return RunOutcome(Result(status="completed", text="late"), turn=turn)

    async with worker(runs, behind).working():
        accepted = await runs.submit(request(thread_id="moved"), on_busy="reject", own=True)
        await numbers(runs, accepted.run.run_id)
        ended = await runs.read(LOCAL, accepted.run.run_id)
        thread = await checkpointer.threads.load(key)

    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error["code"] == "stale_thread"
    assert thread is not None
    assert thread.entries == (b'"new"',)


@pytest.mark.requirement("SSE-1", "SSE-4")
async def test_events_that_somebody_made_up_on_the_bus_are_shown_to_nobody(
    checkpointer: Checkpointer,
) -> None:
    bus = MemoryBus()
    front, back = Runs(checkpointer, bus, pool="router"), Runs(checkpointer, bus, pool="router")
    go, seen = anyio.Event(), list[Envelope]()

    async def execute(claimed: Claimed, journal: Journal) -> RunOutcome:
        journal.emit(said("one"))
        await go.wait()
        return await echo(claimed, journal)

    async with worker(back, execute).working(), front.listening():
        run = (await front.submit(request("true"), on_busy="reject")).run

        async def follow() -> None:
            async for event in front.follow(LOCAL, run.run_id):
                seen.append(event)
                if len(seen) == 3:
                    forge(bus, run.run_id, event)

        async def wait() -> None:
            ended = await front.wait(LOCAL, run.run_id, seconds=30)
            assert text_of(Result.answer_in(ended.result or {})) == "true"

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(follow)
                tasks.start_soon(wait)
                while len(seen) < 3:
                    await anyio.lowlevel.checkpoint()
                await bus.flush()
                await anyio.wait_all_tasks_blocked()
                assert len(seen) == 3
                go.set()

    stored = await checkpointer.runs.events(LOCAL, run.run_id, after=0, limit=100)
    assert seen == list(stored)
    assert "FORGED" not in str(seen)


def forge(bus: Bus, run_id: RunId, last: Envelope) -> None:
    """Say that the run went on and ended, as its own publisher once would have."""
    more = [
        last.model_copy(
            update={"seq": last.seq + n, "type": kind, "data": {"text": "FORGED", "name": "x"}}
        )
        for n, kind in ((1, "agent.custom"), (2, "run.completed"))
    ]
    text = ",".join(each.model_dump_json() for each in more)
    bus.publish(subjects.run(last.tenant, run_id), f"[{text}]".encode())
    bus.publish(subjects.run(last.tenant, run_id), b'{"seq": 99, "end": true}')


@pytest.mark.requirement("GW-6", "CKPT-8")
async def test_a_run_whose_thread_is_deleted_while_it_waits_does_not_hold_the_next_one_up(
    checkpointer: Checkpointer,
) -> None:
    runs = Runs(checkpointer, MemoryBus(), pool="router")
    thread = ThreadKey(LOCAL.tenant, LOCAL.subject, "t")

    async def asks_once(claimed: Claimed, journal: Journal) -> RunOutcome:
        if claimed.run.request["input"] == "ask":
            interrupt = Interrupt(id="a" * 32, reason="question", message="which?")
            return RunOutcome(Result(status="interrupted", interrupts=(interrupt,)))
        return await echo(claimed, journal)

    async with worker(runs, asks_once).working():
        first = await runs.submit(request("ask", thread_id="t"), on_busy="reject", own=True)
        await runs.wait(LOCAL, first.run.run_id, seconds=5)
        await checkpointer.threads.delete(thread, cancel=True)
        # Shorter than a lease, which whoever could not end it would leave it to.
        with anyio.fail_after(2):
            next_one = await runs.submit(request("go", thread_id="t"), on_busy="enqueue")
            ended = await runs.wait(LOCAL, next_one.run.run_id, seconds=5)

    assert ended.status == "completed"


async def test_each_run_says_in_the_log_how_it_ended_and_nothing_of_what_it_said(
    checkpointer: Checkpointer, caplog: pytest.LogCaptureFixture
) -> None:
    async def by_its_words(claimed: Claimed, journal: Journal) -> RunOutcome:
        del journal
        if claimed.run.request["input"] == "secret question":
            asks = Interrupt(id="i" * 32, reason="question", message="secret")
            return RunOutcome(Result(status="interrupted", interrupts=(asks,)))
        if claimed.run.request["input"] == "secret failure":
            return RunOutcome(Result.failed("model_failed", "secret"))
        return RunOutcome(Result(status="completed", text="secret"))

    runs = Runs(checkpointer, MemoryBus(), pool="p")
    worker = Worker(runs, by_its_words, name="w", operations=(MESH_RUN,))
    accepted = {}
    with caplog.at_level("INFO", logger="weft.runs.worker"):
        async with worker.working():
            for words in ("secret", "secret failure", "secret question"):
                run = (await runs.submit(request(words), on_busy="reject")).run
                accepted[run.run_id] = words
                await runs.wait(LOCAL, run.run_id, seconds=5)

    lines = {vars(record)["run_id"]: vars(record) for record in caplog.records}
    assert lines.keys() == accepted.keys()
    statuses = {accepted[run_id]: line["status"] for run_id, line in lines.items()}
    assert statuses == {
        "secret": "completed", "secret failure": "failed", "secret question": "interrupted"
    }  # fmt: skip
    for run_id, line in lines.items():
        assert line["message"] == "run_ended"
        assert (line["operation"], line["duration_ms"] >= 0) == ("run", True)
        assert ("code" in line) == (accepted[run_id] == "secret failure")
        assert "secret" not in str({**line, "args": None})
