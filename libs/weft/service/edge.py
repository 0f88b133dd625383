"""What every request passes before a route sees it: form, credential, body."""

import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weft.core import JsonObject, Principal, new_id
from weft.core.edge_errors import (
    InvalidHostError,
    InvalidRequestLineError,
    MethodNotAllowedError,
)
from weft.core.errors import UnauthenticatedError, WeftError
from weft.core.protocol_errors import BodyTooLargeError, InvalidJsonError, MediaTypeError
from weft.service.gate import Gate
from weft.service.jsonguard import parse_object
from weft.service.problems import crashed, problem_response
from weft.service.rates import Fields

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "testserver")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_UNTRACED = "0" * 32
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_METHODS = _BODY_METHODS | {"GET", "HEAD", "DELETE", "OPTIONS"}

Headers = Mapping[bytes, Sequence[bytes]]


class Authenticator(Protocol):
    """Turns a credential into a principal, or raises `UnauthenticatedError`."""

    async def authenticate(self, credential: str) -> Principal: ...


@dataclass(frozen=True, slots=True)
class EdgeRules:
    """Which hosts are ours, and what needs no credential."""

    hosts: Sequence[str] = LOOPBACK
    open_paths: frozenset[str] = frozenset({"/health", "/liveness", "/readiness", "/"})
    max_body: int = MAX_BODY
    content_types: Sequence[str] = field(default=("application/json",))


class Edge:
    """ASGI middleware in front of every route.

    Routes find `trace_id`, `principal` (absent on open paths) and `body` (a parsed object, or None
    where none was sent) in the request's state.
    """

    def __init__(
        self, app: ASGIApp, authenticator: Authenticator, rules: EdgeRules, gate: Gate
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._rules = rules
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: dict[str, object] = scope.setdefault("state", {})
        trace_id = state["trace_id"] = _trace_id(scope)
        begun = False
        fields: Fields = []  # what the gate adds to every answer

        async def watched(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *fields]
            begun = True
            await send(message)

        try:
            stream = await self._admit(scope, receive, state, fields)
            with stream:
                await self._app(scope, receive, watched)
        except WeftError as error:
            if not begun:
                response = problem_response(error, instance=scope["path"], trace_id=trace_id)
                await response(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - the one place where a bug ends its request only
            internal = crashed(error, trace_id=trace_id)
            if not begun:
                response = problem_response(internal, instance=scope["path"], trace_id=trace_id)
                await response(scope, receive, send)

    async def _admit(
        self,
        scope: Scope,
        receive: Receive,
        state: dict[str, object],
        fields: Fields,
    ) -> AbstractContextManager[None]:
        headers = _grouped(scope)
        self._check_form(scope, headers)
        stream: AbstractContextManager[None] = nullcontext()
        if scope["path"] not in self._rules.open_paths:
            principal = state["principal"] = await self._authenticate(headers)
            self._gate.admit(scope, principal, fields)
            stream = self._gate.stream(scope, principal)
        state["body"] = None
        if scope["method"] in _BODY_METHODS:
            state["body"] = await self._body(headers, receive)
        return stream

    def _check_form(self, scope: Scope, headers: Headers) -> None:
        if scope["method"] not in _METHODS:
            raise MethodNotAllowedError(f"the method {scope['method'][:20]} is not served here")
        path: str = scope["path"]
        raw: bytes = scope.get("raw_path") or b""
        dots = "/." in path and any(part in {".", ".."} for part in path.split("/"))
        if dots or b"%2f" in raw.lower() or _CONTROL.search(path):
            raise InvalidRequestLineError("the path has dot segments or control characters")
        hosts = headers.get(b"host", ())
        if len(hosts) != 1 or not self._known(hosts[0].decode("latin-1")):
            raise InvalidHostError("the Host header must name this server, once")
        codings = headers.get(b"transfer-encoding", (b"chunked",))
        if len(codings) != 1 or codings[0].lower() != b"chunked":
            raise InvalidRequestLineError("the only transfer encoding here is chunked")
        if len(headers.get(b"authorization", ())) > 1:
            raise InvalidRequestLineError("there must be at most one Authorization header")
        if b"content-encoding" in headers:
            raise MediaTypeError("compressed bodies are not accepted")

    def _known(self, host: str) -> bool:
        name, colon, port = host.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()):
            name = host
        return name.lower() in self._rules.hosts

    async def _authenticate(self, headers: Headers) -> Principal:
        value = headers.get(b"authorization", (b"",))[0]
        scheme, _, credential = value.partition(b" ")
        # Which of the many reasons it was is nothing a stranger may learn.
        refused = UnauthenticatedError("this needs a valid bearer credential")
        if scheme.lower() != b"bearer" or not credential or not credential.isascii():
            raise refused
        try:
            return await self._authenticator.authenticate(credential.decode("ascii"))
        except UnauthenticatedError as error:
            raise refused from error

    async def _body(self, headers: Headers, receive: Receive) -> JsonObject | None:
        length = _length(headers)
        if length == 0:
            return None
        self._check_type(headers.get(b"content-type", ()))
        if length is not None and length > self._rules.max_body:
            raise BodyTooLargeError(self._rules.max_body)
        return parse_object(await _read(receive, self._rules.max_body))

    def _check_type(self, declared: Sequence[bytes]) -> None:
        kind, _, parameters = b"".join(declared).decode("latin-1").lower().partition(";")
        for parameter in parameters.split(";"):
            name, _, value = parameter.strip().partition("=")
            if name == "charset" and value.strip('"') not in {"utf-8", "utf8", "us-ascii"}:
                raise MediaTypeError("send the body in UTF-8")
        if len(declared) != 1 or kind.strip() not in self._rules.content_types:
            raise MediaTypeError(f"send the body as {' or '.join(self._rules.content_types)}")


def _length(headers: Headers) -> int | None:
    """Return the declared length of the body; None where it comes in chunks."""
    if b"transfer-encoding" in headers:
        return None
    lengths = headers.get(b"content-length", (b"0",))
    if len(lengths) != 1 or not lengths[0].isdigit():
        raise InvalidRequestLineError("there must be one Content-Length, a number")
    return int(lengths[0][:20])


async def _read(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidJsonError("the body ended early")
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLargeError(limit)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def _grouped(scope: Scope) -> dict[bytes, list[bytes]]:
    headers: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name, []).append(value)
    return headers


def _trace_id(scope: Scope) -> str:
    """Return the caller's W3C trace id where it is well-formed, else a new one."""
    values = [value for name, value in scope["headers"] if name == b"traceparent"]
    match = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    given = match[1].decode() if match else _UNTRACED
    return new_id() if given == _UNTRACED else given
