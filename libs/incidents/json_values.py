"""JSON as recordings hold it: odd values lose themselves, not the document they stand in."""

import json
import math

from weft.core import JsonObject, JsonValue
from weft.core.record import loads
from weft.core.storable import storable_json

MOST_VALUES = 4_000_000
"""A document of more values takes too much memory, however few bytes it has."""
_MOST_DIGITS = 400


def loaded(text: str) -> JsonObject | None:
    """Return the JSON object of `text` with storable texts; None if it is none.

    Lone surrogates are shown, control characters kept, and numbers that no double can hold are
    infinite: strictly they are no JSON, but a writer that lets one slip should not lose the rest.

    Raises:
        ValueError: It has too many values.
    """
    if not text.lstrip().startswith("{"):
        return None
    if text.count(",") + text.count("[") + text.count("{") > MOST_VALUES:
        raise ValueError(f"has more than {MOST_VALUES} values")
    try:
        value = loads(text)
    except ValueError:
        value = _leniently(text)
    if "\\u0000" in text:
        value = storable_json(value)
    return value if isinstance(value, dict) else None


def _leniently(text: str) -> JsonValue:
    if not _may_be_odd(text):
        return None
    try:
        value: JsonValue = json.loads(text, strict=False, parse_int=_integer)
    except ValueError:
        return None
    return storable_json(value)


def _may_be_odd(text: str) -> bool:
    """Tell cheaply whether a text that is no JSON is worth a second reading."""
    return text.rstrip().endswith("}")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _MOST_DIGITS else math.inf
