"""Asking runs to stop, and endings that no owner writes: canceled before it began, out of time, dead."""

from collections.abc import Sequence

from weft.checkpoint.base import Run, TerminalStatus
from weft.checkpoint.requests import Now, SaveRun
from weft.checkpoint.rules.interrupt_events import closed, expired
from weft.checkpoint.rules.rows import readable, tell, whole_run
from weft.checkpoint.script import Script
from weft.checkpoint.tables import RunRow
from weft.checkpoint.text import decode_object, encode
from weft.core import NO_USAGE, JsonObject, Principal, Result, RunId, Usage
from weft.events import (
    Canceling,
    Cancellation,
    Envelope,
    ErrorData,
    Event,
    Expiry,
    RunCanceled,
    RunCanceling,
    RunExpired,
    RunFailed,
    RunFailure,
)


def cancel(principal: Principal, run_id: RunId, *, reason: str, grace_s: float) -> Script[Run]:
    row = yield from readable(principal, run_id, lock=True)
    if row.open:
        yield from stop(row, by=principal.subject, reason=reason, grace_s=grace_s)
        row = yield from readable(principal, run_id)
    return (yield from whole_run(row, (yield from Now())))


def stop(row: RunRow, *, by: str, reason: str, grace_s: float) -> Script[None]:
    """Ask a locked run to stop; one that nobody ever held ends at once.

    Who asks again may only shorten the grace.
    """
    if row.status == "canceling":
        yield from _shorten(row, grace_s)
        return
    now = yield from Now()
    data = Canceling(requested_by=by, reason=reason, grace_s=grace_s)
    began = row.epoch > 0
    row, _ = yield from tell(
        row._replace(
            status="canceling" if began else row.status,
            cancel=encode({**data.to_json(), "at": now}),
            interrupts="[]",
            expires_at=None,
            # The deadline rested while the run waited for an answer.
            deadline=row.deadline if row.rest is None else now + row.rest,
            rest=None,
        ),
        RunCanceling(data=data),
        *closed(row, by=by),
    )
    if not began:
        yield from close(row)


def _shorten(row: RunRow, grace_s: float) -> Script[None]:
    request = decode_object(row.cancel) or {}
    given = request.get("grace_s")
    if isinstance(given, int | float) and grace_s < given:
        yield from SaveRun(row._replace(cancel=encode({**request, "grace_s": grace_s})))


def poison(row: RunRow) -> ErrorData:
    """Return why a run that loses every owner is not tried again."""
    message = f"the run lost {row.lost_leases + 1} owners without progress"
    return ErrorData(code="poison", message=message)


def close(row: RunRow, *, failed: ErrorData | None = None) -> Script[tuple[Envelope, ...]]:
    """End a locked run that nobody holds, fencing whoever did; as out of time, unless it `failed`."""
    now = yield from Now()
    usage = _spent(row)
    taken_ms = 0.0 if row.started is None else max(now - row.started, 0.0) * 1000
    if row.status == "canceling" or row.cancel is not None:
        canceled = Cancellation(report={}, usage=usage, duration_ms=taken_ms)
        return (yield from _end(row, "canceled", _why(row), [RunCanceled(data=canceled)]))
    if failed is not None:
        failure = RunFailure(error=failed, usage=usage, duration_ms=taken_ms)
        return (yield from _end(row, "failed", failed, [RunFailed(data=failure)]))
    lapsed: list[Event] = []
    if row.status == "interrupted":
        lapsed = expired(row, now=now)
        expiry = Expiry(cause="interrupt", usage=usage, duration_ms=taken_ms)
        error = ErrorData(code="interrupt_expired", message="nobody answered in time")
    else:
        cause = "deadline" if row.epoch else "queue"
        expiry = Expiry(cause=cause, usage=usage, duration_ms=taken_ms)
        error = ErrorData(code="deadline_exceeded", message="the run's time was over")
    return (yield from _end(row, "expired", error, [*lapsed, RunExpired(data=expiry)]))


def _spent(row: RunRow) -> Usage:
    """Return what was spent: of a run that waited it was said, of one that lost its owner by nobody."""
    parked = (decode_object(row.result) or {}).get("usage")
    if isinstance(parked, dict):
        return Usage.model_validate(parked)
    return Usage(unknown=True) if row.epoch else NO_USAGE


def _why(row: RunRow) -> ErrorData:
    cancel: JsonObject = decode_object(row.cancel) or {}
    return ErrorData(code="canceled", message=str(cancel.get("reason") or "the run was canceled"))


def _end(
    row: RunRow, status: TerminalStatus, why: ErrorData, events: Sequence[Event]
) -> Script[tuple[Envelope, ...]]:
    failed = Result.failed(why.code, why.message)
    result = failed.model_copy(update={"usage": _spent(row)})
    if status == "canceled":
        result = result.model_copy(update={"status": "canceled"})
    _, envelopes = yield from tell(
        row._replace(
            status=status,
            epoch=row.epoch + 1,
            owner=None,
            lease_until=0.0,
            interrupts="[]",
            expires_at=None,
            result=row.result if row.erased else encode(result.to_json()),
            error=None if status == "canceled" else encode(why.to_json()),
        ),
        *events,
    )
    return envelopes
