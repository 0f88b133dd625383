"""What the log says of questions: put, answered, closed, expired."""

from weft.checkpoint.rules.rows import open_interrupts, waiting
from weft.checkpoint.tables import RunRow
from weft.core import Interrupt, JsonObject, JsonValue, dumps, rfc3339
from weft.events import (
    Event,
    InterruptExpired,
    InterruptRequest,
    InterruptRequested,
    InterruptResolved,
    Lapse,
    Resolution,
    hidden_value,
    preview,
)


def requested(interrupt: Interrupt, *, now: float) -> Event:
    data = InterruptRequest(
        interrupt_id=interrupt.id,
        reason=interrupt.reason,
        message=interrupt.message,
        response_schema=interrupt.response_schema,
        options=interrupt.options,
        url=interrupt.url,
        approver_scope=interrupt.approver_scope,
        expires_at=rfc3339(now + interrupt.expires_in),
        tool_call_id=interrupt.tool_call_id,
    )
    return InterruptRequested(path=interrupt.path, agent=interrupt.agent, data=data)


def resolved(row: RunRow, interrupt_id: str, answer: JsonValue, *, by: str) -> Event:
    data = Resolution(
        interrupt_id=interrupt_id,
        status="resolved",
        resolved_by=by,
        payload_preview=preview(_shown(answer)),
    )
    interrupt = {entry.id: entry for entry in open_interrupts(row)}[interrupt_id]
    return InterruptResolved(path=interrupt.path, agent=interrupt.agent, data=data)


def closed(row: RunRow, *, by: str) -> list[Event]:
    """Return that the open questions need no answer any more."""
    return [
        InterruptResolved(
            path=interrupt.path,
            agent=interrupt.agent,
            data=Resolution(interrupt_id=interrupt.id, status="canceled", resolved_by=by),
        )
        for interrupt in open_interrupts(row)
    ]


def expired(row: RunRow, *, now: float) -> list[Event]:
    """Return which questions of a waiting run nobody answered in time."""
    late = [entry for entry in waiting(row) if not entry.get("answered") and expiry(entry) <= now]
    interrupts = [Interrupt.model_validate(entry["interrupt"]) for entry in late]
    return [
        InterruptExpired(
            path=interrupt.path, agent=interrupt.agent, data=Lapse(interrupt_id=interrupt.id)
        )
        for interrupt in interrupts
    ]


def expiry(entry: JsonObject) -> float:
    """Return when a stored question can no longer be answered."""
    at = entry["expires_at"]
    return float(at) if isinstance(at, int | float) else 0.0


def _shown(answer: JsonValue) -> str:
    shown = hidden_value(answer)
    return shown if isinstance(shown, str) else dumps(shown).decode()
