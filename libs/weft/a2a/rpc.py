"""JSON-RPC 2.0 as A2A uses it: one call per body, bounded before it is looked at."""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from weft.core.errors import InputError
from weft.core.protocol_errors import InvalidJsonError, MalformedCallError

MAX_BODY = 1024 * 1024
MAX_JSON_DEPTH = 32

RpcId = str | int | None


@dataclass(frozen=True, slots=True)
class Call:
    """A well-formed request; its params are not looked at yet."""

    id: RpcId
    method: str
    params: object


def read(body: bytes) -> tuple[RpcId, object]:
    """Return the id of what is in `body`, None where it has no lawful one, and the value itself.

    Raises:
        InvalidJsonError: It is not JSON.
    """
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidJsonError("the body is not JSON") from error
    found = value.get("id") if isinstance(value, dict) else None
    lawful = isinstance(found, str | int) and not isinstance(found, bool)
    return (found if lawful else None), value


def call_in(value: object, body: bytes) -> Call:
    """Return the call that `value`, read from `body`, makes.

    Raises:
        MalformedCallError: It is no single call, or its id is missing or of another kind.
        InputError: It is nested too deep.
    """
    if not isinstance(value, dict):
        raise MalformedCallError("a body holds exactly one call, as an object")
    call_id, method = value.get("id"), value.get("method")
    if value.get("jsonrpc") != "2.0":
        raise MalformedCallError('jsonrpc must be "2.0"')
    if not isinstance(call_id, str | int) or isinstance(call_id, bool):
        raise MalformedCallError("the id must be a string or an integer")
    if not isinstance(method, str):
        raise MalformedCallError("the method must be a string")
    # Fewer brackets than the limit cannot nest deeper than it.
    if body.count(b"{") + body.count(b"[") > MAX_JSON_DEPTH and _deeper(value, MAX_JSON_DEPTH):
        raise InputError(f"JSON may nest at most {MAX_JSON_DEPTH} deep", field="params")
    return Call(call_id, method, value.get("params") or {})


def _deeper(value: object, limit: int) -> bool:
    level: list[object] = [value]
    for _ in range(limit):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return any(isinstance(node, dict | list) for node in level)


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()
