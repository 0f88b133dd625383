"""The base of every value that crosses a process border as JSON."""

from functools import lru_cache
from typing import NamedTuple, TypeVar

import orjson
import rfc8785
from pydantic import BaseModel, ConfigDict, JsonValue

from weft.core.errors import InputError

JsonObject = dict[str, JsonValue]


class Record(BaseModel):
    """A frozen value; fields a newer writer added are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def to_json(self) -> JsonObject:
        """Return plain JSON values; the inverse is `model_validate`."""
        return self.model_dump(mode="json")


class StrictRecord(Record):
    """A frozen value that a person or client writes: unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


R = TypeVar("R", bound=Record)


def unchecked(kind: type[R], /, **fields: object) -> R:
    """Return a record of values that are right and nobody else's: they are not looked at again.

    Raises:
        TypeError: A field without a default is missing.
    """
    blank = _blank(kind)
    values = {**blank.values, **fields}
    for name in blank.required:
        if name not in fields:
            raise TypeError(f"{kind.__name__} needs the field {name!r}")
    for name in blank.made:
        if name not in fields:
            values[name] = kind.model_fields[name].get_default(call_default_factory=True)
    record = kind.__new__(kind)
    # As it is unpickled: `model_construct` asks each field how its default is made, which takes
    # longer than checking all of them would.
    record.__setstate__(
        {
            "__dict__": values,
            "__pydantic_fields_set__": set(fields),
            "__pydantic_extra__": None,
            "__pydantic_private__": None,
        }
    )
    return record


class _Blank(NamedTuple):
    """The fields of a kind of record in their order, as far as they are known without values."""

    values: dict[str, object]
    required: tuple[str, ...]
    made: tuple[str, ...]
    """Those whose default is made anew for each record."""


@lru_cache(maxsize=256)
def _blank(kind: type[Record]) -> _Blank:
    fields = kind.model_fields
    return _Blank(
        {name: field.default for name, field in fields.items()},
        tuple(name for name, field in fields.items() if field.is_required()),
        tuple(name for name, field in fields.items() if field.default_factory is not None),
    )


def dumps(value: object) -> bytes:
    """Return compact JSON of plain values (pydantic models are dumped by their own method)."""
    return orjson.dumps(value)


def loads(text: bytes | str) -> JsonValue:
    """Return the JSON value of `text`.

    Raises:
        ValueError: `text` is not JSON.
    """
    value: JsonValue = orjson.loads(text)
    return value


def loads_object(text: bytes | str) -> JsonObject:
    """Return the JSON object of `text`.

    Raises:
        ValueError: `text` is not JSON.
        InputError: It is JSON, but no object.
    """
    value = loads(text)
    if not isinstance(value, dict):
        raise InputError(f"expected a JSON object, got {type(value).__name__}")
    return value


def canonical(value: JsonValue) -> bytes:
    """Return the RFC 8785 form, equal for equal values.

    Raises:
        ValueError: a number is not finite, or an integer lies beyond 2^53.
    """
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise ValueError(str(error)) from error
