"""What an owner writes: events, steps, and the end."""

from collections.abc import Sequence

from weft.checkpoint.base import TERMINAL, Ending, Held, Turn
from weft.checkpoint.folding import folded, names_result, without_output
from weft.checkpoint.rules.threads import add_turn
from weft.checkpoint.rules.writing import held_run, write, write_numbered
from weft.checkpoint.steps import Recorded
from weft.checkpoint.tables import Tables
from weft.checkpoint.text import EventText, encode, encode_events, same
from weft.core import JsonObject, loads_object
from weft.core.errors import BatchGapError, CanceledError, FencedError, InputError
from weft.events import TERMINAL_EVENTS, Deletion, Envelope, ThreadDeleted


class StepText:
    """A step ready to be stored."""

    __slots__ = ("events", "outcome", "path", "value")

    def __init__(self, path: str, value: JsonObject, events: tuple[EventText, ...]) -> None:
        self.path = path
        self.value = value
        self.outcome = encode(value)
        self.events = events


def append(
    tables: Tables, held: Held, batch: int, texts: Sequence[EventText]
) -> tuple[Envelope, ...]:
    where = tables.advance_batch(held, len(texts), batch)
    if where is not None:
        return write_numbered(tables, held.run_id, where, texts)
    row = held_run(tables, held)
    if batch > row.last_batch:
        raise BatchGapError(row.last_batch + 1, batch)
    return ()


def record_step(tables: Tables, held: Held, step: StepText) -> Recorded:
    if not tables.add_step(held.run_id, step.path, step.outcome):
        held_run(tables, held)
        stored = tables.step(held.run_id, step.path) or "{}"
        return Recorded(loads_object(stored))
    where = tables.advance(held, len(step.events), step=True)
    if where is None:
        raise FencedError(held.run_id, held.epoch)
    events = write_numbered(tables, held.run_id, where, step.events)
    if where.erased:
        tables.erase_run(held.run_id)
    return Recorded(step.value, events)


class EndingText:
    """An ending ready to be stored."""

    __slots__ = ("error", "events", "last", "result", "status", "steps", "turn")

    def __init__(self, ending: Ending) -> None:
        kinds = [event.type for event in ending.events]
        if not kinds or kinds[-1] != f"run.{ending.status}":
            raise InputError(f"the last event of this ending must be run.{ending.status}")
        refuse_terminal(kinds[:-1])
        self.status = ending.status
        steps = {**ending.recorded, **{step.path: step.outcome for step in ending.steps}}
        self.result = encode(folded(ending.result, steps))
        self.error = None if ending.error is None else encode(ending.error)
        self.steps = [
            StepText(encode(step.path), step.outcome, encode_events(step.events))
            for step in ending.steps
        ]
        self.turn: Turn | None = ending.turn
        self.events = encode_events(ending.events)
        self.last: str | None = None
        """The data of the last event as it is told, where less of it is kept."""
        *_, last = ending.events
        if names_result(last, ending.result):
            text = self.events[-1]
            self.last = text.data
            self.events = (*self.events[:-1], text._replace(data=encode(without_output(last))))


def refuse_terminal(kinds: Sequence[str]) -> None:
    """Refuse events that only `finish` may write.

    Raises:
        InputError: One of them ends a run.
    """
    for kind in kinds:
        if kind in TERMINAL_EVENTS:
            raise InputError(f"{kind} ends a run: hand it to finish")


def finish(tables: Tables, held: Held, ending: EndingText) -> tuple[Envelope, ...]:
    row = tables.run(held.run_id)
    if row is not None and row.epoch == held.epoch and row.status in TERMINAL:
        return ()
    row = held_run(tables, held)
    if row.status == "canceling" and ending.status != "canceled":
        raise CanceledError(f"run {held.run_id} is being canceled and can only end so")
    texts: list[EventText] = []
    for step in ending.steps:
        texts += _settle_step(tables, held, step)
    if row.erased:
        gone = ThreadDeleted(data=Deletion(thread_id=row.thread_id))
        texts += encode_events([gone])
        # Its owner heard of the deletion later than some of this was done.
        tables.erase_run(row.run_id)
    texts += ending.events
    if ending.turn is not None and not row.erased:
        add_turn(tables, row, ending.turn)
    row = row._replace(
        status=ending.status,
        owner=None,
        lease_until=0.0,
        result=row.result if row.erased else ending.result,
        error=None if row.erased else ending.error,
        last_seq=row.last_seq + len(texts),
        updated=max(row.updated, tables.now()),
    )
    tables.save_run(row)
    envelopes = write(tables, row, texts)
    if ending.last is None:
        return envelopes
    last = envelopes[-1].model_copy(update={"data": loads_object(ending.last)})
    return (*envelopes[:-1], last)


def _settle_step(tables: Tables, held: Held, step: StepText) -> tuple[EventText, ...]:
    """Write the step and return its events; none if this outcome is there already."""
    if tables.add_step(held.run_id, step.path, step.outcome):
        return step.events
    if not same(tables.step(held.run_id, step.path) or "", step.outcome):
        raise FencedError(held.run_id, held.epoch)
    return ()
