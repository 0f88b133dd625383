"""Text from outside as every database can keep it; applied once, where text enters."""

import json
import re

import orjson
from pydantic import JsonValue

__all__ = ["received", "storable", "storable_json"]

NUL_SHOWN = "\N{SYMBOL FOR NULL}"
"""Stands where a NUL stood: PostgreSQL keeps none, and a reader should see that there was one."""

MAX_DEPTH = 100
"""Levels of a value that came from outside; deeper ones can be read, but not written again."""
_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels"

_NUL = b"\\u0000"
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


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
    """Return a JSON value with every text in it, names included, made storable.

    Most values are returned as they are, at the price of being written once.
    """
    try:
        written = orjson.dumps(value)
    except TypeError:
        return _shown(value)
    return _shown(value) if _NUL in written else value


def received(text: str | bytes) -> JsonValue:
    """Return the storable value of JSON text that came from outside.

    Raises:
        ValueError: It is not JSON, or nested deeper than `MAX_DEPTH`.
    """
    given = storable(text) if isinstance(text, str) else text
    odd = _has_nul(given)
    try:
        value: JsonValue = orjson.loads(given)
    except orjson.JSONDecodeError:
        whole = given if isinstance(given, str) else given.decode()
        if not _ESCAPED_SURROGATE.search(whole):
            raise
        # Half a character is legal JSON, which the fast reader refuses.
        value, odd = _slowly(whole), True
    if not _is_flat(given) and _nests(value):
        raise ValueError(_TOO_DEEP)
    # Half characters were refused, and of a NUL the text must tell by an escape.
    return _shown(value) if odd else value


def _slowly(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    return value


def _is_flat(text: str | bytes) -> bool:
    """Tell cheaply of most texts that they cannot nest deeper than `MAX_DEPTH`."""
    if isinstance(text, str):
        return text.count("[") + text.count("{") <= MAX_DEPTH
    return text.count(b"[") + text.count(b"{") <= MAX_DEPTH


def _nests(value: JsonValue) -> bool:
    """Tell whether there are more than `MAX_DEPTH` levels."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)


def _has_nul(text: str | bytes) -> bool:
    return "\\u0000" in text if isinstance(text, str) else _NUL in text


def _shown(value: JsonValue) -> JsonValue:
    match value:
        case str():
            return storable(value)
        case list():
            return [_shown(item) for item in value]
        case dict():
            return {storable(name): _shown(item) for name, item in value.items()}
        case _:
            return value


def _no_number(name: str) -> JsonValue:
    raise ValueError(f"{name} is no JSON")
