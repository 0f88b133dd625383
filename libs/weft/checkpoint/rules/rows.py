"""Rows to values, the run that a rule works on, and events into its log."""

from collections.abc import Sequence

from weft.checkpoint.base import TERMINAL, Held, Run
from weft.checkpoint.folding import steps_named, unfolded
from weft.checkpoint.requests import AddEvents, Now, ReadRun, ReadStep, ReadSteps, SaveRun
from weft.checkpoint.script import Script
from weft.checkpoint.tables import PRUNED, Numbered, RunRow
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


def whole_run(row: RunRow, now: float) -> Script[Run]:
    """Return a run that may have ended as callers see it, with its time left at `now`."""
    return run_of(row, now, (yield from result_of(row)))


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
        pruned=row.erased == PRUNED,
    )


def steps_of(run_id: str) -> Script[dict[Path, JsonObject]]:
    """Return the outcomes of the run's finished steps, in the order they were recorded."""
    rows = yield from ReadSteps(run_id)
    return {decode_path(path): loads_object(text) for path, text in rows}


def result_of(row: RunRow) -> Script[JsonObject | None]:
    """Return the whole result, with what stands in the run's steps."""
    stored = decode_object(row.result)
    if stored is None:
        return None
    outcomes: dict[Path, JsonObject | None] = {}
    for path in steps_named(stored):
        outcomes[path] = decode_object((yield from ReadStep(row.run_id, encode(path))))
    return unfolded(stored, outcomes.get)


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


def owned(principal: Principal, run_id: str, *, lock: bool = False) -> Script[RunRow]:
    """Return the principal's run; another's is as absent as none.

    Raises:
        NotFoundError: No such run of this principal.
    """
    row = yield from ReadRun(run_id, lock)
    mine = row is not None and (row.tenant, row.subject) == (principal.tenant, principal.subject)
    if row is None or not mine or row.gone:
        raise NotFoundError("run", run_id)
    return row


def readable(principal: Principal, run_id: str, *, lock: bool = False) -> Script[RunRow]:
    """As `owned`; to who administers the tenant, all of its runs are there.

    Raises:
        NotFoundError: No such run that the principal may read.
    """
    if not principal.administers:
        return (yield from owned(principal, run_id, lock=lock))
    row = yield from ReadRun(run_id, lock)
    if row is None or row.tenant != principal.tenant or row.gone:
        raise NotFoundError("run", run_id)
    return row


def held_run(held: Held) -> Script[RunRow]:
    """Return the run, locked, if the claim holds.

    Raises:
        FencedError: The claim is stale, or the run has ended.
    """
    return checked_held((yield from ReadRun(held.run_id, lock=True)), held)


def checked_held(row: RunRow | None, held: Held) -> RunRow:
    """Return `row` if the claim on it holds.

    Raises:
        FencedError: The claim is stale, or the run has ended.
    """
    if row is None or row.epoch != held.epoch or row.status not in ("running", "canceling"):
        raise FencedError(held.run_id, held.epoch)
    return row


def write(row: RunRow, texts: Sequence[EventText]) -> Script[tuple[Envelope, ...]]:
    """Add events behind those that `row`, already numbered, counts."""
    place = Numbered(
        row.last_seq,
        row.updated,
        row.tenant,
        row.subject,
        row.thread_id,
        row.trace_id,
        row.erased,
    )
    return (yield from write_numbered(row.run_id, place, texts))


def write_numbered(
    run_id: str, place: Numbered, texts: Sequence[EventText]
) -> Script[tuple[Envelope, ...]]:
    """Add events whose last one has the number `place` ends at; an erased run keeps none."""
    if not texts:
        return ()
    ts, before = rfc3339(place.updated), place.last_seq - len(texts)
    rows = [EventRow(run_id, before + n, ts, *text) for n, text in enumerate(texts, start=1)]
    if not place.erased:
        yield from AddEvents(rows)
    return tuple([envelope(row, place.tenant, place.thread_id, place.trace_id) for row in rows])


def tell(row: RunRow, *events: Event) -> Script[tuple[RunRow, tuple[Envelope, ...]]]:
    """Number `events`, save `row` with them, and return both."""
    return (yield from tell_texts(row, encode_events(events)))


def tell_texts(
    row: RunRow, texts: Sequence[EventText]
) -> Script[tuple[RunRow, tuple[Envelope, ...]]]:
    """As `tell`, of events that are ready to be stored."""
    updated = max(row.updated, (yield from Now()))
    row = row._replace(last_seq=row.last_seq + len(texts), updated=updated)
    yield from SaveRun(row)
    return row, (yield from write(row, texts))


def _strings(text: str) -> list[str]:
    values = loads(text)
    return [str(value) for value in values] if isinstance(values, list) else []
