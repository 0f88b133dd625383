"""Filling an output schema from the frame, by name, type and enum; the rest is left out."""

from collections.abc import Mapping

from weft.core import JsonObject, JsonValue
from weft.models.offline.bind import Origins, value_for
from weft.models.offline.fields import coerced, properties_of

ABSTAIN = "abstain"
_ANSWERS = frozenset({"answer", "summary", "report", "response", "reply"})
_CHOICES = frozenset({"choice", "verdict", "decision"})
_EXPLANATIONS = frozenset({"reasons", "reason", "rationale", "explanation"})


def fill(
    schema: JsonObject,
    frame: JsonObject,
    origins: Origins,
    *,
    answer: str = "",
    abstention: str = "",
) -> JsonObject:
    """Return the fields that have a source; validation tells of the others."""
    filled: JsonObject = {}
    judges = False
    fields = properties_of(schema)
    for name, field in fields.items():
        choices = field.get("enum")
        if name in _CHOICES and isinstance(choices, list) and ABSTAIN in choices:
            filled[name], judges = ABSTAIN, True
            continue
        value = _field(name, field, frame, origins)
        if value is None and name in _ANSWERS and field.get("type") == "string" and answer:
            value = answer
        if value is not None:
            filled[name] = value
    for name, field in fields.items():
        if judges and name in _EXPLANATIONS and field.get("type", "string") == "string":
            filled[name] = abstention
    return filled


def _field(name: str, field: JsonObject, frame: JsonObject, origins: Origins) -> JsonValue:
    if name in frame:
        return _fitting(frame[name], field)
    if field.get("type") == "object":
        inner = fill(field, frame, origins)
        return inner or None
    return value_for(name, field, origins)


def _fitting(value: JsonValue, field: JsonObject) -> JsonValue:
    items = field.get("items")
    if isinstance(value, list):
        choices = items.get("enum") if isinstance(items, Mapping) else None
        kept = [item for item in value if not isinstance(choices, list) or item in choices]
        limit = field.get("maxItems")
        return kept[:limit] if isinstance(limit, int) else kept
    return coerced(value, field)
