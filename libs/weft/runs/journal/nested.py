"""The journal of a peer that works inside a step: the same log, below the step's path."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from weft.checkpoint.effects import EffectCall, EffectOutcome, Intent
from weft.core import NO_USAGE, JsonObject, Path
from weft.events import Event
from weft.runs.journal.contract import Journal

__all__ = ["NestedJournal"]


class NestedJournal(Journal):
    """Puts everything below `prefix`, so that peers of one run cannot meet each other's steps."""

    def __init__(
        self, outer: Journal, prefix: Path, *, tell: Callable[[Event], None] | None = None
    ) -> None:
        """`tell` hears what is emitted, in its place, instead of the outer journal."""
        self.run_id = outer.run_id
        self.root_id = outer.root_id
        self.thread_id = outer.thread_id
        self.held = outer.held
        self.report = {}
        self.spent = NO_USAGE
        self._outer = outer
        self._prefix = prefix
        self._tell = tell

    @property
    def path(self) -> Path:
        return (*self._outer.path, *self._prefix)

    @property
    def canceling(self) -> JsonObject | None:
        return self._outer.canceling

    @property
    def handed_over(self) -> bool:
        return self._outer.handed_over

    @property
    def steps(self) -> Mapping[Path, JsonObject]:
        depth = len(self._prefix)
        return {
            path[depth:]: outcome
            for path, outcome in self._outer.steps.items()
            if len(path) > depth and path[:depth] == self._prefix
        }

    async def record(
        self, path: Path, outcome: JsonObject, events: Sequence[Event] = ()
    ) -> JsonObject:
        return await self._outer.record((*self._prefix, *path), outcome, self._placed(events))

    def emit(self, *events: Event) -> None:
        placed = self._placed(events)
        if self._tell is None:
            self._outer.emit(*placed)
        else:
            for event in placed:
                self._tell(event)

    async def flush(self) -> None:
        await self._outer.flush()

    async def intend(
        self, call: EffectCall, *, again: bool = False, events: Sequence[Event] = ()
    ) -> Intent:
        placed = replace(call, path=(*self._prefix, *call.path))
        return await self._outer.intend(placed, again=again, events=self._placed(events))

    async def settle(
        self, key: str, attempt: int, outcome: EffectOutcome, *, events: Sequence[Event] = ()
    ) -> None:
        await self._outer.settle(key, attempt, outcome, events=self._placed(events))

    async def doubt(self, key: str, attempt: int) -> None:
        await self._outer.doubt(key, attempt)

    async def find_effect(self, key: str) -> Intent | None:
        return await self._outer.find_effect(key)

    def _placed(self, events: Sequence[Event]) -> list[Event]:
        return [event.under(self._prefix) for event in events]
