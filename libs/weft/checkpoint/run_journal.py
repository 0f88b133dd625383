"""The journal of a run that a store holds, and one for work that nothing durable stands behind."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from weft.checkpoint.base import Claimed, Held
from weft.checkpoint.checkpointer import Checkpointer
from weft.checkpoint.effects import EffectCall, EffectOutcome, Intent
from weft.checkpoint.journal import Journal
from weft.checkpoint.steps import Recorded, StepWrite
from weft.checkpoint.text import keepable
from weft.core import JsonObject, Path, Principal, RunId, new_run_id
from weft.core.errors import (
    EffectSettledError,
    FencedError,
    InputError,
    NotFoundError,
    StoreError,
)
from weft.core.supervision import forever
from weft.events import Envelope, Event

__all__ = ["LocalJournal", "RunJournal", "patiently"]

Sink = Callable[[Sequence[Envelope]], None]

T = TypeVar("T")

PATIENCE_SECONDS = 10.0
"""How long a write waits for a database that is away or full; then its run is left to its lease."""
FLUSH_SECONDS = 0.01
"""Events emitted within this time share a commit; nobody watches more closely."""
_EFFECTS = frozenset({"agent.effect.intended", "agent.effect.settled"})
_OUTCOMES: Mapping[str, str] = {"done": "done", "not_done": "not_started"}
"""How a report says what became of an effect; one without an outcome yet is unknown."""


def discard(_: Sequence[Envelope]) -> None:
    """Tell nobody of committed events: for runs that no process follows."""


class RunJournal(Journal):
    """Writes one claimed run's log; use it as an async context manager.

    Emitted events wait at most `FLUSH_SECONDS`, then share one commit. `sink` hears of every
    committed event, in order, on the event loop.
    """

    def __init__(self, checkpointer: Checkpointer, claimed: Claimed, sink: Sink = discard) -> None:
        self.held: Held = claimed.held
        self.run_id = claimed.held.run_id
        self.root_id = claimed.run.root_id
        self.thread_id = claimed.run.thread_id
        self._parts: JsonObject = {}
        self._acts: dict[str, JsonObject] = {}
        self._runs = checkpointer.runs
        self._effects = checkpointer.effects
        self._steps = dict(claimed.steps)
        self._sink = sink
        self._pending: list[Event] = []
        self._claimed = claimed
        self._adopted: dict[str, int] = {}
        self._batch = 0
        self._sending: list[Event] = []
        """The batch that was handed to the store and not confirmed; it may be kept already."""
        self._order = asyncio.Lock()
        self._wake = asyncio.Event()
        self._flusher: asyncio.Task[None] | None = None
        self._handed_over = False
        self._canceling = claimed.run.cancel

    async def __aenter__(self) -> Self:
        if self.held.epoch > 1:
            await self._learn_adopted()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.wait({self._flusher})

    @property
    def handed_over(self) -> bool:
        return self._handed_over

    @property
    def canceling(self) -> JsonObject | None:
        return self._canceling

    def cancel(self, asked: JsonObject) -> None:
        """Say, before its task is cancelled, who asked for that, why, and with which grace."""
        self._canceling = asked

    def hand_over(self) -> None:
        """Say, before its task is cancelled, that the run is not over: another owner goes on."""
        self._handed_over = True

    @property
    def steps(self) -> Mapping[Path, JsonObject]:
        return self._steps

    @property
    def report(self) -> JsonObject:
        """What was set, with what the log says of each effect."""
        listed = self._parts.get("effects")
        set_here = listed if isinstance(listed, list) else []
        keys = {str(each.get("key")) for each in set_here if isinstance(each, dict)}
        logged = [each for key, each in self._acts.items() if key not in keys]
        return {**self._parts, "effects": [*logged, *set_here]}

    @report.setter
    def report(self, parts: JsonObject) -> None:
        self._parts = parts

    async def record(
        self, path: Path, outcome: JsonObject, events: Sequence[Event] = ()
    ) -> JsonObject:
        if (stored := self._steps.get(path)) is not None:
            return stored
        async with self._order:
            # It may have been recorded while this waited; its events are told already then.
            if (stored := self._steps.get(path)) is not None:
                return stored
            await self._confirm()
            recorded = await self._recorded(path, outcome, events)
            self._steps[path] = recorded.outcome
            self._sink(recorded.events)
        return recorded.outcome

    def emit(self, *events: Event) -> None:
        fresh = [event for event in events if self._is_fresh(event)]
        if not fresh:
            return
        self._pending.extend(fresh)
        self._note(fresh)
        if self._flusher is None:
            name = f"flush {self.run_id}"
            self._flusher = asyncio.create_task(forever(self._flush_soon, name=name), name=name)
        self._wake.set()

    async def flush(self) -> None:
        async with self._order:
            await self._confirm()
            self._sending = self._take()
            await self._confirm()

    async def take_pending(self) -> tuple[Event, ...]:
        """Return and forget what was emitted but not yet written, for the commit that ends the run.

        Call it with nothing of this journal under way.
        """
        async with self._order:
            await self._confirm()
            return keepable(self._take())

    async def _confirm(self) -> None:
        """Write the batch in hand, which is empty then.

        It stays as it is, with its number, until the store said what became of it: a commit whose
        acknowledgement was lost is known by its number, and other events under it would be taken
        for a repetition.
        """
        if not self._sending:
            return
        append = partial(self._runs.append, self.held, self._batch + 1)
        try:
            told = await patiently(partial(append, self._sending))
        except InputError:
            # Refused before anything was sent: no database keeps this, and what comes later must
            # not wait for it for ever.
            self._sending = [*keepable(self._sending)]
            told = await patiently(partial(append, self._sending))
        self._batch += 1
        self._sending = []
        self._sink(told)

    async def _recorded(self, path: Path, outcome: JsonObject, events: Sequence[Event]) -> Recorded:
        """Write the step, and before its end, in the same commit, what was told until then."""
        earlier = self._take()
        step = StepWrite(path, outcome, (*earlier, *events))
        try:
            return await patiently(partial(self._runs.record_step, self.held, step))
        except InputError:
            kept = keepable(earlier)
            self._pending[:0] = kept
            if kept == tuple(earlier):
                # It is the step itself that cannot be kept.
                raise
        step = StepWrite(path, outcome, (*self._take(), *events))
        return await patiently(partial(self._runs.record_step, self.held, step))

    async def intend(
        self, call: EffectCall, *, again: bool = False, events: Sequence[Event] = ()
    ) -> Intent:
        await self.flush()
        intent = await self._effects.intend(self.held, call, again=again, events=events)
        if intent.state == "granted":
            self._note(events)
        self._sink(intent.events)
        return intent

    async def settle(
        self, key: str, attempt: int, outcome: EffectOutcome, *, events: Sequence[Event] = ()
    ) -> None:
        await self.flush()
        self._sink(await self._effects.settle(self.held, key, attempt, outcome, events=events))
        self._note(events)

    async def doubt(self, key: str, attempt: int) -> None:
        await self._effects.doubt(self.held, key, attempt)

    async def find_effect(self, key: str) -> Intent | None:
        return await self._effects.find_effect(key)

    def _note(self, events: Sequence[Event]) -> None:
        """Keep what the log says of effects, its own and those of its peers."""
        for event in events:
            if event.type in _EFFECTS:
                data = event.data.to_json()
                self._acts[str(data.get("key"))] = {
                    "key": data.get("key"),
                    "tool": data.get("tool_name"),
                    "path": [*event.path],
                    "outcome": _OUTCOMES.get(str(data.get("outcome")), "unknown"),
                }

    def _take(self) -> list[Event]:
        pending, self._pending = self._pending, []
        return pending

    def _is_fresh(self, event: Event) -> bool:
        """Tell whether the event is ours, or was not adopted from its own run before."""
        origin = event.origin
        if origin is None:
            return True
        if origin.seq <= self._adopted.get(origin.run_id, 0):
            return False
        self._adopted[origin.run_id] = origin.seq
        return True

    async def _learn_adopted(self) -> None:
        """Read how far earlier owners adopted each peer's events: a peer tells them all again."""
        run = self._claimed.run
        owner = Principal(tenant=run.tenant, subject=run.subject)
        after = 0
        while page := await self._logged(owner, after):
            after = page[-1].seq
            self._note([each.event() for each in page if each.type in _EFFECTS])
            for event in page:
                if event.origin is not None:
                    known = self._adopted.get(event.origin.run_id, 0)
                    self._adopted[event.origin.run_id] = max(known, event.origin.seq)

    async def _logged(self, owner: Principal, after: int) -> Sequence[Envelope]:
        try:
            return await self._runs.events(owner, self.run_id, after=after)
        except NotFoundError:
            # Its thread was deleted: what is left to do is its end.
            return ()

    async def _flush_soon(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(FLUSH_SECONDS)
            self._wake.clear()
            try:
                await self.flush()
            except FencedError:
                # Nothing can be written any more; the work hears of it by its own next write.
                return
            except StoreError:
                self._wake.set()
                raise


async def patiently(write: Callable[[], Awaitable[T]]) -> T:
    """Repeat a write, which every write may be, while the database is away or full."""
    delay = 0.02
    waited = 0.0
    while True:
        try:
            return await write()
        except StoreError:
            if waited >= PATIENCE_SECONDS:
                raise
        await asyncio.sleep(delay)
        waited += delay
        delay = min(delay * 2, 1.0)


class LocalJournal(Journal):
    """Keeps a run's steps, events and effects in this process only, for as long as it lives."""

    held: Held | None = None

    def __init__(
        self,
        *,
        run_id: RunId | None = None,
        thread_id: str = "",
        tell: Callable[[Event], None] | None = None,
    ) -> None:
        self.run_id = run_id or new_run_id()
        self.root_id = self.run_id
        self.thread_id = thread_id
        self.report = {}
        self._steps: dict[Path, JsonObject] = {}
        self._effects: dict[str, Intent] = {}
        self._tell = tell

    @property
    def steps(self) -> Mapping[Path, JsonObject]:
        return self._steps

    async def record(
        self, path: Path, outcome: JsonObject, events: Sequence[Event] = ()
    ) -> JsonObject:
        if path not in self._steps:
            self._steps[path] = outcome
            self.emit(*events)
        return self._steps[path]

    def emit(self, *events: Event) -> None:
        if self._tell is not None:
            for event in events:
                self._tell(event)

    async def flush(self) -> None:
        """Nothing waits here."""

    async def intend(
        self, call: EffectCall, *, again: bool = False, events: Sequence[Event] = ()
    ) -> Intent:
        known = self._effects.get(call.key)
        if known is None:
            attempt = 1
        elif _repeatable(known, again=again):
            attempt = known.attempt + 1
        else:
            return known
        self._effects[call.key] = Intent("in_progress", attempt, run_id=self.run_id)
        self.emit(*events)
        return Intent("granted", attempt, run_id=self.run_id)

    async def settle(
        self, key: str, attempt: int, outcome: EffectOutcome, *, events: Sequence[Event] = ()
    ) -> None:
        known = self._effects[key]
        if known.outcome is not None and known.attempt == attempt:
            if known.outcome != outcome:
                raise EffectSettledError(f"attempt {attempt} of {key} has another outcome")
            return
        self._effects[key] = Intent("settled", attempt, outcome, run_id=self.run_id)
        self.emit(*events)

    async def doubt(self, key: str, attempt: int) -> None:
        self._effects[key] = Intent("unknown", attempt, run_id=self.run_id)

    async def find_effect(self, key: str) -> Intent | None:
        return self._effects.get(key)


def _repeatable(known: Intent, *, again: bool) -> bool:
    """Tell whether the body may run once more under the same key."""
    if known.outcome is not None:
        return known.outcome.kind == "not_done"
    return again and known.state == "unknown"
