"""Text from recordings as it may leave an analysis: nothing in it is invisible, or too long."""

import math

from pydantic import JsonValue

from weft.core.record import JsonObject
from weft.core.storable import storable

__all__ = ["cut", "shown_path"]

_PLAIN = 5
_TURNS_TEXT = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_SHOWN: dict[int, int | str] = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **{code: f"\\x{code:02x}" for code in range(0x80, 0xA0)},
    **{code: f"\\u{code:04x}" for code in _TURNS_TEXT},
}
_SHOWN_IN_PATHS = {
    **{0xDC00 + byte: f"\\x{byte:02x}" for byte in range(0x80, 0x100)},
    ord("\n"): "\\n",
    ord("\t"): "\\t",
}
"""Of bytes that are no text, Python makes lone surrogates."""


def visible(text: str) -> str:
    """Return `text` with control characters shown; tabs and line ends stay."""
    if text.isprintable():
        return text
    return storable(text).translate(_SHOWN)


def cut(text: str, most: int) -> str:
    """Return at most `most` characters of `text`; an ellipsis tells that there were more."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shown_path(path: str) -> str:
    """Return a file's name as text; bytes of it that are none are escaped, and stay different."""
    return visible(path.translate(_SHOWN_IN_PATHS))


def bounded(value: JsonObject, width: int, examples: int) -> JsonObject:
    """Return `value` with visible texts of at most `width` characters and finite numbers only.

    Of each list further in, the first `examples` items are kept, and a few more if they are plain.
    """
    return {
        key: [_bounded(item, width, examples) for item in member]
        if isinstance(member, list)
        else _bounded(member, width, examples)
        for key, member in value.items()
    }


def _bounded(value: JsonValue, width: int, examples: int) -> JsonValue:
    match value:
        case str():
            return cut(visible(cut(value, width)), width)
        case float():
            return value if math.isfinite(value) else None
        case list():
            plain = not any(isinstance(item, dict) for item in value)
            kept = value[: max(examples, _PLAIN) if plain else examples]
            return [_bounded(item, width, examples) for item in kept]
        case dict():
            return {
                cut(visible(cut(key, width)), width): _bounded(member, width, examples)
                for key, member in value.items()
            }
        case _:
            return value
