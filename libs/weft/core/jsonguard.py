"""One strict parse of a JSON body: what it lets pass, any database and any reader can hold.

What costs more than its bytes is refused before it is parsed: a megabyte of text is one value, a
megabyte of `1,1,1` is half a million.
"""

import json
import math
import re
from typing import NoReturn

import orjson
from pydantic import JsonValue

from weft.core.errors import InputError
from weft.core.protocol_errors import InvalidJsonError, MediaTypeError
from weft.core.record import JsonObject

__all__ = ["parse_json", "parse_object"]

MAX_DEPTH = 32
MAX_NODES = 10_000
MAX_NUMBER = 400
"""Characters of a number with a fraction or an exponent; more say nothing that a float can hold."""

_BRACKETS = re.compile(rb"[\[\]{}]")
_NUL = b"\\u0000"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_object(body: bytes) -> JsonObject:
    """Return the JSON object of `body`; raises as `parse_json`, and `InputError` for another."""
    value = parse_json(body)
    if not isinstance(value, dict):
        raise InputError("the body must be a JSON object")
    return value


def parse_json(body: bytes) -> JsonValue:
    """Return the JSON value of `body`.

    Raises:
        MediaTypeError: It is UTF-16 or UTF-32.
        InvalidJsonError: Nothing, a byte-order mark, bad UTF-8 or broken syntax.
        InputError: Well-formed, but too deep or large, or holding what is not allowed: duplicate
            keys, NaN, infinities, integers over 64 bits, NUL, lone surrogates.
    """
    if not body:
        raise InvalidJsonError("the body is empty: send a JSON object")
    match json.detect_encoding(body):
        case "utf-8":
            pass
        case "utf-8-sig":
            raise InvalidJsonError("the body must not begin with a byte-order mark")
        case _:
            raise MediaTypeError("send the body in UTF-8")
    large = _check_form(body)
    try:
        value: JsonValue = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except UnicodeDecodeError as error:
        raise InvalidJsonError("the body is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise InvalidJsonError(f"not JSON: {error.msg} at character {error.pos}") from error
    if large:
        _check_size(value)
    _check_texts(body, value)
    return value


def _check_form(body: bytes) -> bool:
    """Refuse what nests too deep or holds too much; tell whether its values must be counted.

    Commas and opening brackets, those in texts too, are at least as many as there are values less
    one, and outside texts each of them stands for a value of its own.
    """
    openers = body.count(b"[") + body.count(b"{")
    commas = body.count(b",")
    if openers <= MAX_DEPTH and commas + openers < MAX_NODES:
        return False
    # Without escapes, every second piece between quotes stands outside texts.
    structure = b"".join(body.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    openers = structure.count(b"[") + structure.count(b"{")
    commas = structure.count(b",")
    if openers > MAX_NODES or commas >= MAX_NODES:
        raise _too_large()
    if openers > MAX_DEPTH:
        depth = 0
        for bracket in _BRACKETS.finditer(structure):
            depth += 1 if bracket[0] in b"[{" else -1
            if depth > MAX_DEPTH:
                raise InputError(f"JSON may nest at most {MAX_DEPTH} levels")
            if depth < 0:
                # Broken in any case; the parser says where.
                break
    return commas + openers >= MAX_NODES


def _check_size(value: JsonValue) -> None:
    pending = [value]
    seen = 0
    while pending:
        item = pending.pop()
        seen += 1
        if seen > MAX_NODES:
            raise _too_large()
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _check_texts(body: bytes, value: JsonValue) -> None:
    # Raw ones are no JSON and no UTF-8: both can only have come as escapes.
    if _NUL in body and _holds_nul(value):
        raise InputError("JSON text must not hold NUL")
    if _SURROGATE.search(body):
        try:
            orjson.dumps(value)
        except TypeError as error:
            raise InputError("JSON text must not hold lone surrogates") from error


def _holds_nul(value: JsonValue) -> bool:
    if isinstance(value, dict):
        return any("\x00" in name or _holds_nul(child) for name, child in value.items())
    if isinstance(value, list):
        return any(_holds_nul(child) for child in value)
    return isinstance(value, str) and "\x00" in value


def _too_large() -> InputError:
    return InputError(f"JSON may hold at most {MAX_NODES} values")


def _unique(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InputError("JSON keys must not repeat within an object")
    return members


def _constant(name: str) -> NoReturn:
    raise InputError(f"JSON numbers must be finite, got {name}")


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= (number := int(digits)) < 2**64:  # noqa: PLR2004 - 64 bits
        raise InputError("JSON integers must fit 64 bits")
    return number


def _float(digits: str) -> float:
    if len(digits) > MAX_NUMBER:
        raise InputError(f"JSON numbers have at most {MAX_NUMBER} characters")
    number = float(digits)
    if math.isinf(number):
        raise InputError("JSON numbers must be finite")
    return number
