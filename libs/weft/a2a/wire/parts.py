"""Content in the protocol's words, and back, losing nothing."""

import base64
from collections.abc import Iterable, Sequence

from weft.core import JsonObject, JsonValue, Part, Parts

_NAMES = {"text": "text", "data": "data", "bytes": "raw", "url": "url"}


def to_wire(parts: Parts) -> list[JsonValue]:
    return [_shown(part) for part in parts]


def from_wire(listed: JsonValue) -> Parts:
    """Return the parts that an agent showed; what is no object says nothing.

    Raises:
        ValueError: One has not exactly one content, or one of another type.
    """
    shown = listed if isinstance(listed, list) else []
    return tuple([_read(part) for part in shown if isinstance(part, dict)])


def media_of(part: Part) -> str:
    """Return the bare media type, which each kind of content has even where none is named."""
    if part.media_type is not None:
        return part.media_type.partition(";")[0].strip().lower()
    match part.kind:
        case "text":
            return "text/plain"
        case "data":
            return "application/json"
        case _:
            return "application/octet-stream"


def fits(media: str, modes: Sequence[str]) -> bool:
    """Tell whether a bare media type is one of `modes`, which may end in `/*`."""
    kind = media.partition("/")[0]
    return any(mode in (media, f"{kind}/*", "*/*") for mode in map(_bare, modes))


def plain_base64(text: str) -> str:
    """Return the standard form of base64, of which JSON writers know two alphabets.

    Raises:
        ValueError: It is none.
    """
    digits = text.rstrip("=").replace("-", "+").replace("_", "/")
    padded = digits + "=" * (-len(digits) % 4)
    base64.b64decode(padded, validate=True)
    return padded


def joined(parts: Iterable[JsonValue]) -> list[JsonValue]:
    """Join neighbouring texts: chunks of one text are one part, with what the first one says."""
    joined: list[JsonValue] = []
    chunks: list[str] = []
    for part in parts:
        text = part.get("text") if isinstance(part, dict) else None
        if not isinstance(text, str):
            _close(joined, chunks)
            joined.append(part)
        elif chunks:
            chunks.append(text)
        else:
            chunks = [text]
            joined.append(part)
    _close(joined, chunks)
    return joined


def _shown(part: Part) -> JsonObject:
    kind = part.kind
    shown: JsonObject = {_NAMES[kind]: getattr(part, kind)}
    if part.media_type is not None:
        shown["mediaType"] = part.media_type
    if part.filename is not None:
        shown["filename"] = part.filename
    if part.metadata:
        shown["metadata"] = part.metadata
    return shown


def _read(shown: JsonObject) -> Part:
    members = {kind: shown[name] for kind, name in _NAMES.items() if name in shown}
    # Writers of protobuf JSON leave nothing out that they hold, and null is a value of data alone.
    contents = {kind: value for kind, value in members.items() if value is not None}
    if isinstance(raw := contents.get("bytes"), str):
        contents["bytes"] = plain_base64(raw)
    metadata = shown.get("metadata")
    return Part.model_validate(
        {
            **(contents or members),
            "media_type": shown.get("mediaType") or None,
            "filename": shown.get("filename") or None,
            "metadata": metadata if isinstance(metadata, dict) else {},
        }
    )


def _bare(mode: str) -> str:
    return mode.partition(";")[0].strip().lower()


def _close(joined: list[JsonValue], chunks: list[str]) -> None:
    """Give the last part all of its `chunks`, and forget them."""
    if len(chunks) > 1 and isinstance(first := joined[-1], dict):
        joined[-1] = {**first, "text": "".join(chunks)}
    chunks.clear()
