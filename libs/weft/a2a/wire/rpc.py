"""JSON-RPC 2.0 as A2A uses it: one call per body, bounded before it is looked at."""

from dataclasses import dataclass

from weft.core.errors import InputError
from weft.core.jsonguard import parse_json
from weft.core.protocol_errors import InvalidJsonError, MalformedCallError, MediaTypeError

MAX_BODY = 1024 * 1024

RpcId = str | int | None


@dataclass(frozen=True, slots=True)
class RpcCall:
    """A well-formed request; its params are not looked at yet."""

    id: RpcId
    method: str
    params: object


def read(body: bytes) -> tuple[RpcId, object]:
    """Return the id of what is in `body`, None where it has no lawful one, and the value itself.

    Raises:
        InvalidJsonError: It is not JSON.
        MalformedCallError: It is JSON that no call may be written in: too deep or large, with
            repeated keys, or with what not every reader holds.
    """
    try:
        value: object = parse_json(body)
    except InvalidJsonError:
        raise
    except MediaTypeError as error:
        raise InvalidJsonError("the body is not UTF-8") from error
    except InputError as error:
        raise MalformedCallError(str(error)) from error
    call_id = value.get("id") if isinstance(value, dict) else None
    lawful = isinstance(call_id, str | int) and not isinstance(call_id, bool)
    return (call_id if lawful else None), value


def call_in(value: object) -> RpcCall:
    """Return the call that `value` makes.

    Raises:
        MalformedCallError: It is no single call, or its id is missing or of another kind.
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
    return RpcCall(call_id, method, value.get("params") or {})
