"""Text from outside as every database can keep it; applied once, where text enters."""

from pydantic import JsonValue

NUL_SHOWN = "\N{SYMBOL FOR NULL}"
"""Stands where a NUL stood: PostgreSQL keeps none, and a reader should see that there was one."""
SURROGATE_SHOWN = "\N{REPLACEMENT CHARACTER}"


def storable(text: str) -> str:
    """Return `text` with each NUL and lone surrogate shown by a character that can be kept.

    Takes time in proportion to the text; most texts are returned as they are.
    """
    if "\0" in text:
        text = text.replace("\0", NUL_SHOWN)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def storable_json(value: JsonValue) -> JsonValue:
    """Return a JSON value with every text in it, names included, made storable."""
    match value:
        case str():
            return storable(value)
        case list():
            return [storable_json(item) for item in value]
        case dict():
            return {storable(name): storable_json(item) for name, item in value.items()}
        case _:
            return value
