"""What people respond to interrupts, each once."""

from collections.abc import Mapping

from weft.checkpoint.base import Run
from weft.checkpoint.inbound import Inbound, entry_path
from weft.checkpoint.requests import (
    AddAnswer,
    AddMessage,
    Now,
    ReadMessage,
    ReadRun,
    ReadRunByKey,
    ReadStep,
)
from weft.checkpoint.rules.interrupt_events import expiry, resolved
from weft.checkpoint.rules.rows import owned, run_of, tell, waiting, whole_run
from weft.checkpoint.script import Script
from weft.checkpoint.tables import MessageRow, RequestKey, RunRow
from weft.checkpoint.text import decode_object, encode, same
from weft.core import Interrupt, JsonObject, JsonValue, Principal, RunId, check_answer, loads_object
from weft.core.errors import (
    IdempotencyKeyReusedError,
    InterruptAnsweredError,
    InterruptExpiredError,
    InterruptNotFoundError,
    NotFoundError,
    RunNotInterruptedError,
)


def resume(
    principal: Principal,
    run_id: RunId,
    answers: Mapping[str, JsonValue],
    message: Inbound | None = None,
    *,
    colleague: bool = False,
) -> Script[Run]:
    if colleague:
        row = yield from _asked_of_tenant(principal, run_id, answers)
    else:
        row = yield from owned(principal, run_id, lock=True)
    now = yield from Now()
    if message is not None and (yield from _is_repeated(row, message)):
        return (yield from whole_run(row, now))
    new = yield from _unanswered(run_id, answers)
    if new and row.status != "interrupted":
        raise RunNotInterruptedError(f"run {run_id} is {row.status} and waits for no answer")
    if message is not None:
        yield from _receive(row, message, now)
    if not new:
        return (yield from whole_run(row, now))
    return run_of((yield from _answer(row, new, by=principal.subject)), now)


def _asked_of_tenant(
    principal: Principal, run_id: RunId, answers: Mapping[str, JsonValue]
) -> Script[RunRow]:
    """Return the tenant's run, locked, if it put each of these questions, answered since or not.

    Raises:
        NotFoundError: No such run, or not one that put them all.
        InterruptExpiredError: It waited too long for one.
    """
    row = yield from ReadRun(run_id, lock=True)
    if row is None or row.tenant != principal.tenant or row.gone or not answers:
        raise NotFoundError("run", run_id)
    put = {_id(entry) for entry in waiting(row)} if row.status == "interrupted" else set()
    for interrupt_id in answers.keys() - put:
        if (yield from ReadStep(run_id, answer_path(interrupt_id))) is None:
            if (decode_object(row.error) or {}).get("code") == InterruptExpiredError.code:
                raise InterruptExpiredError(f"run {run_id} waited too long for an answer")
            raise NotFoundError("run", run_id)
    return row


def _receive(row: RunRow, message: Inbound, now: float) -> Script[None]:
    if message.entry is not None:
        number, entry = 1, encode(message.entry)
        while not (yield from AddAnswer(row.run_id, encode(entry_path(number)), entry)):
            number += 1
    key = row.request_key._replace(key=message.key)
    yield from AddMessage(MessageRow(*key, row.run_id, message.body_hash, now))


def _answer(row: RunRow, answers: Mapping[str, JsonValue], *, by: str) -> Script[RunRow]:
    """Take the answers; with no question left open the run is queued again."""
    now = yield from Now()
    entries = {_id(entry): entry for entry in waiting(row)}
    for interrupt_id, answer in answers.items():
        said: JsonObject = {"answer": answer, "by": by, "at": now}
        yield from _take(row.run_id, entries.get(interrupt_id), interrupt_id, said)
    left = [entry for entry in entries.values() if not entry.get("answered")]
    events = [
        resolved(row, interrupt_id, answer, by=by) for interrupt_id, answer in answers.items()
    ]
    row = row._replace(interrupts=encode(list(entries.values())))
    if left:
        row = row._replace(expires_at=min(expiry(entry) for entry in left))
    else:
        deadline = None if row.rest is None else now + row.rest
        row = row._replace(
            status="queued", result=None, expires_at=None, deadline=deadline, rest=None
        )
    row, _ = yield from tell(row, *events)
    return row


def _is_repeated(row: RunRow, message: Inbound) -> Script[bool]:
    """Tell whether the run was given this message before.

    Raises:
        IdempotencyKeyReusedError: Its key made a run, or came with something else.
    """
    key: RequestKey = row.request_key._replace(key=message.key)
    run = yield from ReadRunByKey(key, lock=True)
    earlier = yield from ReadMessage(key)
    if earlier is None and run is None:
        return False
    if earlier is None or (earlier.run_id, earlier.body_hash) != (row.run_id, message.body_hash):
        raise IdempotencyKeyReusedError(message.key)
    return True


def _unanswered(run_id: str, answers: Mapping[str, JsonValue]) -> Script[dict[str, JsonValue]]:
    """Return the answers that are not recorded yet.

    Raises:
        InterruptAnsweredError: Another answer came first.
    """
    new: dict[str, JsonValue] = {}
    for interrupt_id, answer in answers.items():
        stored = yield from ReadStep(run_id, answer_path(interrupt_id))
        if stored is None:
            new[interrupt_id] = answer
            continue
        first = loads_object(stored)
        if not same(encode(first.get("answer")), encode(answer)):
            by, at = first.get("by"), first.get("at")
            raise InterruptAnsweredError(
                interrupt_id,
                by=by if isinstance(by, str) else None,
                at=at if isinstance(at, float) else None,
            )
    return new


def _take(
    run_id: str, entry: JsonObject | None, interrupt_id: str, said: JsonObject
) -> Script[None]:
    if entry is None:
        raise InterruptNotFoundError(f"run {run_id} has no interrupt {interrupt_id!r}")
    if expiry(entry) <= (yield from Now()):
        raise InterruptExpiredError(f"interrupt {interrupt_id!r} can no longer be answered")
    check_answer(Interrupt.model_validate(entry["interrupt"]), said["answer"])
    yield from AddAnswer(run_id, answer_path(interrupt_id), encode(said))
    entry["answered"] = True


def answer_path(interrupt_id: str) -> str:
    """Return the stored path of an interrupt's answer."""
    return encode(["interrupt", interrupt_id])


def _id(entry: JsonObject) -> str:
    interrupt = entry["interrupt"]
    return str(interrupt["id"]) if isinstance(interrupt, dict) else ""
