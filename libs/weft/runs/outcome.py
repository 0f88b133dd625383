"""What executing a run comes to, and the ending it makes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from weft.checkpoint import BookEntry, Claimed, Ending, Run, StepWrite, TerminalStatus, Turn
from weft.core import Interrupt, JsonObject, Path, Reason, Result
from weft.events import (
    Cancellation,
    Completion,
    Envelope,
    ErrorData,
    Event,
    Expiry,
    Output,
    RunCanceled,
    RunCompleted,
    RunExpired,
    RunFailed,
    RunFailure,
    preview,
)
from weft.runs.journal.contract import Journal

PLAN_STEP: Path = ()
"""Where a routed run keeps its plan and protocol: its first step, write-once like any other."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A result, with what shall be written in the commit that ends the run."""

    result: Result
    steps: tuple[StepWrite, ...] = ()
    turn: Turn | None = None
    events: tuple[Event, ...] = ()
    report: JsonObject = field(default_factory=dict)
    """Of a cancelled run: what was done, and what is unknown."""
    book: tuple[BookEntry, ...] = ()
    """What the run says of the protocols that it used."""

    def blamed(self, service: str) -> "RunOutcome":
        """Return the same, each reason of a failure with who failed: `service`, where none is named."""
        if self.result.status != "failed":
            return self
        reasons = [
            reason if reason.peer else reason.model_copy(update={"peer": service})
            for reason in self.result.reasons or (NO_REASON,)
        ]
        return replace(self, result=self.result.model_copy(update={"reasons": tuple(reasons)}))


NO_REASON = Reason(code="internal", message="the run failed without saying why")
Execute = Callable[[Claimed, Journal], Awaitable[RunOutcome]]
"""Carries a claimed run out. It is cancelled (as a task) when the run shall stop."""


def ending(
    outcome: RunOutcome,
    *,
    pending: tuple[Event, ...],
    seconds: float,
    recorded: Mapping[Path, JsonObject] = MappingProxyType({}),
) -> Ending:
    """Return how the run ends: status, error, and the terminal event as the last."""
    result = outcome.result
    status = _status(result)
    last = _terminal(outcome, status, duration_ms=round(seconds * 1000, 3))
    steps = outcome.steps
    if steps:
        # What was told before a step ended stands before its end, in the same commit.
        first = replace(steps[0], events=(*pending, *steps[0].events))
        steps, pending = (first, *steps[1:]), ()
    return Ending(
        status=status,
        result=result.to_json(),
        error=_error(result).to_json() if status == "failed" else None,
        steps=steps,
        recorded=recorded,
        turn=outcome.turn,
        events=(*pending, *outcome.events, last),
        book=outcome.book,
    )


def completed(run: Run, end: Ending, last: Envelope) -> Run:
    """Return the claimed `run` as the store holds it once `end` is written; `last` told it."""
    return replace(
        run,
        status=end.status,
        owner=None,
        last_seq=last.seq,
        result=end.result,
        remaining_s=None,
        updated_at=datetime.fromisoformat(last.ts).timestamp(),
    )


def interrupts_of(outcome: RunOutcome) -> tuple[Interrupt, ...]:
    return outcome.result.interrupts if outcome.result.status == "interrupted" else ()


def _status(result: Result) -> TerminalStatus:
    if result.status == "completed":
        return "completed"
    if result.status == "canceled":
        return "canceled"
    if any(reason.code == "deadline_exceeded" and not reason.path for reason in result.reasons):
        return "expired"
    return "failed"


def _error(result: Result) -> Reason:
    return result.reasons[0] if result.reasons else NO_REASON


def _terminal(outcome: RunOutcome, status: TerminalStatus, *, duration_ms: float) -> Event:
    result = outcome.result
    usage = result.usage
    output = Output(text=result.text, data=result.data)
    if status == "completed":
        return RunCompleted(
            data=Completion(
                output=output,
                output_preview=preview(result.text),
                stop_reason=result.stop_reason or "complete",
                usage=usage,
                duration_ms=duration_ms,
            )
        )
    if status == "canceled":
        return RunCanceled(
            data=Cancellation(report=outcome.report, usage=usage, duration_ms=duration_ms)
        )
    if status == "expired":
        return RunExpired(data=Expiry(cause="deadline", usage=usage, duration_ms=duration_ms))
    error = _error(result)
    return RunFailed(
        data=RunFailure(
            error=ErrorData(code=error.code, message=error.message),
            stop_reason=result.stop_reason or "error",
            output=output if result.text or result.data is not None else None,
            output_preview=preview(result.text),
            usage=usage,
            duration_ms=duration_ms,
        )
    )
