"""Events of a claimed run on their way into its log: in order, in numbered batches."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from weft.checkpoint import Held, Recorded, RunStore, StepWrite, keepable
from weft.core.errors import FencedError, InputError
from weft.core.supervision import forever
from weft.events import Envelope, Event
from weft.runs.patience import patiently

Sink = Callable[[Sequence[Envelope]], None]

FLUSH_SECONDS = 0.01
"""Events added within this time share a commit; nobody watches more closely."""


def discard(_: Sequence[Envelope]) -> None:
    """Tell nobody of committed events: for runs that no process follows."""


class EventLog:
    """Writes the events of one claim, and steps behind those that came before them.

    What is added waits at most `FLUSH_SECONDS`. `sink` hears of every committed event, in order,
    on the event loop.
    """

    def __init__(self, store: RunStore, held: Held, sink: Sink) -> None:
        self.order = asyncio.Lock()
        """Held by whoever writes: one commit after the other."""
        self.sink = sink
        self._store = store
        self._held = held
        self._pending: list[Event] = []
        self._sending: list[Event] = []
        """The batch that was handed to the store and not confirmed; it may be kept already."""
        self._batch = 0
        self._closed = False
        self._due: asyncio.TimerHandle | None = None
        """When what was added will have waited long enough."""
        self._flusher: asyncio.Task[None] | None = None
        """At work only once something was due: most events leave with a step before that."""

    def add(self, events: Iterable[Event]) -> None:
        """Write the events soon."""
        self._pending.extend(events)
        if self._due is None and self._flusher is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._due = loop.call_later(FLUSH_SECONDS, self._begin_flush)

    async def flush(self) -> None:
        """Return once everything that was added is durable."""
        async with self.order:
            await self._confirm()
            self._sending = self._take()
            await self._confirm()

    async def take(self) -> tuple[Event, ...]:
        """Return and forget what was added but not yet written."""
        async with self.order:
            await self._confirm()
            return keepable(self._take())

    async def write_step(self, step: StepWrite) -> Recorded:
        """Write the step, and before its end, in the same commit, what was added until then.

        Call it holding `order`.
        """
        await self._confirm()
        earlier = self._take()
        try:
            recorded = await self._record(step, earlier)
        except InputError:
            kept = keepable(earlier)
            self._pending[:0] = kept
            if kept == tuple(earlier):
                # It is the step itself that cannot be kept.
                raise
            recorded = await self._record(step, self._take())
        self.sink(recorded.events)
        return recorded

    async def aclose(self) -> None:
        """Write nothing more by itself."""
        self._closed = True
        if self._due is not None:
            self._due.cancel()
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.wait({self._flusher})

    async def _record(self, step: StepWrite, earlier: Sequence[Event]) -> Recorded:
        behind = StepWrite(step.path, step.outcome, (*earlier, *step.events))
        return await patiently(partial(self._store.record_step, self._held, behind))

    async def _confirm(self) -> None:
        """Write the batch in hand, which is empty then.

        It stays as it is, with its number, until the store said what became of it: a commit whose
        acknowledgement was lost is known by its number, and other events under it would be taken
        for a repetition.
        """
        if not self._sending:
            return
        append = partial(self._store.append, self._held, self._batch + 1)
        try:
            envelopes = await patiently(partial(append, self._sending))
        except InputError:
            # Refused before anything was sent: no database keeps this, and what comes later must
            # not wait for it for ever.
            self._sending = [*keepable(self._sending)]
            envelopes = await patiently(partial(append, self._sending))
        self._batch += 1
        self._sending = []
        self.sink(envelopes)

    def _take(self) -> list[Event]:
        pending, self._pending = self._pending, []
        return pending

    def _begin_flush(self) -> None:
        self._due = None
        if self._pending or self._sending:
            name = f"flush {self._held.run_id}"
            self._flusher = asyncio.create_task(forever(self._flush_all, name=name), name=name)

    async def _flush_all(self) -> None:
        """Write what is due, and what comes while that is written a little later."""
        while self._pending or self._sending:
            try:
                await self.flush()
            except FencedError:
                # Nothing can be written any more; the work hears of it by its own next write.
                return
            await asyncio.sleep(FLUSH_SECONDS)
        self._flusher = None
