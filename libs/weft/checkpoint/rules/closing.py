"""Asking runs to stop, and endings that no owner writes: canceled before it began, out of time, or beyond recovery."""

from collections.abc import Sequence

from weft.checkpoint.base import TerminalStatus
from weft.checkpoint.rules.asking import closed, expired
from weft.checkpoint.rules.writing import tell
from weft.checkpoint.tables import RunRow, Tables
from weft.checkpoint.text import decode_object, encode
from weft.core import NO_USAGE, JsonObject, Result, Usage
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


def stop(tables: Tables, row: RunRow, *, by: str, reason: str, grace_s: float) -> None:
    """Ask a run to stop; one that nobody ever held ends at once."""
    if row.status == "canceling":
        return
    now = tables.now()
    data = Canceling(requested_by=by, reason=reason, grace_s=grace_s)
    began = row.epoch > 0
    row, _ = tell(
        tables,
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
        close(tables, row)


def poison(row: RunRow) -> ErrorData:
    """Return why a run that loses every owner is not tried again."""
    message = f"the run lost {row.lost_leases + 1} owners without progress"
    return ErrorData(code="poison", message=message)


def close(tables: Tables, row: RunRow, *, failed: ErrorData | None = None) -> tuple[Envelope, ...]:
    """End a run that nobody holds, fencing whoever did; as out of time, unless it `failed`."""
    now = tables.now()
    usage = Usage(unknown=True) if row.epoch else NO_USAGE
    taken_ms = 0.0 if row.started is None else max(now - row.started, 0.0) * 1000
    if row.status == "canceling" or row.cancel is not None:
        canceled = Cancellation(report={}, usage=usage, duration_ms=taken_ms)
        return _end(tables, row, "canceled", _why(row), [RunCanceled(data=canceled)])
    if failed is not None:
        failure = RunFailure(error=failed, usage=usage, duration_ms=taken_ms)
        return _end(tables, row, "failed", failed, [RunFailed(data=failure)])
    lapsed: list[Event] = []
    if row.status == "interrupted":
        lapsed = expired(row, now=now)
        expiry = Expiry(cause="interrupt", usage=usage, duration_ms=taken_ms)
        error = ErrorData(code="interrupt_expired", message="nobody answered in time")
    else:
        cause = "deadline" if row.epoch else "queue"
        expiry = Expiry(cause=cause, usage=usage, duration_ms=taken_ms)
        error = ErrorData(code="deadline_exceeded", message="the run's time was over")
    return _end(tables, row, "expired", error, [*lapsed, RunExpired(data=expiry)])


def _why(row: RunRow) -> ErrorData:
    cancel: JsonObject = decode_object(row.cancel) or {}
    return ErrorData(code="canceled", message=str(cancel.get("reason") or "the run was canceled"))


def _end(
    tables: Tables, row: RunRow, status: TerminalStatus, why: ErrorData, told: Sequence[Event]
) -> tuple[Envelope, ...]:
    result = Result.failed(why.code, why.message)
    if status == "canceled":
        result = result.model_copy(update={"status": "canceled"})
    _, envelopes = tell(
        tables,
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
        *told,
    )
    return envelopes
