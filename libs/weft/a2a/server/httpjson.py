"""HTTP+JSON 1.0: a route for each operation, its parameters in path, query and body."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from weft.a2a.server import http
from weft.a2a.server.binding import Operations, encoded
from weft.a2a.server.updates import Update
from weft.a2a.wire import errors, extensions
from weft.a2a.wire.models import VERSION
from weft.core import JsonObject, TraceContext, logged_under, new_id
from weft.core import trace as tracing
from weft.core.errors import InputError, WeftError
from weft.core.jsonguard import parse_json
from weft.core.protocol_errors import UnknownMethodError

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/a2a+json"
_PUSH = "/tasks/{taskId}/pushNotificationConfigs"
ROUTES: Final[tuple[tuple[str, str, str], ...]] = (
    # What stands behind a colon is no part of an id, so those routes come first.
    ("POST", "/message:send", "SendMessage"),
    ("POST", "/message:stream", "SendStreamingMessage"),
    ("POST", "/tasks/{id}:cancel", "CancelTask"),
    ("POST", "/tasks/{id}:subscribe", "SubscribeToTask"),
    ("GET", "/tasks/{id}:subscribe", "SubscribeToTask"),
    ("GET", "/tasks/{id}", "GetTask"),
    ("GET", "/tasks", "ListTasks"),
    ("POST", _PUSH, "CreateTaskPushNotificationConfig"),
    ("GET", _PUSH, "ListTaskPushNotificationConfigs"),
    ("GET", _PUSH + "/{id}", "GetTaskPushNotificationConfig"),
    ("DELETE", _PUSH + "/{id}", "DeleteTaskPushNotificationConfig"),
    ("GET", "/extendedAgentCard", "GetExtendedAgentCard"),
)
"""Method, path and operation; each also below `/{tenant}`."""
Endpoint = Callable[[Request], Awaitable[Response]]


class HttpJson:
    """Answers the requests of one agent's routes."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def routes(self) -> list[Route]:
        return [
            Route(prefix + path, self._endpoint(name), methods=[method])
            for prefix in ("", "/{tenant}")
            for method, path, name in ROUTES
        ]

    def _endpoint(self, name: str) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            trace = TraceContext.joined(request.headers.get(tracing.HEADER))
            with logged_under(trace):
                return await self._answer(name, request, trace)

        return endpoint

    async def _answer(self, name: str, request: Request, trace: TraceContext) -> Response:
        try:
            caller = await self._operations.admit(request, trace)
            body = await http.read_body(request) if _has_body(request) else b""
            caller.check_body(body)
            params = _object(body) | _query(request.query_params)
            params.update(request.path_params)
            return await self._operations.answer(caller, request, name, params, FORM)
        except WeftError as error:
            return refusal(error)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:  # the edge of a request: a bug must not show what it is
            correlation = new_id()
            log.exception("a2a_request_crashed", extra={"correlation_id": correlation})
            crash = errors.http_body(500, "INTERNAL", errors.crash(correlation))
            return _json(crash, status=500)


class _HttpForm:
    """Results as they are, each the whole of a body."""

    versions = (VERSION,)
    header = extensions.HEADER

    def reply(self, result: JsonObject, headers: dict[str, str]) -> Response:
        return _json(result, headers=headers)

    def frame(self, update: Update) -> bytes:
        return encoded(update)


FORM: Final = _HttpForm()


def refusal(error: WeftError) -> Response:
    """Return the error as this binding writes it."""
    status, body = errors.http_error(error)
    return _json(body, status=status, headers=http.refusal_headers(error))


def no_route(words: str, status: int, headers: Mapping[str, str] | None) -> Response:
    """Return the answer to what is none of the routes: 404, or 405 with the methods there are."""
    body = errors.http_body(status, "UNIMPLEMENTED", errors.rpc_error(UnknownMethodError(words)))
    return _json(body, status=status, headers=headers)


def _json(
    body: JsonObject, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        orjson.dumps(body), status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def _object(body: bytes) -> dict[str, object]:
    """Return the object of a body; one that is empty or null says nothing."""
    value: object = parse_json(body) if body.strip() else None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError("the body is one JSON object")
    return {str(name): member for name, member in value.items()}


def _has_body(request: Request) -> bool:
    headers = request.headers
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _query(query: Mapping[str, str]) -> dict[str, object]:
    return {name: value for name, value in query.items() if name != http.VERSION_HEADER}
