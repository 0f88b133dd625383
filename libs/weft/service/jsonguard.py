"""One strict parse of a JSON body: what it lets pass, any database and any reader can hold."""

import json
import math
from typing import NoReturn

import orjson

from weft.core import JsonObject, JsonValue
from weft.core.errors import InputError
from weft.core.protocol_errors import InvalidJsonError, MediaTypeError

MAX_DEPTH = 32
MAX_NODES = 10_000


def parse_object(body: bytes) -> JsonObject:
    """Return the JSON object of `body`.

    Raises:
        MediaTypeError: It is UTF-16 or UTF-32.
        InvalidJsonError: Nothing, a byte-order mark, bad UTF-8 or broken syntax.
        InputError: Well-formed, but no object, too deep or large, or holding what is not allowed:
            duplicate keys, NaN, infinities, integers over 64 bits, NUL, lone surrogates.
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
    counter = _Counter()
    try:
        value: JsonValue = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=counter.pairs,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except UnicodeDecodeError as error:
        raise InvalidJsonError("the body is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise InvalidJsonError(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise InputError(f"JSON may nest at most {MAX_DEPTH} levels") from error
    _check(value)
    if not isinstance(value, dict):
        raise InputError("the body must be a JSON object")
    return value


class _Counter:
    """Counts keys while parsing, so that a huge object is refused before it is whole."""

    def __init__(self) -> None:
        self.nodes = 0

    def pairs(self, pairs: list[tuple[str, JsonValue]]) -> JsonObject:
        self.nodes += len(pairs)
        if self.nodes > MAX_NODES:
            raise InputError(f"JSON may hold at most {MAX_NODES} values")
        found = dict(pairs)
        if len(found) != len(pairs):
            raise InputError("JSON keys must not repeat within an object")
        return found


def _constant(name: str) -> NoReturn:
    raise InputError(f"JSON numbers must be finite, got {name}")


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= (number := int(digits)) < 2**64:  # noqa: PLR2004 - 64 bits
        raise InputError("JSON integers must fit 64 bits")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise InputError("JSON numbers must be finite")
    return number


def _check(value: JsonValue) -> None:
    pending: list[tuple[JsonValue, int]] = [(value, 1)]
    seen = 0
    while pending:
        item, depth = pending.pop()
        seen += 1
        if depth > MAX_DEPTH:
            raise InputError(f"JSON may nest at most {MAX_DEPTH} levels")
        if seen > MAX_NODES:
            raise InputError(f"JSON may hold at most {MAX_NODES} values")
        if isinstance(item, dict):
            pending.extend((child, depth + 1) for child in item.values())
            if any("\x00" in key for key in item):
                raise InputError("JSON keys must not hold NUL")
        elif isinstance(item, list):
            pending.extend((child, depth + 1) for child in item)
        elif isinstance(item, str) and "\x00" in item:
            raise InputError("JSON text must not hold NUL")
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise InputError("JSON text must not hold lone surrogates") from error
