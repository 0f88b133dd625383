"""What the ledger says of an effect: may it start, is it done, who is at it, can anybody tell."""

from collections.abc import Sequence

from weft.checkpoint.base import Held
from weft.checkpoint.effects import EffectCall, EffectOutcome, Intent
from weft.checkpoint.rules.writing import held_run, write_numbered
from weft.checkpoint.tables import EffectRow, Tables
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
    tables: Tables, held: Held, row: EffectRow, *, again: bool, texts: Sequence[EventText]
) -> Intent:
    if held_run(tables, held).status == "canceling":
        raise CanceledError(f"run {held.run_id} is being canceled: no new effect starts")
    known = tables.effect(row.key)
    if known is None:
        return _grant(tables, held, row, texts)
    repeated = (known.nonce, known.run_id, known.epoch) == (row.nonce, row.run_id, row.epoch)
    if repeated and known.state == "intended":
        return Intent("granted", known.attempt, None, known.run_id, known.recorded_at)
    found = _intent(tables, known)
    if known.state == "not_done" or (found.state == "unknown" and again):
        return _grant(tables, held, row._replace(attempt=known.attempt + 1), texts)
    return found


def _grant(tables: Tables, held: Held, row: EffectRow, texts: Sequence[EventText]) -> Intent:
    now = tables.now()
    tables.put_effect(row._replace(recorded_at=now))
    return Intent("granted", row.attempt, None, row.run_id, now, _tell(tables, held, texts))


def _tell(tables: Tables, held: Held, texts: Sequence[EventText]) -> tuple[Envelope, ...]:
    where = tables.advance(held, len(texts), step=False)
    if where is None:
        raise FencedError(held.run_id, held.epoch)
    return write_numbered(tables, held.run_id, where, texts)


def _alive(tables: Tables, row: EffectRow) -> bool:
    holder = tables.run(row.run_id)
    return holder is not None and holder.epoch == row.epoch and holder.leased(tables.now())


def _intent(tables: Tables, row: EffectRow) -> Intent:
    if row.state in ("done", "not_done"):
        # Deleting its thread leaves of an outcome only its kind.
        stored: JsonObject = {"kind": row.state}
        if row.outcome is not None:
            stored = loads_object(row.outcome)
        return Intent("settled", row.attempt, _outcome(stored), row.run_id, row.recorded_at)
    alive = row.state == "intended" and _alive(tables, row)
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
    tables: Tables,
    held: Held,
    row: tuple[str, int],
    outcome: tuple[str, str],
    texts: Sequence[EventText],
) -> tuple[Envelope, ...]:
    """Record (kind, text) as the outcome of (key, attempt)."""
    erased = held_run(tables, held).erased
    known = _attempt(tables, *row)
    kind, text = outcome
    if known.state in ("done", "not_done"):
        if known.state == kind and (known.outcome is None or same(known.outcome, text)):
            return ()
        raise EffectSettledError(f"attempt {known.attempt} at {known.tool!r} is settled already")
    newest = tables.effect(known.key)
    if newest is not None and newest.attempt != known.attempt:
        raise EffectSettledError(f"attempt {newest.attempt} at {known.tool!r} took its place")
    mine = (known.run_id, known.epoch) == (held.run_id, held.epoch)
    if known.state == "intended" and not mine and _alive(tables, known):
        raise FencedError(held.run_id, held.epoch)
    tables.put_effect(known._replace(state=kind, outcome=text, recorded_at=tables.now()))
    if erased:
        tables.erase_run(held.run_id)
    return _tell(tables, held, texts)


def doubt(tables: Tables, held: Held, key: str, attempt: int) -> None:
    held_run(tables, held)
    known = _attempt(tables, key, attempt)
    if known.state == "intended":
        tables.put_effect(known._replace(state="unknown"))


def _attempt(tables: Tables, key: str, attempt: int) -> EffectRow:
    known = tables.attempt(key, attempt)
    if known is None:
        raise NotFoundError("effect attempt", f"{key}/{attempt}")
    return known


def find(tables: Tables, key: str) -> Intent | None:
    row = tables.effect(key)
    return None if row is None else _intent(tables, row)
