"""What clients may do to runs: have one accepted, cancel it, answer it."""

from collections.abc import Mapping

from weft.checkpoint.base import (
    LEASE_SECONDS,
    TERMINAL,
    Accepted,
    Claimed,
    Held,
    NewRun,
    OnBusy,
    Run,
)
from weft.checkpoint.inbound import Inbound, entry_path
from weft.checkpoint.rules.asking import expiry, resolved
from weft.checkpoint.rules.claimant import Claimant
from weft.checkpoint.rules.closing import close, stop
from weft.checkpoint.rules.writing import owned, run_of, steps_of, tell, waiting, whole_run, write
from weft.checkpoint.tables import ALL, AT_WORK, NONE, MessageRow, RunRow, Tables
from weft.checkpoint.text import EventText, decode_path, encode, encode_events, same
from weft.core import Interrupt, JsonObject, JsonValue, Principal, RunId, check_answer
from weft.core.errors import (
    IdempotencyKeyReusedError,
    InputError,
    InterruptAnsweredError,
    InterruptExpiredError,
    InterruptNotFoundError,
    QueueFullError,
    RunNotInterruptedError,
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
    tables: Tables,
    row: RunRow,
    texts: tuple[EventText, ...],
    *,
    timeout_s: float | None,
    on_busy: OnBusy,
    claimant: Claimant | None,
) -> Accepted:
    """Insert the fresh `row` with the events that tell of it, or return what its key made."""
    known = tables.run_by_key(row.tenant, row.subject, row.operation, row.idem_key)
    if known is not None:
        return _replay(tables, known, row, claimant)
    if tables.message(row.tenant, row.subject, row.operation, row.idem_key) is not None:
        raise IdempotencyKeyReusedError(row.idem_key)
    row = row._replace(waits=_WAITS.get(on_busy, ALL))
    waits = _make_way(tables, row, on_busy)
    now = tables.now()
    deadline = None if timeout_s is None else now + timeout_s
    row = row._replace(created=now, updated=now, deadline=deadline)
    if waits or claimant is None:
        tables.insert_run(row)
        return Accepted(run_of(row, now), replayed=False, events=write(tables, row, texts))
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
    tables.insert_run(row)
    if step is not None:
        tables.add_step(row.run_id, step.path, step.outcome)
    envelopes = write(tables, row, texts)
    run = run_of(row, now)
    steps = {} if step is None else {decode_path(step.path): step.value}
    claimed = Claimed(Held(run.run_id, 1), run, steps, envelopes[1:])
    return Accepted(run, replayed=False, events=envelopes, claimed=claimed)


def _replay(tables: Tables, known: RunRow, row: RunRow, claimant: Claimant | None) -> Accepted:
    if known.body_hash != row.body_hash:
        raise IdempotencyKeyReusedError(row.idem_key)
    run = whole_run(tables, known, tables.now())
    # The same run id is the same request again after a lost acknowledgement, not a duplicate of
    # it: whoever got the claim then never heard of it.
    repeated = known.run_id == row.run_id
    owner = None if claimant is None else claimant.owner
    if not (repeated and owner and known.owner == owner and known.epoch == 1):
        return Accepted(run, replayed=not repeated)
    steps = steps_of(tables, run.run_id)
    return Accepted(run, replayed=False, claimed=Claimed(Held(run.run_id, 1), run, steps))


def _make_way(tables: Tables, row: RunRow, on_busy: OnBusy) -> bool:
    """Tell whether the new run must wait for its thread; cancel what is in its way."""
    if on_busy == "rollback":
        raise InputError(
            "on_busy 'rollback' is not supported by this store; use 'interrupt'", field="on_busy"
        )
    now = tables.now()
    before = [other for other in tables.open_runs(row.key) if row.waits_for(other)]
    if on_busy == "interrupt":
        for other in before:
            stop(tables, other, by=row.subject, reason="a newer run took the thread", grace_s=5.0)
        return any(row.waits_for(other) for other in tables.open_runs(row.key))
    if on_busy == "take_over":
        before = [other for other in before if not _ended(tables, other, row, now)]
    parked = next((other for other in before if other.status == "interrupted"), None)
    if parked is not None:
        raise ThreadInterruptedError(row.thread_id, parked.run_id)
    if on_busy in {"reject", "take_over"}:
        # Behind a dead run the new one waits: the next owner goes on with that one first.
        hinders = (
            before if on_busy == "take_over" else [each for each in before if _lives(each, now)]
        )
        if hinders:
            raise ThreadBusyError(row.thread_id, hinders[0].run_id)
    if sum(other.status == "queued" for other in before) >= MAX_QUEUED:
        raise QueueFullError(f"{MAX_QUEUED} runs wait for thread {row.thread_id!r} already")
    return bool(before)


def _lives(row: RunRow, now: float) -> bool:
    return row.status == "queued" or row.leased(now)


def _ended(tables: Tables, dead: RunRow, row: RunRow, now: float) -> bool:
    """End what nobody will go on with: a run of the new one's operation that no owner keeps."""
    if dead.operation != row.operation or dead.status == "interrupted" or dead.leased(now):
        return False
    if dead.status == "queued" and now < dead.updated + LEASE_SECONDS:
        # Whoever answered it is about to claim it.
        return False
    close(tables, dead, failed=OWNER_LOST)
    return True


def cancel(
    tables: Tables, principal: Principal, run_id: RunId, *, reason: str, grace_s: float
) -> Run:
    row = owned(tables, principal, run_id)
    if row.status not in TERMINAL:
        stop(tables, row, by=principal.subject, reason=reason, grace_s=grace_s)
        row = owned(tables, principal, run_id)
    return whole_run(tables, row, tables.now())


def resume(
    tables: Tables,
    principal: Principal,
    run_id: RunId,
    answers: Mapping[str, JsonValue],
    message: Inbound | None = None,
) -> Run:
    row = owned(tables, principal, run_id)
    now = tables.now()
    if message is not None and _is_repeated(tables, row, message):
        return whole_run(tables, row, now)
    new = _unanswered(tables, run_id, answers)
    if new and row.status != "interrupted":
        raise RunNotInterruptedError(f"run {run_id} is {row.status} and waits for no answer")
    if message is not None:
        _receive(tables, row, message)
    if not new:
        return whole_run(tables, row, now)
    entries = {_id(entry): entry for entry in waiting(row)}
    for interrupt_id, answer in new.items():
        _take(tables, run_id, entries.get(interrupt_id), interrupt_id, answer)
    left = [entry for entry in entries.values() if not entry.get("answered")]
    told = [resolved(row, each, answer, by=principal.subject) for each, answer in new.items()]
    row = row._replace(interrupts=encode(list(entries.values())))
    if left:
        row = row._replace(expires_at=min(expiry(entry) for entry in left))
    else:
        deadline = None if row.rest is None else now + row.rest
        row = row._replace(status="queued", expires_at=None, deadline=deadline, rest=None)
    row, _ = tell(tables, row, *told)
    return run_of(row, now)


def _is_repeated(tables: Tables, row: RunRow, message: Inbound) -> bool:
    """Tell whether the run was given this message before.

    Raises:
        IdempotencyKeyReusedError: Its key made a run, or came with something else.
    """
    key = (row.tenant, row.subject, row.operation, message.key)
    known = tables.message(*key)
    if known is None and tables.run_by_key(*key) is None:
        return False
    if known is None or (known.run_id, known.body_hash) != (row.run_id, message.body_hash):
        raise IdempotencyKeyReusedError(message.key)
    return True


def _receive(tables: Tables, row: RunRow, message: Inbound) -> None:
    if message.entry is not None:
        number = 1
        while not tables.add_step(row.run_id, encode(entry_path(number)), encode(message.entry)):
            number += 1
    tables.add_message(
        MessageRow(
            row.tenant,
            row.subject,
            row.operation,
            message.key,
            row.run_id,
            message.body_hash,
            tables.now(),
        )
    )


def _unanswered(
    tables: Tables, run_id: str, answers: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Return the answers that are not recorded yet.

    Raises:
        InterruptAnsweredError: Another answer came first.
    """
    new: dict[str, JsonValue] = {}
    for interrupt_id, answer in answers.items():
        stored = tables.step(run_id, answer_path(interrupt_id))
        if stored is None:
            new[interrupt_id] = answer
        elif not same(stored, encode({"answer": answer})):
            raise InterruptAnsweredError(f"interrupt {interrupt_id!r} has another answer already")
    return new


def _take(
    tables: Tables, run_id: str, entry: JsonObject | None, interrupt_id: str, answer: JsonValue
) -> None:
    if entry is None:
        raise InterruptNotFoundError(f"run {run_id} has no interrupt {interrupt_id!r}")
    if expiry(entry) <= tables.now():
        raise InterruptExpiredError(f"interrupt {interrupt_id!r} can no longer be answered")
    check_answer(Interrupt.model_validate(entry["interrupt"]), answer)
    tables.add_step(run_id, answer_path(interrupt_id), encode({"answer": answer}))
    entry["answered"] = True


def answer_path(interrupt_id: str) -> str:
    """Return the stored path of an interrupt's answer."""
    return encode(["interrupt", interrupt_id])


def _id(entry: JsonObject) -> str:
    interrupt = entry["interrupt"]
    return str(interrupt["id"]) if isinstance(interrupt, dict) else ""
