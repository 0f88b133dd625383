"""Content at the front door: text, data, or a file, in the words of its clients."""

from typing import Self

from pydantic import JsonValue, model_validator

from weft.core import JsonObject, Part
from weft.server.bodies import Body


class InputFile(Body):
    """A file: its bytes in base64, or where it lies."""

    bytes: str | None = None
    url: str | None = None
    media_type: str | None = None
    filename: str | None = None

    @model_validator(mode="after")
    def _has_one_content(self) -> Self:
        if (self.bytes is None) == (self.url is None):
            raise ValueError("a file has either bytes or a url")
        return self


class InputPart(Body):
    """One piece of a message: text, any JSON value, or a file."""

    text: str | None = None
    data: JsonValue = None
    file: InputFile | None = None

    @model_validator(mode="after")
    def _has_one_content(self) -> Self:
        # Of the three, data alone may be null.
        given = [name for name in ("text", "file") if getattr(self, name) is not None]
        if len(given) + ("data" in self.model_fields_set) != 1:
            raise ValueError("a part has exactly one of text, data and file")
        return self

    @property
    def media_type(self) -> str:
        """What it is, where it is no text."""
        if self.file is None:
            return "application/json"
        return self.file.media_type or "application/octet-stream"


def shown_part(part: Part) -> JsonObject:
    """Return a part of an answer."""
    kind = part.kind
    more: JsonObject = {} if not part.metadata else {"metadata": part.metadata}
    if kind in ("text", "data"):
        return {kind: getattr(part, kind), **more}
    file: JsonObject = {
        kind: getattr(part, kind), "media_type": part.media_type, "filename": part.filename,
    }  # fmt: skip
    return {"file": file, **more}
