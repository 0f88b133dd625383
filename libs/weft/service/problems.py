"""Errors as RFC 9457 problems: one look for every refusal."""

import logging
import secrets
from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from weft.a2a.errors import problem_fields
from weft.core import JsonObject, JsonValue, dumps
from weft.core.edge_errors import (
    InterruptsIncompleteError,
    InvalidFieldsError,
    MethodNotAllowedError,
)
from weft.core.errors import (
    InputError,
    NotFoundError,
    ThreadBusyError,
    ThreadInterruptedError,
    WeftError,
)
from weft.core.protocol_errors import MediaTypeError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
STATUS_OF: Final[Mapping[str, int]] = {
    "invalid_request_line": 400, "invalid_host": 400, "invalid_json": 400, "invalid_cursor": 400,
    "invalid_idempotency_key": 400, "unauthenticated": 401, "forbidden": 403,
    "approval_not_allowed": 403, "not_found": 404, "method_not_allowed": 405,
    "not_acceptable": 406, "request_timeout": 408, "thread_busy": 409, "thread_interrupted": 409,
    "thread_exists": 409, "run_finished": 409, "run_not_interrupted": 409,
    "interrupt_already_resolved": 409, "events_expired": 410, "interrupt_expired": 410,
    "body_too_large": 413, "unsupported_media_type": 415, "invalid_request": 422,
    "invalid_response": 422, "interrupts_incomplete": 422, "idempotency_key_reused": 422,
    "unknown_agent": 422, "unsafe_url": 422, "rate_limited": 429, "quota_exceeded": 429,
    "queue_full": 429, "headers_too_large": 431, "internal": 500, "overloaded": 503,
    "store_unavailable": 503, "router_unavailable": 503, "draining": 503,
}  # fmt: skip
"""Every code that a refused request may carry."""
_SHOWN_AS: Final[Mapping[str, str]] = {
    "interrupt_not_found": "not_found",
    "store_full": "store_unavailable",
    "bus_unavailable": "router_unavailable",
    "data_refused": "invalid_request",
    "nothing_to_resume": "run_not_interrupted",
}
"""Errors of the library that callers of this API need not tell from their neighbours."""
_MUST_CLOSE = frozenset(
    {
        "body_too_large", "unsupported_media_type", "unauthenticated", "method_not_allowed",
        "invalid_request_line", "invalid_host",
    }
)  # fmt: skip
"""Refused before the body was read: what is still to come is nothing to this server."""
_UNEXPECTED = "an unexpected error; quote the trace id when you report it"


def problem(error: WeftError, *, instance: str, trace_id: str) -> JsonObject:
    """Return the problem's members."""
    code = _SHOWN_AS.get(error.code, error.code)
    members: JsonObject = problem_fields(error)
    if code not in STATUS_OF:
        # An error of the inside that reached the edge is a bug: its words help no caller.
        code, members["detail"] = "internal", _UNEXPECTED
    members |= named(code)
    members |= {"instance": instance, "trace_id": trace_id, "errors": _faults(error)}
    if isinstance(error, ThreadBusyError | ThreadInterruptedError):
        members["active_run_id"] = error.active_run_id
    if isinstance(error, InterruptsIncompleteError):
        members["open"] = list(error.open_ids)
    if (scope := getattr(error, "required_scope", None)) is not None:
        members["required_scope"] = scope
    return members


def named(code: str) -> JsonObject:
    """Return the members of a problem that follow from its code."""
    return {
        "type": f"urn:weft:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": STATUS_OF.get(code, 500),
        "code": code,
    }


def problem_response(error: WeftError, *, instance: str, trace_id: str) -> Response:
    """Return the answer that refuses a request."""
    members = problem(error, instance=instance, trace_id=trace_id)
    status = members["status"]
    headers = {"cache-control": "no-store"}
    if status == 401:  # noqa: PLR2004 - a status is its own name
        headers["www-authenticate"] = "Bearer"
    if error.retryable:
        # Jitter keeps refused clients from coming back together.
        headers["retry-after"] = str(1 + secrets.randbelow(5))
    if error.code in _MUST_CLOSE:
        headers["connection"] = "close"
    return Response(
        dumps(members),
        status_code=status if isinstance(status, int) else 500,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


async def on_weft_error(request: Request, error: Exception) -> Response:
    """Answer an error that a route raised."""
    known = error if isinstance(error, WeftError) else WeftError(_UNEXPECTED)
    return problem_response(known, instance=request.url.path, trace_id=trace_of(request))


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: an unknown route, a wrong method."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    refused: WeftError
    if status == 405:  # noqa: PLR2004 - a status is its own name
        refused = MethodNotAllowedError(f"{request.method} is not served here")
    elif status == 415:  # noqa: PLR2004 - a status is its own name
        refused = MediaTypeError("this content is not served here")
    else:
        refused = NotFoundError("route", request.url.path)
    response = problem_response(refused, instance=request.url.path, trace_id=trace_of(request))
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


def crashed(error: Exception, *, trace_id: str) -> WeftError:
    """Log a bug and return what its caller hears of it."""
    log.error("request_crashed", extra={"trace_id": trace_id}, exc_info=error)
    return WeftError(_UNEXPECTED)


def trace_of(request: Request) -> str:
    """Return the request's trace id."""
    return str(getattr(request.state, "trace_id", ""))


def _faults(error: WeftError) -> list[JsonValue]:
    if isinstance(error, InvalidFieldsError):
        return [{"pointer": pointer, "message": message} for pointer, message in error.faults]
    if isinstance(error, InputError):
        pointer = f"/{error.field}" if error.field else ""
        return [{"pointer": pointer, "message": str(error)}]
    return []
