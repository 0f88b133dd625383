"""Choosing the entity that an argument means."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from weft.core import JsonObject, JsonValue
from weft.language import lexicon
from weft.language.entities import Entity
from weft.language.text import beginning, name_words, says

_STRONG = (
    "environment",
    "service",
    "metric",
    "url",
    "email",
    "path",
    "id",
    "time",
    "date",
    "proper",
)
_UNITS = {"ms": 0.001, "milliseconds": 0.001, "seconds": 1, "secs": 1, "s": 1, "minutes": 60,
          "mins": 60, "hours": 3600, "days": 86_400}  # fmt: skip
_WORD = re.compile(r"\w++")
_BETWEEN = 2
_COUNTED = frozenset({"limit", "count", "top", "replicas", "threshold", "max", "min", "n", "size"})


@dataclass(frozen=True, slots=True)
class EntitySource:
    """Entities to choose from; one serves one argument of a call only."""

    entities: tuple[Entity, ...]
    text: str = ""
    used: set[int] = field(default_factory=set)
    needed: bool = True
    """Whether a loose fit will do, because nothing works without the argument."""

    def take(self, entity: Entity) -> Entity:
        self.used.add(entity.start)
        return entity

    def free(self, kind: str) -> Iterator[Entity]:
        return (e for e in self.entities if e.kind == kind and e.start not in self.used)


def from_entities(name: str, schema: JsonObject, source: EntitySource) -> JsonValue:
    """Return the value for one argument, by name, enum, format and type."""
    for pair in source.free("pair"):
        if pair.name in (name.lower(), name.lower().replace("_", "-")):
            return pair.value
    if isinstance(schema.get("enum"), list):
        return _mentioned(schema["enum"], source)
    wanted = schema.get("type")
    if wanted in ("integer", "number"):
        return _number(name, source, whole=wanted == "integer")
    if wanted == "array":
        kinds = argument_kinds(name)
        values: list[JsonValue] = [e.text for e in source.entities if e.kind in kinds]
        return values or None
    return _string(name, schema, source) if wanted in ("string", None) else None


def _mentioned(choices: JsonValue, source: EntitySource) -> JsonValue:
    spoken = f" {source.text.lower()} ".replace("-", " ").replace("_", " ")
    texts = {entity.text.lower() for entity in source.entities}
    for choice in choices if isinstance(choices, list) else []:
        word = str(choice).lower().replace("-", " ").replace("_", " ")
        if word in texts or says(spoken, word):
            return choice
    return None


def _string(name: str, schema: JsonObject, source: EntitySource) -> JsonValue:
    kinds = argument_kinds(name) | _format_kinds(schema)
    for kind in (*_STRONG, *(("quoted",) if source.needed else ())):
        entity = next(source.free(kind), None) if kind in kinds else None
        if entity is not None:
            return source.take(entity).text
    if "window" in kinds:
        return next((_span(entity) for entity in source.free("window")), None)
    return None


def _number(name: str, source: EntitySource, *, whole: bool) -> JsonValue:
    words = name_words(name)
    unit = next((_UNITS[word] for word in words if word in _UNITS), None)
    if unit is not None and (length := _length(source, unit, whole=whole)) is not None:
        return length
    if not source.needed and _COUNTED.isdisjoint(words):
        return None
    plain = [number for number in source.free("number") if not number.name or unit is None]
    fitting = [number for number in plain if isinstance(number.value, int) or not whole]
    chosen = _beside(words, fitting, source.text) or next(iter(fitting), None)
    return None if chosen is None else source.take(chosen).value


def _beside(words: Sequence[str], numbers: Sequence[Entity], text: str) -> Entity | None:
    """Return the number that closely follows a word of the argument's name: `base of 10`."""
    spoken = [(match[0].lower(), match.start()) for match in _WORD.finditer(beginning(text))]
    for word in words:
        start = None if word in _UNITS else _digits_behind(word, spoken)
        if start is not None:
            # A number may begin with its sign.
            near = (entity for entity in numbers if entity.start in (start, start - 1))
            if (number := next(near, None)) is not None:
                return number
    return None


def _digits_behind(word: str, spoken: Sequence[tuple[str, int]]) -> int | None:
    """Return where the first digits stand that at most two words part from `word`."""
    for place, (said, _) in enumerate(spoken):
        if said == word:
            behind = spoken[place + 1 : place + 2 + _BETWEEN]
            start = next((start for digits, start in behind if digits[0].isdecimal()), None)
            if start is not None:
                return start
    return None


def _length(source: EntitySource, unit: float, *, whole: bool) -> JsonValue:
    for entity in (*source.free("window"), *source.free("number")):
        if entity.seconds is None:
            continue
        amount = entity.seconds / unit
        if amount.is_integer():
            return int(source.take(entity).seconds or 0) // int(unit) if unit >= 1 else int(amount)
        if not whole:
            return amount
    return None


def _span(window: Entity) -> str:
    """Return the window as people write it to tools: `15m`, `2h`."""
    unit = window.name[:1] if window.name not in ("ms", "millisecond", "milliseconds") else "ms"
    return f"{window.value}{unit}"


def has_unit(name: str) -> bool:
    """Tell whether an argument's name says in what it is measured."""
    return not _UNITS.keys().isdisjoint(name_words(name))


@lru_cache(maxsize=2048)
def argument_kinds(name: str) -> frozenset[str]:
    """Return the kinds of entity that an argument of this name takes."""
    words = frozenset(name_words(name))
    return frozenset(kind for kind, names in lexicon.ARGUMENT_KINDS.items() if words & names)


def _format_kinds(schema: JsonObject) -> frozenset[str]:
    formats = {"uri": "url", "email": "email", "date-time": "time", "date": "date", "uuid": "id"}
    kind = formats.get(str(schema.get("format")))
    return frozenset({kind}) if kind else frozenset()
