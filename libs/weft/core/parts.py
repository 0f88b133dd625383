"""Content: the parts that messages, tasks, results and artifacts are made of."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, JsonValue, model_serializer, model_validator

from weft.core.record import JsonObject, Record

PartKind = Literal["text", "data", "bytes", "url"]


class Part(Record):
    """One piece of content: exactly one of text, data, bytes (base64) and url; data may be null."""

    text: str | None = None
    data: JsonValue = None
    bytes: str | None = None
    url: str | None = None
    media_type: str | None = None
    """None: plain text, JSON, or, of a file, not known."""
    filename: str | None = None
    metadata: JsonObject = Field(default_factory=dict)

    @property
    def kind(self) -> PartKind:
        if self.text is not None:
            return "text"
        if self.bytes is not None:
            return "bytes"
        return "data" if self.url is None else "url"

    @model_validator(mode="after")
    def _has_one_content(self) -> "Part":
        # Every part of every message passes here: a generator would take as long as all the rest.
        contents = (self.text is not None) + (self.bytes is not None) + (self.url is not None)
        if self.data is not None or (not contents and "data" in self.model_fields_set):
            contents += 1
        if contents != 1:
            raise ValueError("a part has exactly one of text, data, bytes and url")
        return self

    @model_serializer(mode="plain")
    def _without_gaps(self) -> JsonObject:
        kind = self.kind
        written: JsonObject = {kind: getattr(self, kind)}
        if self.media_type is not None:
            written["media_type"] = self.media_type
        if self.filename is not None:
            written["filename"] = self.filename
        if self.metadata:
            written["metadata"] = self.metadata
        return written


Parts = tuple[Part, ...]


def parts_of(text: str, *data: JsonValue) -> Parts:
    """Return `text`, then one part for each value of `data`."""
    return (Part(text=text), *(Part(data=value) for value in data))


def text_of(parts: Parts) -> str:
    """Return all text, a line for each part that says something."""
    if len(parts) == 1:
        return parts[0].text or ""
    return "\n".join(part.text for part in parts if part.text)


def data_of(parts: Parts) -> JsonValue:
    """Return the first value among the parts; None where there is none."""
    return next((part.data for part in parts if part.kind == "data"), None)


def says_nothing(parts: Iterable[Part]) -> bool:
    """Tell whether there is no content but empty text."""
    return not any(part.text is None or part.text.strip() for part in parts)


def in_parts(values: object, *, text: str) -> object:
    """Return a record's values with its short forms, member `text` and `data`, as leading parts.

    Code says most answers in one text, and records written before there were parts say all so.
    """
    if not isinstance(values, dict) or not (text in values or "data" in values):
        return values
    rest = {name: value for name, value in values.items() if name not in (text, "data")}
    said, data = values.get(text), values.get("data")
    parts = [Part(text=said)] if said else []
    if data is not None:
        parts.append(Part(data=data))
    return {**rest, "parts": (*parts, *(values.get("parts") or ()))}
