"""How a request becomes a run: by its key once, and with regard to its thread."""

from collections.abc import Mapping, Sequence

from weft.checkpoint.base import (
    LEASE_SECONDS,
    Accepted,
    Claimed,
    Held,
    NewRun,
    OnBusy,
)
from weft.checkpoint.requests import (
    AddStep,
    InsertRun,
    Now,
    ReadDoor,
    ReadOpenRuns,
    ReadRun,
)
from weft.checkpoint.rules.claimant import Claimant
from weft.checkpoint.rules.ending import close, stop
from weft.checkpoint.rules.rows import run_of, steps_of, whole_run, write
from weft.checkpoint.script import Script
from weft.checkpoint.tables import ALL, AT_WORK, NONE, RunRow
from weft.checkpoint.text import EventText, decode_path, encode, encode_events
from weft.core import RunId
from weft.core.errors import (
    IdempotencyKeyReusedError,
    InputError,
    QueueFullError,
    ThreadBusyError,
    ThreadInterruptedError,
)
from weft.events import ErrorData, Ownership, RunStarted

MAX_QUEUED = 16
OWNER_LOST = ErrorData(
    code="owner_lost", message="its owner stopped, and a newer run took the thread"
)
_WAITS: Mapping[OnBusy, int] = {"alongside": NONE, "overtake": AT_WORK}


def fresh(new: NewRun) -> RunRow:
    """Return the row of a run that is not accepted yet."""
    authority = new.authority
    principal, trace = authority.principal, authority.trace
    return RunRow(
        position=0,
        run_id=new.run_id,
        tenant=principal.tenant,
        subject=principal.subject,
        scopes=encode(sorted(principal.scopes)),
        operation=new.operation,
        idem_key=new.idem_key,
        body_hash=new.body_hash,
        thread_id=new.thread_id,
        root_id=authority.root_id or new.run_id,
        trace_id=None if trace is None else trace.trace_id,
        created=0.0,
        waits=ALL,
        request=encode(new.request),
        authority=encode(authority.terms()),
        status="queued",
        epoch=0,
        owner=None,
        lease_until=0.0,
        deadline=None,
        rest=None,
        interrupts="[]",
        expires_at=None,
        cancel=None,
        lost_leases=0,
        last_seq=1,
        last_batch=0,
        result=None,
        error=None,
        erased=0,
        started=None,
        updated=0.0,
    )


def accept(
    row: RunRow,
    texts: tuple[EventText, ...],
    *,
    timeout_s: float | None,
    on_busy: OnBusy,
    claimant: Claimant | None,
) -> Script[Accepted]:
    """Insert the fresh `row` with the events that tell of it, or return what its key made."""
    door = yield from ReadDoor(row.request_key, row.key)
    if door.run is not None:
        return (yield from _replay(door.run, row, claimant, door.now))
    if door.message:
        raise IdempotencyKeyReusedError(row.idem_key)
    row = row._replace(waits=_WAITS.get(on_busy, ALL))
    waits = yield from _make_way(row, on_busy, door.open_runs)
    now = door.now
    deadline = None if timeout_s is None else now + timeout_s
    row = row._replace(created=now, updated=now, deadline=deadline)
    if waits or claimant is None:
        yield from InsertRun(row)
        return Accepted(run_of(row, now), replayed=False, events=(yield from write(row, texts)))
    return (yield from _insert_held(row, texts, claimant))


def _insert_held(row: RunRow, texts: tuple[EventText, ...], claimant: Claimant) -> Script[Accepted]:
    """Insert the run as its first owner has it."""
    now, held = row.created, Held(RunId(row.run_id), 1)
    row = row._replace(
        status="running",
        epoch=1,
        owner=claimant.owner,
        lease_until=now + LEASE_SECONDS,
        started=now,
    )
    step = claimant.first_step(row, now)
    started = RunStarted(data=Ownership(owner=claimant.owner, epoch=1))
    texts = (*texts, *encode_events([started]), *(() if step is None else step.events))
    row = row._replace(last_seq=len(texts))
    yield from InsertRun(row)
    if step is not None:
        yield from AddStep(held, step.path, step.outcome)
    envelopes = yield from write(row, texts)
    run = run_of(row, now)
    steps = {} if step is None else {decode_path(step.path): step.value}
    claimed = Claimed(held, run, steps, envelopes[1:])
    return Accepted(run, replayed=False, events=envelopes, claimed=claimed)


def _replay(
    earlier: RunRow, row: RunRow, claimant: Claimant | None, now: float
) -> Script[Accepted]:
    if earlier.body_hash != row.body_hash:
        raise IdempotencyKeyReusedError(row.idem_key)
    run = yield from whole_run(earlier, now)
    # The same run id is the same request again after a lost acknowledgement, not a duplicate of
    # it: whoever got the claim then never heard of it.
    repeated = earlier.run_id == row.run_id
    owner = None if claimant is None else claimant.owner
    if not (repeated and owner and earlier.owner == owner and earlier.epoch == 1):
        return Accepted(run, replayed=not repeated)
    steps = yield from steps_of(run.run_id)
    return Accepted(run, replayed=False, claimed=Claimed(Held(run.run_id, 1), run, steps))


def _make_way(row: RunRow, on_busy: OnBusy, open_runs: Sequence[RunRow]) -> Script[bool]:
    """Tell whether the new run must wait for its thread; cancel what is in its way."""
    if on_busy == "rollback":
        raise InputError(
            "on_busy 'rollback' is not supported by this store; use 'interrupt'", field="on_busy"
        )
    before = [other for other in open_runs if row.waits_for(other)]
    if not before:
        return False
    if on_busy == "interrupt":
        yield from _stop_all(before, by=row.subject)
        return any(row.waits_for(other) for other in (yield from ReadOpenRuns(row.key)))
    now = yield from Now()
    if on_busy == "take_over":
        before = yield from _still_there(before, row, now)
    parked = next((other for other in before if other.status == "interrupted"), None)
    if parked is not None:
        raise ThreadInterruptedError(row.thread_id, parked.run_id)
    # Behind a dead run the new one waits: the next owner goes on with that one first.
    living = before if on_busy == "take_over" else [run for run in before if _lives(run, now)]
    if living and on_busy in {"reject", "take_over"}:
        raise ThreadBusyError(row.thread_id, living[0].run_id)
    if sum(other.status == "queued" for other in before) >= MAX_QUEUED:
        raise QueueFullError(f"{MAX_QUEUED} runs wait for thread {row.thread_id!r} already")
    return bool(before)


def _stop_all(rows: Sequence[RunRow], *, by: str) -> Script[None]:
    for row in rows:
        current = yield from ReadRun(row.run_id, lock=True)
        if current is not None and current.open:
            reason = "a newer run took the thread"
            yield from stop(current, by=by, reason=reason, grace_s=5.0)


def _still_there(rows: Sequence[RunRow], row: RunRow, now: float) -> Script[list[RunRow]]:
    """End what nobody will go on with, and return the rest."""
    left: list[RunRow] = []
    for other in rows:
        if not (yield from _ended(other, row, now)):
            left.append(other)  # noqa: PERF401 - a comprehension cannot yield from
    return left


def _lives(row: RunRow, now: float) -> bool:
    return row.status == "queued" or row.leased(now)


def _ended(other: RunRow, row: RunRow, now: float) -> Script[bool]:
    """End what nobody will go on with: a run of the new one's operation that no owner keeps."""
    dead = yield from ReadRun(other.run_id, lock=True)
    if dead is None or not dead.open:
        return True
    if dead.operation != row.operation or dead.status == "interrupted" or dead.leased(now):
        return False
    if dead.status == "queued" and now < dead.updated + LEASE_SECONDS:
        # Whoever answered it is about to claim it.
        return False
    yield from close(dead, failed=OWNER_LOST)
    return True
