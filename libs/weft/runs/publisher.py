"""Tells other processes what was committed: soon, in batches, and never on the run's path."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from weft.bus import Bus, subjects
from weft.core import RunId, dumps
from weft.events import TERMINAL_EVENTS, Envelope

BATCH_SECONDS = 0.01
MAX_MESSAGE = 256 * 1024
_AT_ONCE = TERMINAL_EVENTS | {"run.interrupted"}


class Publisher(Protocol):
    """Hears of committed events, those of one run at a time and in order."""

    @property
    def heard_at(self) -> str:
        """The subject on which other processes hear of them."""
        ...

    def tell(self, events: Sequence[Envelope]) -> None: ...


class EventPublisher:
    """Publishes a run's events to the whole mesh: those of 10 ms together, an end at once."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[RunId, list[Envelope]] = {}

    @property
    def heard_at(self) -> str:
        return subjects.all_runs()

    def tell(self, events: Sequence[Envelope]) -> None:
        run_id = RunId(events[0].run_id)
        waiting = self._waiting.get(run_id)
        if waiting is None:
            self._waiting[run_id] = list(events)
            _later(self._publish, run_id)
        else:
            waiting.extend(events)
        if events[-1].type in _AT_ONCE:
            self._publish(run_id)

    def _publish(self, run_id: RunId) -> None:
        events = self._waiting.pop(run_id, None)
        if not events:
            return
        payload = b"[" + b",".join(event.model_dump_json().encode() for event in events) + b"]"
        if len(payload) > MAX_MESSAGE:
            payload = dumps({"seq": events[-1].seq})
        self._bus.publish(subjects.run(events[0].tenant, run_id), payload)


class TaskPublisher:
    """Wakes the streams on a specialist's other replicas, which share its store; says no more.

    The specialist's caller hears of the events over A2A, so nobody else needs them.
    """

    def __init__(self, bus: Bus, service: str) -> None:
        self._bus = bus
        self._service = service
        self._waiting: set[RunId] = set()

    @property
    def heard_at(self) -> str:
        return subjects.all_tasks(self._service)

    def tell(self, events: Sequence[Envelope]) -> None:
        run_id = RunId(events[0].run_id)
        if events[-1].type in _AT_ONCE:
            self._publish(run_id)
        elif run_id not in self._waiting:
            self._waiting.add(run_id)
            _later(self._wake, run_id)

    def _wake(self, run_id: RunId) -> None:
        if run_id in self._waiting:
            self._publish(run_id)

    def _publish(self, run_id: RunId) -> None:
        self._waiting.discard(run_id)
        self._bus.publish(subjects.task(self._service, run_id), b"")


def _later(act: Callable[[RunId], None], run_id: RunId) -> None:
    asyncio.get_running_loop().call_later(BATCH_SECONDS, act, run_id)
