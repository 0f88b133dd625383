"""Errors as RFC 9457 problems: one look for every refusal."""

import logging
import secrets

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from weft.core import JsonObject, JsonValue, dumps, rfc3339
from weft.core.edge_errors import (
    InterruptsIncompleteError,
    InvalidFieldsError,
    MethodNotAllowedError,
)
from weft.core.error_table import LOOKS, look
from weft.core.errors import (
    EventsExpiredError,
    InputError,
    InterruptAnsweredError,
    NotFoundError,
    ThreadBusyError,
    ThreadInterruptedError,
    WeftError,
)
from weft.core.protocol_errors import MediaTypeError

__all__ = ["crashed", "named", "on_http_error", "on_weft_error", "problem_response"]

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
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
    code = look(error).refusal
    # An error of the inside that reached the edge is a bug: its words help no caller.
    detail = _UNEXPECTED if code is None else str(error)
    members: JsonObject = {
        **named(code or "internal"),
        "detail": detail,
        "retryable": error.retryable,
        "instance": instance,
        "trace_id": trace_id,
        "errors": _faults(error),
    }
    if isinstance(error, ThreadBusyError | ThreadInterruptedError):
        members["active_run_id"] = error.active_run_id
    if isinstance(error, EventsExpiredError):
        # None is left: the oldest that is kept would be a number beyond the last.
        members["oldest_seq"] = None
        members["run"] = f"/v1/runs/{error.run_id}"
    if isinstance(error, InterruptAnsweredError):
        at = error.resolved_at
        members["resolved_by"] = error.resolved_by
        members["resolved_at"] = None if at is None else rfc3339(at)
    if isinstance(error, InterruptsIncompleteError):
        members["open"] = list(error.open_ids)
    if (scope := getattr(error, "required_scope", None)) is not None:
        members["required_scope"] = scope
    return members


def named(code: str) -> JsonObject:
    """Return the members of a problem that follow from its code; 500 for a code of nobody here."""
    return {
        "type": f"urn:weft:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": LOOKS.get(code, LOOKS["internal"]).http,
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
    problem = error if isinstance(error, WeftError) else WeftError(_UNEXPECTED)
    return problem_response(problem, instance=request.url.path, trace_id=trace_of(request))


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
