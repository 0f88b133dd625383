"""A run's journal survives whatever is told through it and whatever its database does."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.libs.runs.outage import Outage
from weft.checkpoint import Checkpointer, get_checkpointer
from weft.core.errors import FencedError, InputError, StoreFullError, StoreUnavailableError
from weft.events import AnyData, Envelope, Event
from weft.runs import RunJournal
from weft.testing.store_values import ALICE, ending, started


@pytest.fixture(params=["memory:", "sqlite:{}"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Checkpointer]:
    async with aclosing(get_checkpointer(str(request.param).format(tmp_path / "db"))) as opened:
        yield opened


def said(words: str) -> Event:
    return Event(type="agent.custom", data=AnyData.model_validate({"name": words}))


class Heard:
    """Hears of committed events."""

    def __init__(self) -> None:
        self.events: list[Envelope] = []
        self._news = asyncio.Event()

    def __call__(self, events: Sequence[Envelope]) -> None:
        self.events += events
        self._news.set()

    @property
    def names(self) -> list[object]:
        return [each.data.get("name") for each in self.events]

    async def until(self, name: str) -> None:
        with anyio.fail_after(10):
            while name not in self.names:
                self._news.clear()
                await self._news.wait()


ODD = {
    "an odd agent": said("fine").model_copy(update={"agent": "a\0"}),
    "an odd path": said("fine").under(("a\0",)),
    "an end": Event(type="run.completed"),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
async def test_an_event_that_cannot_be_kept_is_replaced_and_later_ones_go_on(
    odd: Event, store: Checkpointer
) -> None:
    claimed, heard = await started(store), Heard()

    async with RunJournal(store, claimed, heard) as journal:
        journal.emit(said("before"), odd, said("after"))
        await heard.until("after")
        journal.emit(said("later"))
        await journal.flush()
        kept = await store.runs.events(ALICE, claimed.run.run_id)

    assert heard.names == ["before", "event_not_kept", "after", "later"]
    assert isinstance(told := heard.events[1].data["data"], dict)
    assert told["event"] == odd.type
    assert kept[-4:] == tuple(heard.events)
    assert [each.seq for each in kept] == list(range(1, len(kept) + 1))


async def test_a_step_is_recorded_whatever_was_told_before_it(store: Checkpointer) -> None:
    claimed, heard = await started(store), Heard()

    async with RunJournal(store, claimed, heard) as journal:
        journal.emit(said("before"), ODD["an end"])
        stored = await journal.record(("a",), {"n": 1}, [said("step")])

    assert stored == {"n": 1}
    assert heard.names == ["before", "event_not_kept", "step"]


async def test_a_step_that_cannot_be_kept_is_refused_and_loses_no_event(
    store: Checkpointer,
) -> None:
    claimed, heard = await started(store), Heard()

    async with RunJournal(store, claimed, heard) as journal:
        journal.emit(said("before"))
        with pytest.raises(InputError):
            await journal.record(("a",), {"n": "\0"})
        await journal.flush()

    assert heard.names == ["before"]


async def test_what_a_run_leaves_for_its_last_commit_can_be_kept(store: Checkpointer) -> None:
    claimed = await started(store)

    async with RunJournal(store, claimed) as journal:
        journal.emit(said("before"), ODD["an end"], ODD["an end"])
        pending = await journal.take_pending()
        end = ending()
        told = await store.runs.finish(claimed.held, replace(end, events=(*pending, *end.events)))

    assert [each.data.get("name") for each in told[:-1]] == ["before"] + ["event_not_kept"] * 2


@pytest.mark.parametrize("error", [StoreUnavailableError("away"), StoreFullError("full")])
async def test_a_batch_that_failed_is_written_once_whatever_its_first_try_came_to(
    error: StoreUnavailableError | StoreFullError,
    store: Checkpointer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("weft.runs.patience.PATIENCE_SECONDS", 0)
    monkeypatch.setattr("weft.runs.journal.event_log.FLUSH_SECONDS", 60)
    claimed, heard = await started(store), Heard()
    append = store.runs.append
    lost = ["an acknowledgement"]

    async def kept_but_not_told(*args: object) -> tuple[Envelope, ...]:
        told = await append(*args)  # type: ignore[arg-type]
        if lost:
            lost.pop()
            raise error
        return told

    monkeypatch.setattr(store.runs, "append", kept_but_not_told)
    async with RunJournal(store, claimed, heard) as journal:
        journal.emit(said("one"))
        with pytest.raises(type(error)):
            await journal.flush()
        journal.emit(said("two"))
        await journal.flush()
        kept = await store.runs.events(ALICE, claimed.run.run_id)

    assert [each.data.get("name") for each in kept[-2:]] == ["one", "two"]
    assert len(kept) == 4
    # Of the first the acknowledgement is lost: whoever follows reads the store.
    assert heard.names == ["two"]


async def test_the_flusher_outlives_an_outage_that_outlasts_its_patience(
    store: Checkpointer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.runs.patience.PATIENCE_SECONDS", 0)
    monkeypatch.setattr("weft.core.supervision.FIRST_PAUSE_SECONDS", 0.01)
    claimed, heard = await started(store), Heard()
    outage = Outage(monkeypatch, store.runs, "append", StoreFullError("full"))

    async with RunJournal(store, claimed, heard) as journal:
        outage.on = True
        journal.emit(said("one"))
        await outage.failed(2)
        journal.emit(said("two"))
        outage.on = False
        await heard.until("two")

    assert heard.names == ["one", "two"]


async def test_an_event_that_nobody_flushes_is_written_and_so_is_one_that_comes_much_later(
    store: Checkpointer,
) -> None:
    claimed, heard = await started(store), Heard()

    async with RunJournal(store, claimed, heard) as journal:
        for name in ("one", "two", "three"):
            journal.emit(said(name))
            await heard.until(name)
        journal.emit(said("left"))

    assert heard.names == ["one", "two", "three"]
    assert len(await store.runs.events(ALICE, claimed.run.run_id)) == 5


async def test_a_fenced_journal_says_so_to_whoever_writes_next(store: Checkpointer) -> None:
    claimed = await started(store)

    async with RunJournal(store, claimed) as journal:
        await store.runs.finish(claimed.held, ending())
        journal.emit(said("late"))
        with anyio.fail_after(5), pytest.raises(FencedError):
            await journal.flush()
        with anyio.fail_after(5), pytest.raises(FencedError):
            await journal.flush()
