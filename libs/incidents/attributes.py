"""Attributes as OTLP JSON writes them, and the odd values that stand where an object should."""

from collections.abc import Container, Iterable, Iterator, Sequence

from incidents.json_stream import Item
from weft.core import JsonObject, JsonValue

_MOST_DIGITS = 20
_MOST_WAITING = 50_000
_PLAIN = ("stringValue", "doubleValue", "boolValue")


def attributes(value: JsonValue) -> JsonObject:
    """Return the attributes of a list of `{key, value}`; integers that are texts are integers."""
    if not isinstance(value, list):
        return {}
    plain: JsonObject = {}
    for entry in value:
        if isinstance(entry, dict) and isinstance(held := entry.get("value"), dict):
            plain[str(entry.get("key"))] = _plain(held)
    return plain


def picked(value: JsonValue, wanted: Container[str]) -> JsonObject:
    """Return those of a list of attributes that are wanted."""
    if not isinstance(value, list):
        return {}
    plain: JsonObject = {}
    for entry in value:
        if isinstance(entry, dict) and (key := entry.get("key")) in wanted:
            held = entry.get("value")
            if isinstance(key, str) and isinstance(held, dict):
                plain[key] = _plain(held)
    return plain


def object_of(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def objects_of(value: JsonValue) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _plain(value: JsonObject) -> JsonValue:
    for kind in _PLAIN:
        if kind in value:
            return value[kind]
    digits = value.get("intValue")
    if isinstance(digits, str) and digits.removeprefix("-").isdecimal():
        return int(digits) if len(digits) <= _MOST_DIGITS else None
    return digits


def with_resources(
    items: Iterable[Item], resources: Sequence[str]
) -> Iterator[tuple[JsonValue, JsonObject]]:
    """Yield each item's value with its resource's attributes, which may stand behind the items.

    `resources` are the paths where a resource may stand; one resource's attributes are one object.
    """
    waiting: list[Item] = []
    context: JsonObject | None = None
    resource: JsonObject | None = None
    for item in items:
        if waiting and (item.context is not context or len(waiting) >= _MOST_WAITING):
            yield from _late(waiting, resources)
            waiting = []
        if resource is None or item.context is not context:
            context, resource = item.context, _resource(item.context, resources)
        if resource is None:
            waiting.append(item)
        else:
            yield item.value, resource
    yield from _late(waiting, resources)


def _late(waiting: list[Item], resources: Sequence[str]) -> list[tuple[JsonValue, JsonObject]]:
    resource = _resource(waiting[0].context, resources) if waiting else None
    return [(item.value, resource or {}) for item in waiting]


def _resource(context: JsonObject, resources: Sequence[str]) -> JsonObject | None:
    for path in resources:
        if (resource := context.get(path)) is not None:
            return attributes(object_of(resource).get("attributes"))
    return None
