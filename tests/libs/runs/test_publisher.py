"""What leaves the process when events are committed: few messages, and the end at once."""

import asyncio

import orjson

from weft.bus import MemoryBus, subjects
from weft.core import RunId, new_run_id
from weft.events import Envelope
from weft.runs import EventPublisher, Listener, TaskPublisher
from weft.runs.hub import PLACES

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


def numbers(payload: bytes) -> list[int]:
    return [each["seq"] for each in orjson.loads(payload)]


async def test_events_close_together_travel_together() -> None:
    bus = Recorder()
    publisher = EventPublisher(bus)

    publisher.tell([event(1)])
    publisher.tell([event(2), event(3)])
    async with asyncio.timeout(5):
        await bus.news.wait()

    assert [subject for subject, _ in bus.sent] == [subjects.run("acme", RUN)]
    assert numbers(bus.sent[0][1]) == [1, 2, 3]


async def test_an_end_travels_at_once_with_what_waited() -> None:
    bus = Recorder()
    publisher = EventPublisher(bus)

    publisher.tell([event(1)])
    publisher.tell([event(2, "run.completed")])

    assert [numbers(payload) for _, payload in bus.sent] == [[1, 2]]


async def test_what_is_too_large_to_travel_is_told_by_its_number() -> None:
    bus = Recorder()

    EventPublisher(bus).tell([event(7, "run.completed", filler="x" * 300_000)])

    assert orjson.loads(bus.sent[0][1]) == {"seq": 7}


async def test_a_specialist_only_wakes_its_replicas() -> None:
    bus = Recorder()
    publisher = TaskPublisher(bus, "logs")

    publisher.tell([event(1)])
    publisher.tell([event(2)])
    publisher.tell([event(3, "run.completed")])

    [(subject, payload)] = bus.sent
    assert subject == subjects.task("logs", RUN)
    assert publisher.sent(payload)
    assert not TaskPublisher(bus, "logs").sent(payload)


async def test_a_listener_keeps_at_most_its_places_and_the_newest() -> None:
    listener = Listener()

    listener.tell([event(n) for n in range(1, 3001)])
    unread = await listener.next(within=5)

    assert unread is not None
    assert [each.seq for each in unread] == list(range(3001 - PLACES, 3001))


async def test_events_that_cannot_be_told_are_told_to_nobody_and_hurt_no_others() -> None:
    bus = Recorder()
    publisher = EventPublisher(bus)
    other = event(1).model_copy(update={"run_id": new_run_id()})

    publisher.tell([event(1, filler="a\ud800")])
    publisher.tell([other])
    async with asyncio.timeout(5):
        await bus.news.wait()
    publisher.tell([event(2, "run.completed", filler="a\ud800")])

    assert [subject for subject, _ in bus.sent] == [subjects.run("acme", RunId(other.run_id))]
