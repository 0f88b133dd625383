"""What is said to an agent, as its model can read it; what it cannot read is refused, never dropped."""

import base64

from weft.core import Part, Parts
from weft.core.protocol_errors import MediaTypeError
from weft.core.storable import storable

_TEXTUAL = ("application/json", "application/xml", "application/yaml", "application/x-yaml")


def readable(parts: Parts, *, images: bool) -> Parts:
    """Return the parts for a model: texts in files as text, addresses as text, images as they are.

    Raises:
        MediaTypeError: One is neither text nor, for a model that sees `images`, an image.
    """
    return tuple([_readable(part, images=images) for part in parts])


def _readable(part: Part, *, images: bool) -> Part:
    if part.kind in ("text", "data"):
        return part
    media = (part.media_type or "application/octet-stream").partition(";")[0].strip().lower()
    if media.startswith("image/") and images:
        return part
    if media.startswith("image/"):
        raise MediaTypeError(f"the agent's model sees no images, and a part is of type {media!r}")
    name = part.filename or "a file"
    if part.url is not None:
        return _as_text(part, f"{name} ({media}) lies at {part.url}")
    if not (media.startswith("text/") or media in _TEXTUAL):
        raise MediaTypeError(f"the agent's model reads no parts of type {media[:80]!r}")
    try:
        text = base64.b64decode(part.bytes or "", validate=True).decode()
    except ValueError as error:
        raise MediaTypeError(f"{name} of type {media!r} is not text in UTF-8") from error
    return _as_text(part, storable(f"{name}:\n{text}" if part.filename else text))


def _as_text(part: Part, text: str) -> Part:
    return part.model_copy(update={"text": text, "bytes": None, "url": None})
