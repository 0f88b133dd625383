"""Keeps the data of an event small enough for every bus, stream and reader."""

import hashlib

from weft.core import JsonObject, JsonValue, dumps
from weft.events import preview

MOST_BYTES = 65_536
"""Of an event's data, as JSON."""
_MEMBER_BYTES = 1_024
"""What a left-out member still takes, with its name."""
_DEPTH = 3


def bounded(data: JsonObject) -> JsonObject:
    """Return `data` with its largest values left out as far as it takes to fit `MOST_BYTES`.

    In the place of each stands `{"$omitted": true, "size", "sha256", "preview"}`.
    """
    fitted = _fitted(data, MOST_BYTES, _DEPTH)
    if isinstance(fitted, dict) and len(dumps(fitted)) <= MOST_BYTES:
        return fitted
    return _omitted(dumps(data))


def _fitted(value: JsonValue, room: int, depth: int) -> JsonValue:
    text = dumps(value)
    if len(text) <= room:
        return value
    if not isinstance(value, dict) or not depth or len(value) * _MEMBER_BYTES > room:
        return _omitted(text)
    fitted: JsonObject = {}
    left = room - sum(len(dumps(name)) + 2 for name in value)
    for name, member in sorted(value.items(), key=lambda item: len(dumps(item[1]))):
        fitted[name] = _fitted(member, left, depth - 1)
        left -= len(dumps(fitted[name]))
    return {name: fitted[name] for name in value}


def _omitted(text: bytes) -> JsonObject:
    # The text is JSON, whose quotes say nothing that a reader of a preview wants.
    shown = preview(text[:MOST_BYTES].decode(errors="ignore").strip('"'))
    digest = hashlib.sha256(text).hexdigest()
    return {"$omitted": True, "size": len(text), "sha256": digest, "preview": shown}
