"""What A2A asks of HTTP, by any binding on it: bounded bodies, versions, extensions, hosts."""

import ipaddress
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from starlette.requests import Request

from weft.a2a.wire import extensions, rpc
from weft.a2a.wire.models import VERSION
from weft.core.error_table import look
from weft.core.errors import WeftError
from weft.core.protocol_errors import MediaTypeError, VersionNotSupportedError
from weft.core.request_body import check_type, collected, declared_length

VERSION_HEADER = "A2A-Version"
UNAUTHENTICATED = 401
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


def check_version(
    headers: Mapping[str, str], query: Mapping[str, str], served: Sequence[str] = (VERSION,)
) -> None:
    """Return if the request speaks a version served here; saying none is taken for that.

    Raises:
        VersionNotSupportedError: It says another.
    """
    version = (headers.get(VERSION_HEADER) or query.get(VERSION_HEADER) or served[0]).strip()
    if version in served:
        return
    major_minor, _, patch = version.rpartition(".")
    if major_minor not in served or not patch.isdigit():
        raise VersionNotSupportedError(version, [*served])


def refusal_headers(error: WeftError) -> dict[str, str]:
    """Return what HTTP says beside a refusal: how to ask, or when to come back."""
    if look(error).http == UNAUTHENTICATED:
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": "1"} if error.retryable else {}


def echo(active: frozenset[str], header: str) -> dict[str, str]:
    """Return the header that names the extensions in force, in one fixed order."""
    if not active:
        return {}
    return {header: ",".join(uri for uri in extensions.ALL if uri in active)}


def names_tag(fields: Sequence[str], tag: str) -> bool:
    """Tell whether `If-None-Match` fields name the entity tag, compared weakly (RFC 9110, 13.1.2)."""
    named = {entry.strip().removeprefix("W/") for field in fields for entry in field.split(",")}
    return tag in named or "*" in named


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
