"""Tells other processes what was committed: soon, in batches, and never on the run's path."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from weft.bus import Bus, subjects
from weft.core import SYSTEM_CLOCK, Clock, Record, RunId, new_id
from weft.core.supervision import guarded
from weft.events import TERMINAL_EVENTS, Envelope

BATCH_SECONDS = 0.02
"""How long an event may wait for others, of any run: what leaves together is one write."""
MAX_SEQ = 2**53
LISTENED_SECONDS = 3.0
"""How long a replica is taken to listen after it was heard; it says so more often while it does."""
_AT_ONCE = TERMINAL_EVENTS | {"run.interrupted"}


class Publisher(Protocol):
    """Hears of committed events, those of one run at a time and in order."""

    @property
    def heard_at(self) -> str:
        """The subject on which other processes hear of them."""
        ...

    def tell(self, events: Sequence[Envelope]) -> None: ...

    def listen(self) -> None:
        """Say that this process follows a run which another one may be at work on."""
        ...

    def heard(self, payload: bytes) -> bool:
        """Take a message in; tell whether it says anything that this process cannot know."""
        ...


class Hint(Record):
    """What travels of committed events: nothing that anybody need believe, or may not read."""

    seq: int
    """The number of the last one."""
    end: bool = False
    """It ends the run, or asks a person."""


class EventPublisher:
    """Tells the whole mesh that a run went on: once for 20 ms of events, of an end at once.

    The events themselves stay in the store, which every reader asks anyway before it shows one.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[RunId, Envelope] = {}
        self._soon = False

    @property
    def heard_at(self) -> str:
        return subjects.all_runs()

    def tell(self, events: Sequence[Envelope]) -> None:
        last = events[-1]
        self._waiting[RunId(last.run_id)] = last
        if last.type in _AT_ONCE:
            self._publish(RunId(last.run_id))
        elif not self._soon:
            self._soon = True
            _later(self._publish_all)

    def listen(self) -> None:
        """Nothing: hints of a run are for anybody who may follow it."""

    def heard(self, payload: bytes) -> bool:  # noqa: ARG002 - a hint does not say who gave it
        return True

    def _publish_all(self) -> None:
        self._soon = False
        for run_id in tuple(self._waiting):
            self._publish(run_id)

    def _publish(self, run_id: RunId) -> None:
        last = self._waiting.pop(run_id)
        # Spelled out: it is sent several times a run, and a `Hint` made of it would be thrown away.
        hint = b'{"seq":%d,"end":%s}' % (last.seq, b"true" if last.type in _AT_ONCE else b"false")
        # They are committed: whoever misses the hint reads the store.
        with guarded("run event publication"):
            self._bus.publish(subjects.run(last.tenant, run_id), hint)


class TaskPublisher:
    """Wakes the streams on a specialist's other replicas, which share its store; says no more.

    The specialist's caller hears of the events over A2A, so nobody else needs them: while no
    replica has said that it listens, nothing is sent. What is told before one is heard, its next
    look in the store finds.
    """

    def __init__(self, bus: Bus, service: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._bus = bus
        self._service = service
        self._clock = clock
        # The bus brings our own wake-ups back to us, and each would make a stream read the store.
        self._self = RunId(new_id())
        """Stands where a run's id does in what is said of none, and in all that is said by us."""
        self._mark = self._self.encode()
        self._waiting: set[RunId] = set()
        self._soon = False
        self._needed_until = 0.0

    @property
    def heard_at(self) -> str:
        return subjects.all_tasks(self._service)

    def tell(self, events: Sequence[Envelope]) -> None:
        if self._clock.monotonic() >= self._needed_until:
            return
        run_id = RunId(events[0].run_id)
        if events[-1].type in _AT_ONCE:
            self._publish(run_id)
            return
        self._waiting.add(run_id)
        if not self._soon:
            self._soon = True
            _later(self._publish_all)

    def listen(self) -> None:
        self._publish(self._self)

    def heard(self, payload: bytes) -> bool:
        if payload == self._mark:
            return False
        self._needed_until = self._clock.monotonic() + LISTENED_SECONDS
        return True

    def _publish_all(self) -> None:
        self._soon = False
        for run_id in tuple(self._waiting):
            self._publish(run_id)

    def _publish(self, run_id: RunId) -> None:
        self._waiting.discard(run_id)
        with guarded("task event publication"):
            self._bus.publish(subjects.task(self._service, run_id), self._mark)


def _later(act: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(BATCH_SECONDS, act)
