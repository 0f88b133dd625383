"""What the ledger says of an effect: may it start, is it done, who is at it, can anybody tell."""

from collections.abc import Sequence

from weft.checkpoint.base import Held
from weft.checkpoint.effects import EffectCall, EffectOutcome, Intent
from weft.checkpoint.requests import (
    EraseRun,
    Now,
    NumberEvents,
    PutEffect,
    ReadAttempts,
    ReadEffect,
    ReadRun,
)
from weft.checkpoint.rules.rows import write_numbered
from weft.checkpoint.script import Script
from weft.checkpoint.tables import Attempts, EffectRow
from weft.checkpoint.text import EventText, encode, same
from weft.core import JsonObject, loads_object
from weft.core.errors import CanceledError, EffectSettledError, FencedError, NotFoundError
from weft.events import Envelope


def prepared(held: Held, call: EffectCall) -> EffectRow:
    """Return the row of a first attempt, not stored yet."""
    return EffectRow(
        key=call.key,
        attempt=1,
        tenant=call.tenant,
        scope=call.scope,
        scope_id=call.scope_id,
        tool=call.tool,
        args_hash=call.args_hash,
        arguments=encode(call.arguments),
        path=encode(call.path),
        nonce=call.nonce,
        run_id=held.run_id,
        epoch=held.epoch,
        state="intended",
        outcome=None,
        recorded_at=0.0,
    )


def outcome_text(outcome: EffectOutcome) -> str:
    return encode(
        {
            "kind": outcome.kind,
            "value": outcome.value,
            "message": outcome.message,
            "settled_by": outcome.settled_by,
        }
    )


def intend(
    held: Held, row: EffectRow, *, again: bool, texts: Sequence[EventText]
) -> Script[Intent]:
    ledger = yield from _attempts(held, row.key)
    if ledger.status == "canceling":
        raise CanceledError(f"run {held.run_id} is being canceled: no new effect starts")
    if not ledger.attempts:
        return (yield from _grant(held, row, texts, ledger.now))
    newest = ledger.attempts[-1]
    repeated = (newest.nonce, newest.run_id, newest.epoch) == (row.nonce, row.run_id, row.epoch)
    if repeated and newest.state == "intended":
        return Intent("granted", newest.attempt, None, newest.run_id, newest.recorded_at)
    intent = yield from _intent(newest)
    if newest.state == "not_done" or (intent.state == "unknown" and again):
        row = row._replace(attempt=newest.attempt + 1)
        return (yield from _grant(held, row, texts, ledger.now))
    return intent


def _attempts(held: Held, key: str) -> Script[Attempts]:
    """Return the attempts at an effect, locked, with the status of the run that asks.

    Raises:
        FencedError: The claim is stale, or the run has ended.
    """
    ledger = yield from ReadAttempts(held, key)
    if ledger is None:
        raise FencedError(held.run_id, held.epoch)
    return ledger


def _grant(held: Held, row: EffectRow, texts: Sequence[EventText], now: float) -> Script[Intent]:
    yield from PutEffect(row._replace(recorded_at=now))
    events = yield from _tell(held, texts)
    return Intent("granted", row.attempt, None, row.run_id, now, events)


def _tell(held: Held, texts: Sequence[EventText]) -> Script[tuple[Envelope, ...]]:
    place = yield from NumberEvents(held, len(texts))
    if place is None:
        raise FencedError(held.run_id, held.epoch)
    return (yield from write_numbered(held.run_id, place, texts))


def _alive(row: EffectRow) -> Script[bool]:
    holder = yield from ReadRun(row.run_id)
    if holder is None or holder.epoch != row.epoch:
        return False
    return holder.leased((yield from Now()))


def _intent(row: EffectRow) -> Script[Intent]:
    if row.state in ("done", "not_done"):
        # Deleting its thread leaves of an outcome only its kind.
        stored: JsonObject = {"kind": row.state}
        if row.outcome is not None:
            stored = loads_object(row.outcome)
        return Intent("settled", row.attempt, _outcome(stored), row.run_id, row.recorded_at)
    alive = row.state == "intended" and (yield from _alive(row))
    return Intent(
        "in_progress" if alive else "unknown", row.attempt, None, row.run_id, row.recorded_at
    )


def _outcome(stored: JsonObject) -> EffectOutcome:
    settled_by = stored.get("settled_by")
    return EffectOutcome(
        kind="done" if stored.get("kind") == "done" else "not_done",
        value=stored.get("value"),
        message=str(stored.get("message") or ""),
        settled_by=None if settled_by is None else str(settled_by),
    )


def settle(
    held: Held,
    attempt: tuple[str, int],
    outcome: tuple[str, str],
    texts: Sequence[EventText],
) -> Script[tuple[Envelope, ...]]:
    """Record (kind, text) as the outcome of (key, attempt)."""
    ledger = yield from _attempts(held, attempt[0])
    row = _attempt(ledger.attempts, *attempt)
    kind, text = outcome
    if row.state in ("done", "not_done"):
        if row.state == kind and (row.outcome is None or same(row.outcome, text)):
            return ()
        raise EffectSettledError(f"attempt {row.attempt} at {row.tool!r} is settled already")
    newest = ledger.attempts[-1]
    if newest.attempt != row.attempt:
        raise EffectSettledError(f"attempt {newest.attempt} at {row.tool!r} took its place")
    mine = (row.run_id, row.epoch) == (held.run_id, held.epoch)
    if row.state == "intended" and not mine and (yield from _alive(row)):
        raise FencedError(held.run_id, held.epoch)
    yield from PutEffect(row._replace(state=kind, outcome=text, recorded_at=ledger.now))
    if ledger.erased:
        yield from EraseRun(held.run_id)
    return (yield from _tell(held, texts))


def doubt(held: Held, key: str, attempt: int) -> Script[None]:
    row = _attempt((yield from _attempts(held, key)).attempts, key, attempt)
    if row.state == "intended":
        yield from PutEffect(row._replace(state="unknown"))


def _attempt(attempts: Sequence[EffectRow], key: str, attempt: int) -> EffectRow:
    for row in attempts:
        if row.attempt == attempt:
            return row
    raise NotFoundError("effect attempt", f"{key}/{attempt}")


def find(key: str) -> Script[Intent | None]:
    row = yield from ReadEffect(key)
    return None if row is None else (yield from _intent(row))
