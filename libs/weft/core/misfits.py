"""Whether a value fits a JSON Schema, as far as questions to people need one.

Types, fixed values, the fields of objects, items and bounds are checked; other keywords say nothing
here. A pattern is not tried: a foreign one may take for ever.
"""

from collections.abc import Callable, Iterator
from typing import Final

from pydantic import JsonValue

from weft.core.record import JsonObject

__all__ = ["misfits"]

_KINDS: Final[dict[str, Callable[[JsonValue], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        not isinstance(value, bool) and isinstance(value, int | float) and value == int(value)
    ),
}


def misfits(value: JsonValue, schema: JsonObject, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Yield (JSON pointer, what should stand there) for everything that breaks `schema`."""
    kinds = _list(schema.get("type"))
    if kinds and not any(_KINDS.get(str(kind), _anything)(value) for kind in kinds):
        yield pointer, f"this must be of type {' or '.join(map(str, kinds))}"
        return
    if "const" in schema and not _same(value, schema["const"]):
        yield pointer, f"this must be {_shown(schema['const'])}"
    choices = _list(schema.get("enum"))
    if choices and not any(_same(value, choice) for choice in choices):
        yield pointer, f"this must be one of {', '.join(map(_shown, choices))}"
    yield from _bounds(value, schema, pointer)
    if isinstance(value, dict):
        yield from _fields(value, schema, pointer)
    elif isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        for place, item in enumerate(value):
            yield from misfits(item, items, f"{pointer}/{place}")


def _fields(
    value: dict[str, JsonValue], schema: JsonObject, pointer: str
) -> Iterator[tuple[str, str]]:
    properties = schema.get("properties")
    members = properties if isinstance(properties, dict) else {}
    for name in _list(schema.get("required")):
        if name not in value:
            yield f"{pointer}/{name}", "this is required"
    for name, child in value.items():
        place = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
        inner = members.get(name, schema.get("additionalProperties"))
        if inner is False:
            yield place, f"there is no such field; known: {', '.join(sorted(members))}"
        elif isinstance(inner, dict):
            yield from misfits(child, inner, place)


def _bounds(value: JsonValue, schema: JsonObject, pointer: str) -> Iterator[tuple[str, str]]:
    size: float | None = None
    names: tuple[str, str] | None = None
    match value:
        case bool() | None | dict():
            return
        case int() | float():
            size, names = value, ("minimum", "maximum")
        case str():
            size, names = len(value), ("minLength", "maxLength")
        case list():
            size, names = len(value), ("minItems", "maxItems")
    least, most = (schema.get(name) for name in names)
    if isinstance(least, int | float) and size < least:
        yield pointer, f"this must be at least {least}" + ("" if size is value else " long")
    if isinstance(most, int | float) and size > most:
        yield pointer, f"this must be at most {most}" + ("" if size is value else " long")


def _same(value: JsonValue, other: JsonValue) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _list(value: JsonValue) -> list[JsonValue]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _shown(value: JsonValue) -> str:
    return repr(value) if isinstance(value, str) else str(value).lower()


def _anything(_: JsonValue) -> bool:
    return True
