"""Filling a tool's arguments, each from a source that can be named."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from weft.core import JsonObject, JsonValue, ToolSpec
from weft.language.entities import Entity
from weft.models.offline.fields import coerced, properties_of, required_of
from weft.models.offline.match import object_of
from weft.models.offline.pick import EntitySource, argument_kinds, from_entities, has_unit

REQUEST, EARLIER, METADATA, ANSWER = "request", "earlier turn", "metadata", "answer"

_TEXTUAL = frozenset({"quoted", "request"})


@dataclass(frozen=True, slots=True)
class Origins:
    """Everything an argument can come from, nearest first."""

    text: str
    entities: tuple[Entity, ...]
    earlier: tuple[Entity, ...] = ()
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    results: Mapping[str, tuple[str, JsonValue]] = field(default_factory=dict)
    """By name: the tool that gave it, and the value."""
    answers: Mapping[str, JsonValue] = field(default_factory=dict)
    """What a person said when asked, by `tool.argument`."""

    def request_only(self) -> "Origins":
        return Origins(self.text, self.entities, answers=self.answers)


@dataclass(frozen=True, slots=True)
class Bound:
    """A call's arguments with their sources, and what is still missing."""

    arguments: JsonObject
    sources: Mapping[str, str]
    missing: tuple[str, ...]
    typed: bool
    """Every required argument came from an entity of its own kind."""
    given: bool = False
    """Every required argument came from the run's metadata, under its own name."""


def bind(tool: ToolSpec, origins: Origins) -> Bound:
    """Return what can be filled; arguments with a default are left to the tool."""
    arguments: JsonObject = {}
    sources: dict[str, str] = {}
    missing: list[str] = []
    used: set[int] = set()
    required = required_of(tool.parameters)
    strong = 0
    for name, schema in properties_of(tool.parameters).items():
        needed = name in required
        answer = origins.answers.get(f"{tool.name}.{name}")
        match = (ANSWER, coerced(answer, schema)) if answer is not None else None
        if match is None or match[1] is None:
            match = _from_anything(name, schema, origins, used, needed=needed)
        if match is None and _is_a_name(name, schema):
            match = REQUEST, object_of(tool.name, origins.text)
        if match is not None and match[1] is not None:
            sources[name], arguments[name] = match
            strong += needed and match[0] == REQUEST and not _fits_anything(name, schema)
        elif needed and "default" not in schema:
            missing.append(name)
    return Bound(
        arguments,
        sources,
        tuple(missing),
        typed=bool(required) and strong == len(required),
        given=bool(required) and all(sources.get(name) == METADATA for name in required),
    )


def value_for(name: str, schema: JsonObject, origins: Origins) -> JsonValue:
    """Return a value for one field, or None where the text names none."""
    return from_entities(name, schema, EntitySource(origins.entities, origins.text))


def _from_anything(
    name: str, schema: JsonObject, origins: Origins, used: set[int], *, needed: bool
) -> tuple[str, JsonValue] | None:
    for source, value in _candidates(name, schema, origins, used, needed=needed):
        fitting = None if value is None else coerced(value, schema)
        if fitting is not None:
            return source, fitting
    return None


def _candidates(
    name: str, schema: JsonObject, origins: Origins, used: set[int], *, needed: bool
) -> Iterator[tuple[str, JsonValue]]:
    here = EntitySource(origins.entities, origins.text, used, needed=needed)
    yield REQUEST, from_entities(name, schema, here)
    yield METADATA, origins.metadata.get(name)
    yield EARLIER, from_entities(name, schema, EntitySource(origins.earlier, needed=needed))
    if name in origins.results:
        tool, value = origins.results[name]
        yield f"result of {tool}", value
    if needed and argument_kinds(name) & {"request"} and schema.get("type", "string") == "string":
        yield REQUEST, origins.text


def _is_a_name(name: str, schema: JsonObject) -> bool:
    return schema.get("type") == "string" and "proper" in argument_kinds(name)


def _fits_anything(name: str, schema: JsonObject) -> bool:
    """Tell whether any text or number would do, so that a fit says nothing about the tool."""
    if schema.get("type") in ("integer", "number"):
        return not has_unit(name)
    kinds = argument_kinds(name)
    return schema.get("type", "string") == "string" and bool(kinds) and kinds <= _TEXTUAL
