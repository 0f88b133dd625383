"""One claimed run as its owner holds it: its journal, what stops its work, and how it ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Self

from weft.checkpoint import Checkpointer, Claimed, Held, Run
from weft.core import NO_USAGE, SYSTEM_CLOCK, Clock, JsonObject, Result, Usage
from weft.core.errors import CanceledError, FencedError, InputError, StaleThreadError, WeftError
from weft.events import Envelope, Event
from weft.runs.journal import RunJournal, Sink, discard
from weft.runs.outcome import RunOutcome, completed, ending, interrupts_of
from weft.runs.patience import patiently

__all__ = ["OwnedRun", "Written"]


@dataclass(frozen=True, slots=True)
class Written:
    """What the store made of an outcome."""

    events: Sequence[Envelope]
    """What the end itself told."""
    run: Run | None = None
    """The run as the store holds it now, where that is known without asking."""
    refusal: WeftError | None = None
    """Why another end than the outcome's was written."""


class OwnedRun:
    """A claimed run under this process's lease; use it as an async context manager.

    `stop` ends the work: it is called with the reason when somebody wants the run's end, and when
    the claim is over.
    """

    def __init__(
        self,
        checkpointer: Checkpointer,
        claimed: Claimed,
        *,
        stop: Callable[[str], object],
        sink: Sink = discard,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.claimed = claimed
        self.journal = RunJournal(checkpointer, claimed, sink)
        self.lost = False
        """Whether another owner may have the run."""
        self._store = checkpointer.runs
        self._stop = stop
        self._clock = clock
        self._began = clock.monotonic()

    async def __aenter__(self) -> Self:
        await self.journal.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.journal.__aexit__(kind, error, trace)

    @property
    def held(self) -> Held:
        return self.claimed.held

    @property
    def run(self) -> Run:
        """The run as it was claimed."""
        return self.claimed.run

    @property
    def seconds(self) -> float:
        """How long this owner has had it."""
        return self._clock.monotonic() - self._began

    @property
    def canceling(self) -> JsonObject | None:
        """Who wants the run's end, why, and with which grace; None while nobody does."""
        return self.journal.canceling

    def cancel(self, request: JsonObject) -> None:
        """End the work, and with it the run; what was said before stands, but for a shorter grace."""
        before = self.journal.canceling
        if before is None or _grace_of(request) < _grace_of(before):
            self.journal.cancel(request)
            self._stop("it was cancelled")

    def hand_over(self) -> None:
        """End the work here, and here only: whoever claims the run next goes on with it."""
        self.journal.hand_over()
        self._stop("another owner may have the run")

    def lose(self) -> None:
        """As `hand_over`, because the lease is over or cannot be trusted."""
        self.lost = True
        self.hand_over()

    def canceled(self, result: Result | None = None) -> RunOutcome:
        """Return the outcome of a run that somebody ended, with the report of its parts."""
        report = {**(self.canceling or {}), "peers": [], "effects": [], **self.journal.report}
        return RunOutcome(result or self._stopped(), report=report)

    def _stopped(self) -> Result:
        """Return a cancelled result with what the work took here, and before the run was to wait."""
        parked = (self.run.result or {}).get("usage")
        before = Usage.model_validate(parked) if isinstance(parked, dict) else NO_USAGE
        return Result(status="canceled", usage=before + self.journal.spent)

    async def end(self, outcome: RunOutcome) -> Written:
        """Write the run's end, or the one that the database lets it have.

        Raises:
            FencedError: Another owner may have the run.
            StoreError: The database is away for long: the run is left to its lease.
        """
        if self.lost and self.canceling is None and outcome.result.status == "canceled":
            # Its work was stopped only because the run goes on elsewhere.
            raise FencedError(self.held.run_id, self.held.epoch)
        pending = await self.journal.take_pending()
        try:
            return await self._write(outcome, pending)
        except CanceledError as error:
            # Somebody asked for the end while the work ended by itself: it stopped, and is told so.
            refusal: WeftError = error
            stopped = self.canceled()
            other = replace(stopped, steps=outcome.steps, events=outcome.events)
        except StaleThreadError as error:
            refusal = error
            other = RunOutcome(Result.failed(error.code, str(error)), steps=outcome.steps)
        except InputError as error:
            # No database keeps this result, whoever tries again.
            refusal = error
            other = RunOutcome(Result.failed(error.code, str(error)))
        return replace(await self._write(other, pending), refusal=refusal)

    async def _write(self, outcome: RunOutcome, pending: tuple[Event, ...]) -> Written:
        if interrupts := interrupts_of(outcome):
            events = (*pending, *outcome.events)
            spent = outcome.result.usage
            park = partial(self._store.park, self.held, interrupts, events, spent=spent)
            return Written(await patiently(park))
        end = ending(outcome, pending=pending, seconds=self.seconds, recorded=self.journal.steps)
        envelopes = await patiently(partial(self._store.finish, self.held, end))
        at_hand = end.status == "completed" and envelopes
        run = completed(self.run, end, envelopes[-1]) if at_hand else None
        return Written(envelopes, run)


def _grace_of(request: JsonObject) -> float:
    grace_s = request.get("grace_s")
    return float(grace_s) if isinstance(grace_s, int | float) else 0.0
