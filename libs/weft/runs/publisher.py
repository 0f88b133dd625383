"""Tells other processes what was committed: soon, in batches, and never on the run's path."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from weft.bus import Bus, subjects
from weft.core import Record, RunId, new_id
from weft.core.supervision import guarded
from weft.events import TERMINAL_EVENTS, Envelope

BATCH_SECONDS = 0.02
"""How long an event may wait for others, of any run: what leaves together is one write."""
MAX_SEQ = 2**53
_AT_ONCE = TERMINAL_EVENTS | {"run.interrupted"}


class Publisher(Protocol):
    """Hears of committed events, those of one run at a time and in order."""

    @property
    def heard_at(self) -> str:
        """The subject on which other processes hear of them."""
        ...

    def tell(self, events: Sequence[Envelope]) -> None: ...

    def sent(self, payload: bytes) -> bool:
        """Tell whether this publisher sent the message: its own process knows more already."""
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

    def sent(self, payload: bytes) -> bool:  # noqa: ARG002 - a hint does not say who gave it
        return False

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

    The specialist's caller hears of the events over A2A, so nobody else needs them.
    """

    def __init__(self, bus: Bus, service: str) -> None:
        self._bus = bus
        self._service = service
        # The bus brings our own wake-ups back to us, and each would make a stream read the store.
        self._mark = new_id().encode()
        self._waiting: set[RunId] = set()
        self._soon = False

    @property
    def heard_at(self) -> str:
        return subjects.all_tasks(self._service)

    def tell(self, events: Sequence[Envelope]) -> None:
        run_id = RunId(events[0].run_id)
        if events[-1].type in _AT_ONCE:
            self._publish(run_id)
            return
        self._waiting.add(run_id)
        if not self._soon:
            self._soon = True
            _later(self._publish_all)

    def sent(self, payload: bytes) -> bool:
        return payload == self._mark

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
