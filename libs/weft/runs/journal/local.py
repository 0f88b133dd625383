"""The journal of work that nothing durable stands behind."""

from collections.abc import Callable, Mapping, Sequence

from weft.checkpoint import EffectCall, EffectOutcome, Held, Intent
from weft.core import NO_USAGE, JsonObject, Path, RunId, new_run_id
from weft.core.errors import EffectSettledError
from weft.events import Event
from weft.runs.journal.contract import Journal

__all__ = ["LocalJournal"]


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
        self.spent = NO_USAGE
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
        intent = self._effects.get(call.key)
        if intent is None:
            attempt = 1
        elif _repeatable(intent, again=again):
            attempt = intent.attempt + 1
        else:
            return intent
        self._effects[call.key] = Intent("in_progress", attempt, run_id=self.run_id)
        self.emit(*events)
        return Intent("granted", attempt, run_id=self.run_id)

    async def settle(
        self, key: str, attempt: int, outcome: EffectOutcome, *, events: Sequence[Event] = ()
    ) -> None:
        intent = self._effects[key]
        if intent.outcome is not None and intent.attempt == attempt:
            if intent.outcome != outcome:
                raise EffectSettledError(f"attempt {attempt} of {key} has another outcome")
            return
        self._effects[key] = Intent("settled", attempt, outcome, run_id=self.run_id)
        self.emit(*events)

    async def doubt(self, key: str, attempt: int) -> None:
        self._effects[key] = Intent("unknown", attempt, run_id=self.run_id)

    async def find_effect(self, key: str) -> Intent | None:
        return self._effects.get(key)


def _repeatable(intent: Intent, *, again: bool) -> bool:
    """Tell whether the body may run once more under the same key."""
    if intent.outcome is not None:
        return intent.outcome.kind == "not_done"
    return again and intent.state == "unknown"
