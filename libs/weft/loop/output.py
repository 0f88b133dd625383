"""What an answer must be where it is data: read here, whatever a provider promises.

A schema may come from outside, so its patterns are matched in linear time and it fetches nothing.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import jsonschema_rs
from pydantic import PydanticUserError, TypeAdapter, ValidationError

from weft.core import JsonObject, JsonValue, dumps, loads
from weft.core.errors import ConfigError

OutputSchema = type | JsonObject
"""A pydantic model, a dataclass, a TypedDict, or a JSON schema."""

MOST_FAULTS = 10
"""So many are said of one reply; whoever mends them is told of the rest."""
_BEGIN, _END = 60, 180
"""Of a long fault, in characters: the value stands before what is wrong with it."""
PATTERN_BYTES = 1 << 20
"""What one pattern of a schema may take up once it is compiled."""
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES)
_FENCE = "```"
_PLACES = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class ParsedOutput:
    """An answer that has its form."""

    text: str
    """As it was said."""
    data: JsonValue
    value: object
    """In the type that was asked for; of a JSON schema the data itself."""


@dataclass(frozen=True, slots=True)
class OutputForm:
    """The form of an answer, and what reads one."""

    schema: JsonObject
    _parse: Callable[[JsonValue], tuple[JsonValue, object]]

    def read(self, text: str) -> ParsedOutput:
        """Return what `text` says, alone or with words or a fence around it.

        Raises:
            ValueError: It is no JSON, or not of this form; the message lists every fault.
        """
        data, value = self._parse(json_in(text))
        return ParsedOutput(text, data, value)


def output_form(wanted: object) -> OutputForm:
    """Return the form that a schema or a type stands for.

    Raises:
        ConfigError: It is neither a JSON schema nor a type with a JSON form.
    """
    if isinstance(wanted, Mapping):
        return OutputForm(dict(wanted), partial(_held_to, _validator(dict(wanted))))
    if wanted is None or isinstance(wanted, str | int | float | list):
        raise ConfigError(f"output_schema must be a type or a JSON schema, got {wanted!r}")
    try:
        adapter: TypeAdapter[object] = TypeAdapter(cast(Any, wanted))
        schema = cast(JsonObject, adapter.json_schema())
    except (PydanticUserError, NameError, TypeError) as error:
        why = next(iter(str(error).splitlines()), "")
        raise ConfigError(f"output_schema {wanted!r} has no JSON form: {why}") from error
    return OutputForm(schema, partial(_in_type, adapter))


def json_in(text: str) -> JsonValue:
    """Return the JSON of a reply: all of it, what stands in its first fence, or its first value.

    Raises:
        ValueError: There is none.
    """
    whole = text.strip()
    try:
        return loads(whole)
    except ValueError as error:
        why = f"it is no JSON: {error}"
    for part in _parts_of(whole):
        try:
            return loads(part)
        except ValueError:
            continue
    raise ValueError(why)


def _parts_of(text: str) -> Iterator[str]:
    begin = text.find(_FENCE)
    line = text.find("\n", begin)
    end = text.find(_FENCE, line)
    if -1 < begin < line < end:
        yield text[line:end]
    starts = [at for at in (text.find("{"), text.find("[")) if at >= 0]
    if starts:
        try:
            _, end = _PLACES.raw_decode(text, min(starts))
        except (ValueError, RecursionError):
            return
        yield text[min(starts) : end]


def _validator(schema: JsonObject) -> Any:  # noqa: ANN401 - one class for each draft
    try:
        return jsonschema_rs.validator_for(schema, pattern_options=_PATTERNS, offline=True)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        why = next(iter(str(error).splitlines()), "")
        raise ConfigError(f"output_schema is no JSON schema: {why}") from error


def _held_to(validator: Any, data: JsonValue) -> tuple[JsonValue, object]:  # noqa: ANN401
    faults = ((error.instance_path, error.message) for error in validator.iter_errors(data))
    _raise_any(faults)
    return data, data


def _in_type(adapter: TypeAdapter[object], data: JsonValue) -> tuple[JsonValue, object]:
    try:
        # As JSON: what a date or a tuple is written as is no text or list that was meant.
        value = adapter.validate_json(dumps(data))
    except ValidationError as error:
        listed = error.errors(include_url=False, include_input=False, include_context=False)
        _raise_any((fault["loc"], fault["msg"]) for fault in listed)
        raise
    return adapter.dump_python(value, mode="json"), value


def _raise_any(faults: Iterable[tuple[Iterable[object], str]]) -> None:
    lines: list[str] = []
    for place, message in faults:
        if len(lines) == MOST_FAULTS:
            lines.append("and more")
            break
        path = "/".join(map(str, place))
        lines.append(f"{path or 'the whole'}: {_short(message)}")
    if lines:
        raise ValueError("; ".join(lines))


def _short(fault: str) -> str:
    return fault if len(fault) <= _BEGIN + _END else f"{fault[:_BEGIN]}…{fault[-_END:]}"
