"""Values as the JSON text that every backend keeps, and back."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from pydantic_core import PydanticSerializationError

from weft.checkpoint.bounds import MOST_BYTES, bounded
from weft.core import JsonObject, JsonValue, Path, dumps, loads, loads_object, unchecked
from weft.core.errors import InputError
from weft.core.storable import storable, storable_json
from weft.events import TERMINAL_EVENTS, AgentCustom, Custom, Envelope, Event, Origin

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")


class EventText(NamedTuple):
    """An event ready to be stored."""

    type: str
    path: str
    agent: str | None
    span_id: str | None
    origin: str | None
    data: str


class EventRow(NamedTuple):
    """An event as it is stored."""

    run_id: str
    seq: int
    ts: str
    type: str
    path: str
    agent: str | None
    span_id: str | None
    origin: str | None
    data: str


def checked(*names: str) -> None:
    """Refuse identifiers that not every database can keep.

    Raises:
        InputError: One holds NUL or a lone surrogate.
    """
    for name in names:
        if "\0" in name:
            raise InputError("an identifier holds the character NUL: leave it out")
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError("an identifier holds a lone surrogate: send valid Unicode") from error


def encode(value: object) -> str:
    """Return JSON text of plain values.

    Raises:
        InputError: It holds NUL, a lone surrogate, or what JSON cannot say.
    """
    try:
        text = dumps(value)
    except TypeError as error:
        raise InputError(f"this cannot be stored as JSON: {error}") from error
    if b"\\u0000" in text and _NUL.search(text):
        raise InputError("a text holds the character NUL: leave it out")
    return text.decode()


def encode_events(events: Sequence[Event]) -> tuple[EventText, ...]:
    """Return the stored form of `events`.

    What they tell may come from anywhere, and no event is lost for a character: each that cannot
    be kept is shown by another one. What they are named by is refused.

    Raises:
        InputError: As of `encode`.
    """
    return tuple([_encoded(event) for event in events])


def keepable(events: Sequence[Event]) -> tuple[Event, ...]:
    """Return `events`, each that no database keeps replaced by one that says so in its place."""
    return tuple(
        [event if (why := _refusal(event)) is None else _gone(event, why) for event in events]
    )


def _refusal(event: Event) -> str | None:
    if event.type in TERMINAL_EVENTS:
        return "only the end of a run is told so"
    try:
        _encoded(event)
    except InputError as error:
        return str(error)
    return None


def _gone(event: Event, why: str) -> Event:
    # Its path and agent may be what cannot be kept.
    loss: JsonObject = {"event": storable(event.type), "reason": why}
    return AgentCustom(data=Custom(name="event_not_kept", data=loss))


def _encoded(event: Event) -> EventText:
    if event.agent is not None:
        checked(event.agent)
    try:
        data = event.data.model_dump(mode="json")
    except (PydanticSerializationError, UnicodeEncodeError) as error:
        raise InputError(f"this event cannot be stored as JSON: {error}") from error
    return EventText(
        event.type,
        encode(event.path) if event.path else "[]",
        event.agent,
        event.span_id,
        None if event.origin is None else encode(event.origin.to_json()),
        _small(data) if data else "{}",
    )


def _small(data: JsonObject) -> str:
    """Return the text of an event's data, bounded."""
    try:
        text = encode(data)
    except InputError:
        data = {storable(name): storable_json(value) for name, value in data.items()}
        text = encode(data)
    # A character is at most four bytes: most texts need no second look.
    if len(text) * 4 <= MOST_BYTES or len(text.encode()) <= MOST_BYTES:
        return text
    return encode(bounded(data))


def decode_path(text: str) -> Path:
    parts = loads(text)
    return tuple(str(part) for part in parts) if isinstance(parts, list) else ()


def decode_object(text: str | None) -> JsonObject | None:
    return None if text is None else loads_object(text)


def same(first: str, second: str) -> bool:
    """Tell whether two JSON texts say the same, whatever the order of their members."""
    return first == second or _value(first) == _value(second)


def _value(text: str) -> JsonValue:
    return loads(text)


def envelope(row: EventRow, tenant: str, thread_id: str, trace_id: str | None) -> Envelope:
    """Return the event as streams carry it; what the store wrote needs no validation."""
    return unchecked(
        Envelope,
        v=1,
        run_id=row.run_id,
        seq=row.seq,
        type=row.type,
        ts=row.ts,
        tenant=tenant,
        thread_id=thread_id,
        path=() if row.path == "[]" else decode_path(row.path),
        agent=row.agent,
        trace_id=trace_id,
        span_id=row.span_id,
        origin=None if row.origin is None else Origin.model_validate_json(row.origin),
        data=loads_object(row.data),
    )
