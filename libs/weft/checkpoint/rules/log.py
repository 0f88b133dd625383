"""What an owner writes: events, steps, and the end."""

from collections.abc import Sequence

from weft.checkpoint.base import Ending, Held, Turn
from weft.checkpoint.folding import folded, names_result, without_output
from weft.checkpoint.requests import (
    AddStep,
    EraseRun,
    FinishRun,
    Now,
    NumberBatch,
    NumberEvents,
    ReadRun,
    ReadStep,
    SaveRun,
)
from weft.checkpoint.rules.book import add as add_outcomes
from weft.checkpoint.rules.rows import checked_held, held_run, write, write_numbered
from weft.checkpoint.rules.threads import add_turn
from weft.checkpoint.script import Script
from weft.checkpoint.steps import Recorded
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


def append(held: Held, batch: int, texts: Sequence[EventText]) -> Script[tuple[Envelope, ...]]:
    place = yield from NumberBatch(held, len(texts), batch)
    if place is not None:
        return (yield from write_numbered(held.run_id, place, texts))
    row = yield from held_run(held)
    if batch > row.last_batch:
        raise BatchGapError(row.last_batch + 1, batch)
    return ()


def record_step(held: Held, step: StepText) -> Script[Recorded]:
    if not (yield from AddStep(held, step.path, step.outcome)):
        yield from held_run(held)
        stored = yield from ReadStep(held.run_id, step.path)
        return Recorded(loads_object(stored or "{}"))
    place = yield from NumberEvents(held, len(step.events), step=True)
    if place is None:
        raise FencedError(held.run_id, held.epoch)
    events = yield from write_numbered(held.run_id, place, step.events)
    if place.erased:
        yield from EraseRun(held.run_id)
    return Recorded(step.value, events)


class EndingText:
    """An ending ready to be stored."""

    __slots__ = ("book", "error", "events", "last", "result", "status", "steps", "turn")

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
        self.book = ending.book
        self.events = encode_events(ending.events)
        self.last: str | None = None
        """The data of the last event as it is told, where less of it is kept."""
        *_, last = ending.events
        if names_result(last, ending.result):
            text = self.events[-1]
            self.last = text.data
            self.events = (*self.events[:-1], text._replace(data=encode(without_output(last))))

    def told(self, envelopes: tuple[Envelope, ...]) -> tuple[Envelope, ...]:
        """Return what was written as whoever follows the run hears it."""
        if self.last is None:
            return envelopes
        last = envelopes[-1].model_copy(update={"data": loads_object(self.last)})
        return (*envelopes[:-1], last)


def refuse_terminal(kinds: Sequence[str]) -> None:
    """Refuse events that only `finish` may write.

    Raises:
        InputError: One of them ends a run.
    """
    for kind in kinds:
        if kind in TERMINAL_EVENTS:
            raise InputError(f"{kind} ends a run: hand it to finish")


def finish(held: Held, ending: EndingText) -> Script[tuple[Envelope, ...]]:
    texts = yield from _settle_steps(held, ending)
    if texts is None:
        return (yield from _finish_carefully(held, ending, None))
    count = len(texts) + len(ending.events)
    place = yield from FinishRun(held, ending.status, ending.result, ending.error, count)
    if place is None:
        return (yield from _finish_carefully(held, ending, texts))
    if ending.turn is not None:
        yield from add_turn(held, place, ending.turn)
    yield from add_outcomes(held.run_id, place.tenant, ending.book)
    texts = (*texts, *ending.events)
    return ending.told((yield from write_numbered(held.run_id, place, texts)))


def _settle_steps(held: Held, ending: EndingText) -> Script[tuple[EventText, ...] | None]:
    """Write the last steps and return the events of the new ones; None if an outcome differs."""
    texts: list[EventText] = []
    for step in ending.steps:
        if (yield from AddStep(held, step.path, step.outcome)):
            texts += step.events
            continue
        stored = yield from ReadStep(held.run_id, step.path)
        if stored is None or not same(stored, step.outcome):
            return None
    return tuple(texts)


def _finish_carefully(
    held: Held, ending: EndingText, texts: Sequence[EventText] | None
) -> Script[tuple[Envelope, ...]]:
    """Say why the run cannot be ended so; or end one that was erased, telling nobody what it made."""
    row = yield from ReadRun(held.run_id, lock=True)
    if row is not None and row.epoch == held.epoch and not row.open:
        return ()
    row = checked_held(row, held)
    if row.status == "canceling" and ending.status != "canceled":
        raise CanceledError(f"run {held.run_id} is being canceled and can only end so")
    if texts is None or not row.erased:
        raise FencedError(held.run_id, held.epoch)
    # Its owner heard of the deletion later than some of this was done.
    yield from EraseRun(row.run_id)
    gone = ThreadDeleted(data=Deletion(thread_id=row.thread_id))
    texts = (*texts, *encode_events([gone]), *ending.events)
    row = row._replace(
        status=ending.status,
        owner=None,
        lease_until=0.0,
        last_seq=row.last_seq + len(texts),
        updated=max(row.updated, (yield from Now())),
    )
    yield from SaveRun(row)
    return ending.told((yield from write(row, texts)))
