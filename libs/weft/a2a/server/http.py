"""What A2A asks of HTTP: bounded bodies, versions, replies and refusals."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response

from weft.a2a.wire import errors, extensions, rpc
from weft.a2a.wire.models import VERSION
from weft.core import JsonObject
from weft.core.error_table import look
from weft.core.errors import WeftError
from weft.core.protocol_errors import MediaTypeError, VersionNotSupportedError
from weft.core.request_body import check_type, collected, declared_length

VERSION_HEADER = "A2A-Version"
JSON_TYPES = frozenset({"application/json", "application/a2a+json"})


async def read_body(request: Request) -> bytes:
    """Return the body, of which at most the limit is read.

    Raises:
        MediaTypeError: It is not JSON by its own account.
        InvalidRequestLineError: How long it is cannot be read.
        BodyTooLargeError: It goes beyond the limit.
    """
    headers = request.headers
    if "content-encoding" in headers:
        raise MediaTypeError("compressed bodies are not accepted")
    check_type(headers.getlist("content-type"), accepted=JSON_TYPES)
    length = declared_length(headers.getlist("content-length"))
    return await collected(request.stream(), most=rpc.MAX_BODY, declared=length)


def check_version(headers: Mapping[str, str], query: Mapping[str, str]) -> None:
    """Return if the request speaks a version served here; saying none is taken for that.

    Raises:
        VersionNotSupportedError: It says another.
    """
    asked = (headers.get(VERSION_HEADER) or query.get(VERSION_HEADER) or VERSION).strip()
    if asked != VERSION and not (asked.startswith(f"{VERSION}.") and asked[4:].isdigit()):
        raise VersionNotSupportedError(asked, [VERSION])


def reply(call_id: rpc.RpcId, result: JsonObject, asked: frozenset[str]) -> Response:
    body = orjson.dumps({"jsonrpc": "2.0", "id": call_id, "result": result})
    return Response(body, media_type="application/json", headers=echo(asked))


def refusal(call_id: rpc.RpcId, error: WeftError) -> Response:
    """Return the JSON-RPC error; where HTTP has a word for it, the status says it too."""
    status = look(error).http
    headers: dict[str, str] = {}
    if status == 401:  # noqa: PLR2004 - an HTTP status
        headers["WWW-Authenticate"] = "Bearer"
    elif error.retryable:
        headers["Retry-After"] = "1"
    return failure(
        call_id,
        errors.rpc_error(error),
        status=status if status in errors.SHOWN_IN_STATUS else 200,
        headers=headers,
    )


def failure(
    call_id: rpc.RpcId,
    error: JsonObject,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = orjson.dumps({"jsonrpc": "2.0", "id": call_id, "error": error})
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def echo(asked: frozenset[str]) -> dict[str, str]:
    """Return the header that names the extensions in force, in one fixed order."""
    if not asked:
        return {}
    return {extensions.HEADER: ",".join(uri for uri in extensions.ALL if uri in asked)}


def named_here(host: str) -> bool:
    """Tell whether a Host header names this machine by what only it is called.

    A page of somebody else's may have its own name lead here, and then speak as one of ours.
    """
    try:
        return loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
