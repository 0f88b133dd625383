"""The base of what clients send as JSON."""

from pydantic import ConfigDict

from weft.core import Record


class Body(Record):
    """A client's JSON: unknown fields and wrong types are refused, nothing is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
