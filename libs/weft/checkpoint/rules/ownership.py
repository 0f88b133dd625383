"""Who holds a run: claims, renewals, releases, and parking it for an answer."""

from collections.abc import Sequence

from weft.checkpoint.base import LEASE_SECONDS, Claimed, Held, Renewal
from weft.checkpoint.requests import (
    AddStep,
    Now,
    ReadClaimable,
    ReadOpenRuns,
    ReadRun,
    ReadThread,
    RenewLeases,
    SaveRun,
)
from weft.checkpoint.rules.claimant import Claimant
from weft.checkpoint.rules.ending import close, poison
from weft.checkpoint.rules.interrupt_events import requested
from weft.checkpoint.rules.rows import (
    checked_held,
    run_of,
    steps_of,
    tell_texts,
    waiting,
    write,
)
from weft.checkpoint.script import Script
from weft.checkpoint.tables import RunRow
from weft.checkpoint.text import EventText, decode_object, decode_path, encode, encode_events
from weft.core import Interrupt, JsonValue, Result, RunId, Usage, loads_object
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


def claim(claimant: Claimant, limit: int, run_id: RunId | None = None) -> Script[list[Claimed]]:
    claimed: list[Claimed] = []
    while len(claimed) < limit:
        if run_id is None:
            claimable = yield from ReadClaimable(claimant.operations)
            row = None if claimable is None else claimable.run
        else:
            row = yield from _claimable(run_id, claimant.operations, (yield from Now()))
        if row is None:
            break
        now = yield from Now()
        lost = row.owner is not None
        poisoned = lost and row.lost_leases + 1 >= MAX_LOST_LEASES
        overdue = row.deadline is not None and row.deadline <= now
        if overdue or poisoned or row.status == "interrupted":
            yield from close(row, failed=poison(row) if poisoned else None)
        else:
            claimed.append((yield from _take(row, claimant, lost=lost)))
    return claimed


def _claimable(run_id: RunId, operations: frozenset[str], now: float) -> Script[RunRow | None]:
    """Return this run, locked, if `ReadClaimable` could."""
    row = yield from ReadRun(run_id, lock=True)
    if row is None or not row.open or row.operation not in operations:
        return None
    if row.status == "queued":
        rows = yield from ReadOpenRuns(row.key)
        older = (other for other in rows if other.position < row.position)
        may = not any(row.waits_for(other) for other in older)
    elif row.status == "interrupted":
        may = row.expires_at is not None and row.expires_at <= now
    else:
        may = not row.leased(now)
    return row if may else None


def _take(row: RunRow, claimant: Claimant, *, lost: bool) -> Script[Claimed]:
    now, epoch = (yield from Now()), row.epoch + 1
    held = Held(RunId(row.run_id), epoch)
    # What nobody ever held has no step.
    steps = (yield from steps_of(row.run_id)) if row.epoch else {}
    texts = encode_events(_taking(row, claimant.owner, lost=lost, steps_done=len(steps)))
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
    bare = not steps and row.status == "running" and not row.erased
    step = claimant.first_step(row, now) if bare else None
    if step is not None:
        texts = (*texts, *step.events)
        steps = {decode_path(step.path): step.value}
    row, envelopes = yield from tell_texts(row, texts)
    if step is not None:
        yield from AddStep(held, step.path, step.outcome)
    thread = yield from ReadThread(row.key)
    version = 0 if thread is None else thread.version
    run = run_of(row, now, decode_object(row.result))
    return Claimed(held, run, steps, envelopes, thread_version=version)


def _taking(row: RunRow, owner: str, *, lost: bool, steps_done: int) -> list[Event]:
    """Return what is told of a run that `owner` takes."""
    epoch = row.epoch + 1
    if row.epoch == 0:
        return [RunStarted(data=Ownership(owner=owner, epoch=epoch))]
    if lost:
        recovery = Recovery(
            owner=owner, epoch=epoch, previous_owner=row.owner or "", steps_done=steps_done
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


def renew(helds: Sequence[Held]) -> Script[Renewal]:
    rows = yield from RenewLeases(tuple(helds), LEASE_SECONDS)
    kept = {run_id for run_id, _ in rows}
    canceling = {RunId(run_id): loads_object(text) for run_id, text in rows if text is not None}
    return Renewal(frozenset(held.run_id for held in helds if held.run_id not in kept), canceling)


def release(held: Held) -> Script[None]:
    row = yield from ReadRun(held.run_id, lock=True)
    if (
        row is not None
        and row.epoch == held.epoch
        and row.owner is None
        and row.status == "running"
    ):
        return
    row = checked_held(row, held)
    yield from SaveRun(row._replace(owner=None, lease_until=0.0))


def park(
    held: Held, interrupts: Sequence[Interrupt], texts: Sequence[EventText], *, spent: Usage
) -> Script[tuple[Envelope, ...]]:
    """Leave the run to wait, telling `texts`, each question, and at last that it waits."""
    row = yield from ReadRun(held.run_id, lock=True)
    if row is not None and row.epoch == held.epoch and row.status == "interrupted":
        return ()
    row, now = checked_held(row, held), (yield from Now())
    if row.status == "canceling":
        raise CanceledError(f"run {held.run_id} is being canceled and waits for nothing")
    entries: list[JsonValue] = [
        {"interrupt": interrupt.to_json(), "expires_at": now + interrupt.expires_in}
        for interrupt in interrupts
    ]
    questions = [requested(interrupt, now=now) for interrupt in interrupts]
    waits = Interruption(interrupt_ids=tuple(interrupt.id for interrupt in interrupts))
    texts = (*texts, *encode_events([*questions, RunInterrupted(data=waits)]))
    row = row._replace(
        status="interrupted",
        owner=None,
        lease_until=0.0,
        interrupts=encode(entries),
        result=encode(Result(status="interrupted", usage=spent).to_json()),
        expires_at=min((now + interrupt.expires_in for interrupt in interrupts), default=None),
        rest=None if row.deadline is None else row.deadline - now,
        deadline=None,
        lost_leases=0,
        last_seq=row.last_seq + len(texts),
        updated=max(row.updated, now),
    )
    yield from SaveRun(row)
    return (yield from write(row, texts))
