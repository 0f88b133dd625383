"""What leaves the process when events are committed: few messages, and the end at once."""

import asyncio

import anyio
import orjson
import pytest

from weft.bus import MemoryBus, subjects
from weft.core import Clock, new_run_id
from weft.events import Envelope
from weft.runs import EventPublisher, Listener, TaskPublisher
from weft.runs.hub import PLACES
from weft.runs.publisher import LISTENED_SECONDS

RUN = new_run_id()


class Recorder(MemoryBus):
    """Keeps what was published."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, bytes]] = []
        self.news = asyncio.Event()

    def publish(self, subject: str, payload: bytes) -> None:
        self.sent.append((subject, payload))
        self.news.set()


class ByHand(Clock):
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def event(seq: int, kind: str = "agent.custom", *, filler: str = "") -> Envelope:
    return Envelope(
        run_id=RUN,
        seq=seq,
        type=kind,
        ts="2026-01-31T12:00:00.000Z",
        tenant="acme",
        thread_id="t",
        data={"filler": filler},
    )


def hints(bus: Recorder) -> list[object]:
    return [orjson.loads(payload) for _, payload in bus.sent]


async def test_of_events_close_together_one_hint_travels_and_no_word_of_them() -> None:
    bus = Recorder()
    publisher = EventPublisher(bus)

    publisher.tell([event(1, filler="secret")])
    publisher.tell([event(2), event(3, filler="secret")])
    async with asyncio.timeout(5):
        await bus.news.wait()

    assert [subject for subject, _ in bus.sent] == [subjects.run("acme", RUN)]
    assert hints(bus) == [{"seq": 3, "end": False}]


@pytest.mark.parametrize("kind", ["run.completed", "run.interrupted"])
async def test_of_an_end_and_of_a_question_the_hint_travels_at_once(kind: str) -> None:
    bus = Recorder()
    publisher = EventPublisher(bus)

    publisher.tell([event(1)])
    publisher.tell([event(2, kind)])

    assert hints(bus) == [{"seq": 2, "end": True}]


async def test_a_specialist_only_wakes_its_replicas() -> None:
    bus = Recorder()
    publisher, replica = TaskPublisher(bus, "logs"), TaskPublisher(bus, "logs")

    replica.listen()
    [(_, greeting)] = bus.sent
    assert publisher.heard(greeting)
    publisher.tell([event(1)])
    publisher.tell([event(2)])
    publisher.tell([event(3, "run.completed")])

    [_, (subject, payload)] = bus.sent
    assert subject == subjects.task("logs", RUN)
    assert not publisher.heard(payload)
    assert replica.heard(payload)


@pytest.mark.parametrize("listened", [False, True])
async def test_where_no_replica_listens_or_none_does_any_more_nothing_is_sent(
    *, listened: bool
) -> None:
    bus, clock = Recorder(), ByHand()
    publisher = TaskPublisher(bus, "logs", clock=clock)
    # One's own words come back from the bus.
    publisher.listen()
    [(_, own)] = bus.sent
    publisher.heard(own)
    if listened:
        publisher.heard(b"another's")
        clock.at += LISTENED_SECONDS

    publisher.tell([event(1)])
    publisher.tell([event(2, "run.completed")])

    assert len(bus.sent) == 1


async def test_a_listener_keeps_at_most_its_places_and_the_newest() -> None:
    listener = Listener()

    listener.tell([event(n) for n in range(1, 3001)])
    unread = await listener.next(within=5)

    assert unread is not None
    assert [each.seq for each in unread] == list(range(3001 - PLACES, 3001))


async def test_a_hint_of_what_is_known_wakes_nobody_and_a_made_up_one_only_once() -> None:
    listener = Listener()
    with anyio.fail_after(5):
        listener.hint(7, end=False)
        # Number 7 is known: it waits until the time is over.
        assert await listener.next(within=0.01, after=7) is None
        listener.hint(10**9, end=False)
        assert await listener.next(within=60, after=7) == []
        assert await listener.next(within=0.01, after=7) is None


async def test_who_waits_for_the_end_is_woken_by_no_other_hint() -> None:
    listener = Listener()
    woken = anyio.Event()

    async def wait() -> None:
        assert await listener.next(within=60, end=True) == []
        woken.set()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            listener.hint(5, end=False)
            # Not even to look for itself: in a front door a request and all around it would run.
            assert listener._news is not None
            assert not listener._news.done()
            listener.look(6, end=False)
            assert not listener._news.done()
            await anyio.wait_all_tasks_blocked()
            assert not woken.is_set()
            listener.hint(6, end=True)
