"""The base of every value that crosses a process border as JSON."""

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
