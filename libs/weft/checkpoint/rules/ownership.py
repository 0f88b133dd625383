"""Who holds a run: claims, renewals, releases, and parking it for an answer."""

from collections.abc import Sequence

from weft.checkpoint.base import LEASE_SECONDS, TERMINAL, Claimed, Held, Renewal
from weft.checkpoint.rules.asking import requested
from weft.checkpoint.rules.claimant import Claimant
from weft.checkpoint.rules.closing import close, poison
from weft.checkpoint.rules.writing import held_run, run_of, steps_of, tell_texts, waiting, write
from weft.checkpoint.tables import RunRow, Tables
from weft.checkpoint.text import EventText, decode_path, encode, encode_events
from weft.core import Interrupt, JsonObject, JsonValue, Path, RunId, loads_object
from weft.core.errors import CanceledError
from weft.events import (
    Envelope,
    Event,
    Interruption,
    Ownership,
    Recovery,
    Resumption,
    RunInterrupted,
    RunRecovered,
    RunResumed,
    RunStarted,
)

MAX_LOST_LEASES = 5


def claim(
    tables: Tables, claimant: Claimant, limit: int, run_id: RunId | None = None
) -> list[Claimed]:
    now = tables.now()
    claimed: list[Claimed] = []
    while (
        len(claimed) < limit
        and (row := _claimable(tables, claimant.operations, now, run_id)) is not None
    ):
        lost = row.owner is not None
        poisoned = lost and row.lost_leases + 1 >= MAX_LOST_LEASES
        overdue = row.deadline is not None and row.deadline <= now
        if overdue or poisoned or row.status == "interrupted":
            close(tables, row, failed=poison(row) if poisoned else None)
        else:
            claimed.append(_take(tables, row, claimant, lost=lost))
    return claimed


def _claimable(
    tables: Tables, operations: frozenset[str], now: float, run_id: RunId | None
) -> RunRow | None:
    """Return a run as `Tables.claimable` does; with `run_id` that one, if it may be taken."""
    if run_id is None:
        return tables.claimable(operations, now)
    row = tables.run(run_id)
    if row is None or row.status in TERMINAL or row.operation not in operations:
        return None
    if row.status == "queued":
        older = (it for it in tables.open_runs(row.key) if it.position < row.position)
        may = not any(row.waits_for(other) for other in older)
    elif row.status == "interrupted":
        may = row.expires_at is not None and row.expires_at <= now
    else:
        may = not row.leased(now)
    return row if may else None


def _take(tables: Tables, row: RunRow, claimant: Claimant, *, lost: bool) -> Claimed:
    now, epoch = tables.now(), row.epoch + 1
    steps = steps_of(tables, row.run_id)
    events = _told(row, claimant.owner, epoch, lost=lost, steps=steps)
    texts = encode_events(events)
    row = row._replace(
        status="canceling" if row.status == "canceling" else "running",
        epoch=epoch,
        owner=claimant.owner,
        lease_until=now + LEASE_SECONDS,
        interrupts="[]",
        lost_leases=row.lost_leases + lost,
        last_batch=0,
        started=now if row.started is None else row.started,
    )
    fresh = not steps and row.status == "running" and not row.erased
    if fresh and (step := claimant.first_step(row, now)) is not None:
        tables.add_step(row.run_id, step.path, step.outcome)
        steps = {decode_path(step.path): step.value}
        texts = (*texts, *step.events)
    row, envelopes = tell_texts(tables, row, texts)
    run = run_of(row, now)
    return Claimed(Held(run.run_id, epoch), run, steps, envelopes)


def _told(
    row: RunRow, owner: str, epoch: int, *, lost: bool, steps: dict[Path, JsonObject]
) -> list[Event]:
    if row.epoch == 0:
        return [RunStarted(data=Ownership(owner=owner, epoch=epoch))]
    if lost:
        recovery = Recovery(
            owner=owner, epoch=epoch, previous_owner=row.owner or "", steps_done=len(steps)
        )
        resumed = Resumption(cause="recovered", owner=owner, epoch=epoch)
        return [RunRecovered(data=recovery), RunResumed(data=resumed)]
    if row.status != "queued":
        return [RunResumed(data=Resumption(cause="released", owner=owner, epoch=epoch))]
    answered = tuple(
        str(entry["interrupt"]["id"])
        for entry in waiting(row)
        if isinstance(entry["interrupt"], dict)
    )
    data = Resumption(cause="answered", owner=owner, epoch=epoch, interrupt_ids=answered)
    return [RunResumed(data=data)]


def renew(tables: Tables, helds: Sequence[Held]) -> Renewal:
    until = tables.now() + LEASE_SECONDS
    lost: set[RunId] = set()
    canceling: dict[RunId, JsonObject] = {}
    for held in helds:
        found = tables.renew(held, until)
        if found is None:
            lost.add(held.run_id)
        elif found[1] is not None:
            canceling[held.run_id] = loads_object(found[1])
    return Renewal(frozenset(lost), canceling)


def release(tables: Tables, held: Held) -> None:
    row = tables.run(held.run_id)
    if (
        row is not None
        and row.epoch == held.epoch
        and row.owner is None
        and row.status == "running"
    ):
        return
    row = held_run(tables, held)
    tables.save_run(row._replace(owner=None, lease_until=0.0))


def park(
    tables: Tables, held: Held, interrupts: Sequence[Interrupt], texts: Sequence[EventText]
) -> tuple[Envelope, ...]:
    """Leave the run to wait, telling `texts`, each question, and at last that it waits."""
    row = tables.run(held.run_id)
    if row is not None and row.epoch == held.epoch and row.status == "interrupted":
        return ()
    row, now = held_run(tables, held), tables.now()
    if row.status == "canceling":
        raise CanceledError(f"run {held.run_id} is being canceled and waits for nothing")
    entries: list[JsonValue] = [
        {"interrupt": interrupt.to_json(), "expires_at": now + interrupt.expires_in}
        for interrupt in interrupts
    ]
    asked = [requested(interrupt, now=now) for interrupt in interrupts]
    waits = Interruption(interrupt_ids=tuple(interrupt.id for interrupt in interrupts))
    texts = (*texts, *encode_events([*asked, RunInterrupted(data=waits)]))
    row = row._replace(
        status="interrupted",
        owner=None,
        lease_until=0.0,
        interrupts=encode(entries),
        expires_at=min((now + interrupt.expires_in for interrupt in interrupts), default=None),
        rest=None if row.deadline is None else row.deadline - now,
        deadline=None,
        lost_leases=0,
        last_seq=row.last_seq + len(texts),
        updated=max(row.updated, now),
    )
    tables.save_run(row)
    return write(tables, row, texts)
