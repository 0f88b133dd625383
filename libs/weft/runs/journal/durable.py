"""The journal of a run that a store holds, written under its owner's claim."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from weft.checkpoint import (
    Checkpointer,
    Claimed,
    EffectCall,
    EffectOutcome,
    Held,
    Intent,
    StepWrite,
)
from weft.core import NO_USAGE, JsonObject, Path
from weft.core.errors import NotFoundError
from weft.events import Envelope, Event
from weft.runs.journal.adoption import Adoption
from weft.runs.journal.contract import Journal
from weft.runs.journal.effect_report import EFFECT_EVENTS, EffectReport
from weft.runs.journal.event_log import EventLog, Sink, discard

__all__ = ["RunJournal"]


class RunJournal(Journal):
    """Writes one claimed run's log, steps and effects; use it as an async context manager.

    `sink` hears of every committed event, in order, on the event loop.
    """

    def __init__(self, checkpointer: Checkpointer, claimed: Claimed, sink: Sink = discard) -> None:
        self.held: Held = claimed.held
        self.run_id = claimed.held.run_id
        self.root_id = claimed.run.root_id
        self.thread_id = claimed.run.thread_id
        self._run = claimed.run
        self._store = checkpointer.runs
        self._ledger = checkpointer.effects
        self._steps = dict(claimed.steps)
        self._log = EventLog(checkpointer.runs, claimed.held, sink)
        self._adoption = Adoption()
        self._report = EffectReport()
        self.spent = NO_USAGE
        self._canceling = claimed.run.cancel
        self._handed_over = False

    async def __aenter__(self) -> Self:
        if self.held.epoch > 1:
            await self._read_log()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._log.aclose()

    @property
    def handed_over(self) -> bool:
        return self._handed_over

    @property
    def canceling(self) -> JsonObject | None:
        return self._canceling

    def cancel(self, request: JsonObject) -> None:
        """Say, before its work is stopped, who wants that, why, and with which grace."""
        self._canceling = request

    def hand_over(self) -> None:
        """Say, before its work is stopped, that the run is not over: another owner goes on."""
        self._handed_over = True

    @property
    def steps(self) -> Mapping[Path, JsonObject]:
        return self._steps

    @property
    def report(self) -> JsonObject:
        """What was set, with what the log says of each effect."""
        return self._report.to_json()

    @report.setter
    def report(self, parts: JsonObject) -> None:
        self._report.parts = parts

    async def record(
        self, path: Path, outcome: JsonObject, events: Sequence[Event] = ()
    ) -> JsonObject:
        if (stored := self._steps.get(path)) is not None:
            return stored
        async with self._log.order:
            # It may have been recorded while this waited; its events are told already then.
            if (stored := self._steps.get(path)) is not None:
                return stored
            recorded = await self._log.write_step(StepWrite(path, outcome, tuple(events)))
            self._steps[path] = recorded.outcome
        return recorded.outcome

    def emit(self, *events: Event) -> None:
        fresh = [event for event in events if self._adoption.takes(event)]
        if fresh:
            self._log.add(fresh)
            self._report.note(fresh)

    async def flush(self) -> None:
        await self._log.flush()

    async def take_pending(self) -> tuple[Event, ...]:
        """Return and forget what was emitted but not yet written, for the commit that ends the run.

        Call it with nothing of this journal under way.
        """
        return await self._log.take()

    async def intend(
        self, call: EffectCall, *, again: bool = False, events: Sequence[Event] = ()
    ) -> Intent:
        await self.flush()
        intent = await self._ledger.intend(self.held, call, again=again, events=events)
        if intent.state == "granted":
            self._report.note(events)
        self._log.sink(intent.events)
        return intent

    async def settle(
        self, key: str, attempt: int, outcome: EffectOutcome, *, events: Sequence[Event] = ()
    ) -> None:
        await self.flush()
        self._log.sink(await self._ledger.settle(self.held, key, attempt, outcome, events=events))
        self._report.note(events)

    async def doubt(self, key: str, attempt: int) -> None:
        await self._ledger.doubt(self.held, key, attempt)

    async def find_effect(self, key: str) -> Intent | None:
        return await self._ledger.find_effect(key)

    async def _read_log(self) -> None:
        """Learn from the log what earlier owners of the run adopted and did."""
        after = 0
        while page := await self._events(after):
            after = page[-1].seq
            self._report.note([entry.event() for entry in page if entry.type in EFFECT_EVENTS])
            self._adoption.learn(page)

    async def _events(self, after: int) -> Sequence[Envelope]:
        try:
            return await self._store.events(self._run.principal, self.run_id, after=after)
        except NotFoundError:
            # Its thread was deleted: what is left to do is its end.
            return ()
