"""Rows to values, and events into a run's log."""

from collections.abc import Sequence

from weft.checkpoint.base import TERMINAL, Held, Run
from weft.checkpoint.folding import unfolded
from weft.checkpoint.tables import Advance, RunRow, Tables
from weft.checkpoint.text import (
    EventRow,
    EventText,
    decode_object,
    decode_path,
    encode,
    encode_events,
    envelope,
)
from weft.core import Interrupt, JsonObject, Path, Principal, RunId, loads, loads_object, rfc3339
from weft.core.errors import FencedError, NotFoundError
from weft.events import Envelope, Event


def whole_run(tables: Tables, row: RunRow, now: float) -> Run:
    """Return a run that may have ended as callers see it, with its time left at `now`."""
    return run_of(row, now, result_of(tables, row))


def run_of(row: RunRow, now: float, result: JsonObject | None = None) -> Run:
    """As `whole_run`, for a run that has no result yet."""
    remaining = row.rest if row.deadline is None else row.deadline - now
    return Run(
        run_id=RunId(row.run_id),
        tenant=row.tenant,
        subject=row.subject,
        scopes=frozenset(_strings(row.scopes)),
        operation=row.operation,
        thread_id=row.thread_id,
        request=loads_object(row.request),
        terms=loads_object(row.authority),
        status=row.status,
        epoch=row.epoch,
        owner=row.owner,
        last_seq=row.last_seq,
        root_id=row.root_id,
        trace_id=row.trace_id,
        interrupts=open_interrupts(row),
        cancel=decode_object(row.cancel),
        result=result,
        error=decode_object(row.error),
        remaining_s=None if row.status in TERMINAL else remaining,
        created_at=row.created,
        started_at=row.started,
        updated_at=row.updated,
    )


def steps_of(tables: Tables, run_id: str) -> dict[Path, JsonObject]:
    """Return the outcomes of the run's finished steps, in the order they were recorded."""
    return {decode_path(path): loads_object(text) for path, text in tables.steps(run_id)}


def result_of(tables: Tables, row: RunRow) -> JsonObject | None:
    """Return the whole result, with what stands in the run's steps."""

    def step(path: Path) -> JsonObject | None:
        return decode_object(tables.step(row.run_id, encode(path)))

    stored = decode_object(row.result)
    return None if stored is None else unfolded(stored, step)


def waiting(row: RunRow) -> list[JsonObject]:
    """Return the stored interrupts: `interrupt`, `expires_at` and, once answered, `answered`."""
    if row.interrupts == "[]":
        return []
    stored = loads(row.interrupts)
    return (
        [entry for entry in stored if isinstance(entry, dict)] if isinstance(stored, list) else []
    )


def open_interrupts(row: RunRow) -> tuple[Interrupt, ...]:
    return tuple(
        Interrupt.model_validate(entry["interrupt"])
        for entry in waiting(row)
        if not entry.get("answered")
    )


def owned(tables: Tables, principal: Principal, run_id: str) -> RunRow:
    """Return the principal's run; another's is as absent as none.

    Raises:
        NotFoundError: No such run of this principal.
    """
    row = tables.run(run_id)
    mine = row is not None and (row.tenant, row.subject) == (principal.tenant, principal.subject)
    if row is None or not mine or row.erased:
        raise NotFoundError("run", run_id)
    return row


def held_run(tables: Tables, held: Held) -> RunRow:
    """Return the run if the claim holds.

    Raises:
        FencedError: The claim is stale, or the run has ended.
    """
    row = tables.run(held.run_id)
    if row is None or row.epoch != held.epoch or row.status not in ("running", "canceling"):
        raise FencedError(held.run_id, held.epoch)
    return row


def write(tables: Tables, row: RunRow, texts: Sequence[EventText]) -> tuple[Envelope, ...]:
    """Add events behind those that `row`, already numbered, counts."""
    where = Advance(row.last_seq, row.updated, row.tenant, row.thread_id, row.trace_id, row.erased)
    return write_numbered(tables, row.run_id, where, texts)


def write_numbered(
    tables: Tables, run_id: str, where: Advance, texts: Sequence[EventText]
) -> tuple[Envelope, ...]:
    """Add events whose last one has the number `where` ends at; an erased run keeps none."""
    if not texts:
        return ()
    ts, before = rfc3339(where.updated), where.last_seq - len(texts)
    rows = [
        EventRow(run_id, before + place, ts, *text) for place, text in enumerate(texts, start=1)
    ]
    if not where.erased:
        tables.add_events(rows)
    return tuple([envelope(row, where.tenant, where.thread_id, where.trace_id) for row in rows])


def tell(tables: Tables, row: RunRow, *events: Event) -> tuple[RunRow, tuple[Envelope, ...]]:
    """Number `events`, save `row` with them, and return both."""
    return tell_texts(tables, row, encode_events(events))


def tell_texts(
    tables: Tables, row: RunRow, texts: Sequence[EventText]
) -> tuple[RunRow, tuple[Envelope, ...]]:
    """As `tell`, of events that are ready to be stored."""
    updated = max(row.updated, tables.now())
    row = row._replace(last_seq=row.last_seq + len(texts), updated=updated)
    tables.save_run(row)
    return row, write(tables, row, texts)


def _strings(text: str) -> list[str]:
    values = loads(text)
    return [str(value) for value in values] if isinstance(values, list) else []
