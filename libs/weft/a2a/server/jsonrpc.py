"""JSON-RPC 1.0 over HTTP: reads a call, and writes what came of it."""

import logging
from collections.abc import Mapping

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from weft.a2a.server import http, legacy
from weft.a2a.server.binding import Form, Operations, encoded
from weft.a2a.server.updates import Update
from weft.a2a.wire import errors, extensions, rpc
from weft.a2a.wire.models import SPOKEN, VERSION
from weft.core import JsonObject, TraceContext, logged_under, new_id
from weft.core import trace as tracing
from weft.core.error_table import look
from weft.core.errors import WeftError

log = logging.getLogger(__name__)


class JsonRpc:
    """Answers the calls that are posted to one agent."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def call(self, request: Request) -> Response:
        trace = TraceContext.joined(request.headers.get(tracing.HEADER))
        with logged_under(trace):
            return await self._traced_call(request, trace)

    async def _traced_call(self, request: Request, trace: TraceContext) -> Response:
        call_id: rpc.RpcId = None
        try:
            # Who asks may ask at all, before the body is read.
            caller = await self._operations.admit(request, trace)
            body = await http.read_body(request)
            caller.check_body(body)
            call_id, value = rpc.read(body)
            name, params, form = _read(rpc.call_in(value))
            return await self._operations.answer(caller, request, name, params, form)
        except WeftError as error:
            return refusal(call_id, error)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:  # the edge of a request: a bug must not show what it is
            correlation = new_id()
            log.exception("a2a_request_crashed", extra={"correlation_id": correlation})
            return _failure(call_id, errors.crash(correlation))


def _read(call: rpc.RpcCall) -> tuple[str, object, Form]:
    """Return the operation that is called, its parameters, and the form that its answer has."""
    name = legacy.NAMES.get(call.method)
    if name is None:
        return call.method, call.params, RpcForm(call.id)
    if not legacy.answers_as_0_3(call.params):
        return name, call.params, RpcForm(call.id, versions=SPOKEN)
    form = legacy.LegacyForm(call.id, subscription=name == "SubscribeToTask")
    return name, legacy.params_from(name, call.params), form


class RpcForm:
    """Results as replies to one call."""

    header = extensions.HEADER

    def __init__(self, call_id: rpc.RpcId, *, versions: tuple[str, ...] = (VERSION,)) -> None:
        self.versions = versions
        self._prefix = b'{"jsonrpc":"2.0","id":' + orjson.dumps(call_id) + b',"result":'

    def reply(self, result: JsonObject, headers: dict[str, str]) -> Response:
        body = self._prefix + orjson.dumps(result) + b"}"
        return Response(body, media_type="application/json", headers=headers)

    def frame(self, update: Update) -> bytes:
        return self._prefix + encoded(update) + b"}"


def refusal(call_id: rpc.RpcId, error: WeftError) -> Response:
    """Return the JSON-RPC error; where HTTP has a word for it, the status says it too."""
    status = look(error).http
    return _failure(
        call_id,
        errors.rpc_error(error),
        status=status if status in errors.SHOWN_IN_STATUS else 200,
        headers=http.refusal_headers(error),
    )


def _failure(
    call_id: rpc.RpcId,
    error: JsonObject,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = orjson.dumps({"jsonrpc": "2.0", "id": call_id, "error": error})
    return Response(body, status_code=status, media_type="application/json", headers=headers)
