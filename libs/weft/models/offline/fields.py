"""Reading JSON schemas: the fields of an object, and what fits them."""

from collections.abc import Mapping
from typing import Any

from weft.core import JsonObject, JsonValue


def properties_of(schema: Mapping[str, Any]) -> dict[str, JsonObject]:
    listed = schema.get("properties")
    if not isinstance(listed, dict):
        return {}
    return {name: resolved(field, schema) for name, field in listed.items()}


def required_of(schema: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(schema.get("required") or ())


def resolved(schema: Any, root: Mapping[str, Any]) -> JsonObject:  # noqa: ANN401 - JSON
    """Return `schema` with its reference followed and `null` taken out of its alternatives."""
    if not isinstance(schema, dict):
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target: Any = root
        for part in reference[2:].split("/"):
            target = target.get(part, {}) if isinstance(target, dict) else {}
        return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    for key in ("anyOf", "oneOf"):
        options = [o for o in schema.get(key) or () if isinstance(o, dict)]
        real = [resolved(option, root) for option in options if option.get("type") != "null"]
        if len(real) == 1:
            return {**real[0], **{k: v for k, v in schema.items() if k != key}}
    return dict(schema)


def coerced(value: JsonValue, schema: JsonObject) -> JsonValue:
    """Return `value` in the schema's type, or None where it does not fit."""
    choices = schema.get("enum")
    if isinstance(choices, list):
        return value if value in choices else None
    kinds: dict[JsonValue, tuple[type, ...]] = {
        "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
        "array": (list,), "object": (dict,),
    }  # fmt: skip
    wanted = schema.get("type")
    accepted = kinds.get(wanted) if isinstance(wanted, str) else None
    if accepted is None:
        return value
    if isinstance(value, bool) and wanted != "boolean":
        return None
    if isinstance(value, accepted):
        return value
    return _parsed(value, wanted)


def _parsed(value: JsonValue, wanted: JsonValue) -> JsonValue:
    if wanted == "string" and isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        return None
    if wanted == "boolean":
        return {"true": True, "yes": True, "false": False, "no": False}.get(value.lower())
    try:
        return int(value) if wanted == "integer" else float(value) if wanted == "number" else None
    except ValueError:
        return None
