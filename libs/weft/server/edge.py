"""What every request passes before a route sees it: form, credential, body."""

import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import unquote_to_bytes, urlsplit

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weft.core import JsonObject, Principal, TraceContext, logged_under
from weft.core import trace as tracing
from weft.core.edge_errors import (
    InvalidHostError,
    InvalidRequestLineError,
    MethodNotAllowedError,
)
from weft.core.errors import ConfigError, UnauthenticatedError, WeftError
from weft.core.jsonguard import parse_object
from weft.core.protocol_errors import InvalidJsonError, MediaTypeError
from weft.core.request_body import check_type, collected, declared_length
from weft.identity.leases import Lease
from weft.server.credentials import BearerAuthenticator, stands_for
from weft.server.gate import RequestGate
from weft.server.rates import Fields
from weft.service.problems import crashed, problem_response

__all__ = ["EdgeRules", "accepted_hosts"]

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
LAST_WORDS_SECONDS = 1.0
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}+\]|[^:\[\]]{1,253}+)(?::([0-9]{1,5}+))?")
_EVERYWHERE = frozenset({"0.0.0.0", "[::]"})  # noqa: S104 - what it is compared with
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _BODY_METHODS | _READING | {"DELETE"}

Headers = Mapping[bytes, Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class EdgeRules:
    """Which hosts are ours, and what needs no credential."""

    hosts: Sequence[str] = LOOPBACK
    """Names in lower case; one with a port is accepted with that port only."""
    open_paths: frozenset[str] = frozenset({"/health", "/liveness", "/readiness", "/"})
    max_body: int = MAX_BODY
    content_types: Sequence[str] = field(default=("application/json",))


def accepted_hosts(names: str, *, bound: str, url: str | None) -> tuple[str, ...]:
    """Return the hosts a server answers to: this machine's, its own address, and those named.

    `names` is a list with commas; a name alone is accepted with any port.

    Raises:
        ConfigError: One of them is no name.
    """
    named = [name.strip().lower() for name in names.split(",") if name.strip()]
    if wrong := [name for name in named if _HOST.fullmatch(name) is None or "*" in name]:
        raise ConfigError(
            f"{wrong[0]!r} is no host name: write mesh.example.com or mesh.example.com:8443"
        )
    own = f"[{bound}]" if ":" in bound else bound
    published = urlsplit(url).netloc.rpartition("@")[2] if url else ""
    # Bound to every address, it is called by names that only its owner knows.
    ours = [name for name in (own, published) if name and name not in _EVERYWHERE]
    return tuple(dict.fromkeys((*LOOPBACK, *map(str.lower, ours), *named)))


class Edge:
    """ASGI middleware in front of every route.

    Routes find `trace`, `trace_id`, `principal` (absent on open paths) and `body` (a parsed object, or None
    where none was sent) in the request's state.
    """

    def __init__(
        self, app: ASGIApp, authenticator: BearerAuthenticator, rules: EdgeRules, gate: RequestGate
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._rules = rules
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = _trace(scope)
        state: dict[str, object] = scope.setdefault("state", {})
        state["trace"], state["trace_id"] = trace, trace.trace_id
        answer = _Answer(send)
        answer.fields.append((tracing.HEADER.encode(), trace.header.encode()))
        with logged_under(trace):
            try:
                await self._answered(scope, receive, answer)
            except WeftError as error:
                await answer.refuse(error, scope)
            except Exception as error:  # noqa: BLE001 - the one place where a bug ends its request only
                await answer.refuse(crashed(error, trace_id=trace.trace_id), scope)

    async def _answered(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        state = scope["state"]
        headers = _grouped(scope)
        self._check_form(scope, headers)
        state["body"] = None
        if scope["path"] in self._rules.open_paths:
            # A stranger's body is not even read: nothing here has a use for one.
            if scope["method"] not in _READING:
                raise MethodNotAllowedError(f"{scope['method']} is not served here")
            await self._app(scope, receive, answer.send)
            return
        credential, principal = await self._authenticate(headers)
        state["principal"] = principal
        self._gate.admit(scope, principal, answer.fields)
        stands = partial(stands_for, self._authenticator, credential, principal)
        # Counted before its body is awaited: so long as none has come, all would pass.
        with self._gate.hold(scope, principal), Lease(stands) as lease:
            if scope["method"] in _BODY_METHODS:
                state["body"] = await self._body(headers, receive)
            await self._app(scope, receive, answer.send)
        if lease.lost:
            raise UnauthenticatedError("the credential ended while the request was answered")

    def _check_form(self, scope: Scope, headers: Headers) -> None:
        if scope["method"] not in _METHODS:
            raise MethodNotAllowedError(f"the method {scope['method'][:20]} is not served here")
        path: str = scope["path"]
        raw: bytes = scope.get("raw_path") or b""
        dots = "/." in path and any(part in {".", ".."} for part in path.split("/"))
        if dots or b"%2f" in raw.lower() or _CONTROL.search(path):
            raise InvalidRequestLineError("the path has dot segments or control characters")
        if not (_is_utf8(raw) and _is_utf8(scope.get("query_string") or b"")):
            # Two ids that differ in such a byte would both be read as one.
            raise InvalidRequestLineError("the path and the query must be UTF-8")
        hosts = headers.get(b"host", ())
        if len(hosts) != 1 or not self._known(hosts[0].decode("latin-1")):
            raise InvalidHostError(
                "the Host header must name this server, once; its owner sets further names with "
                "GATEWAY_HOSTS"
            )
        codings = headers.get(b"transfer-encoding", (b"chunked",))
        if len(codings) != 1 or codings[0].lower() != b"chunked":
            raise InvalidRequestLineError("the only transfer encoding here is chunked")
        if len(headers.get(b"authorization", ())) > 1:
            raise InvalidRequestLineError("there must be at most one Authorization header")
        if b"content-encoding" in headers:
            raise MediaTypeError("compressed bodies are not accepted")

    def _known(self, host: str) -> bool:
        match = _HOST.fullmatch(host.lower())
        return match is not None and not {match[0], match[1]}.isdisjoint(self._rules.hosts)

    async def _authenticate(self, headers: Headers) -> tuple[str, Principal]:
        value = headers.get(b"authorization", (b"",))[0]
        scheme, _, credential = value.partition(b" ")
        # Which of the many reasons it was is nothing a stranger may learn.
        refused = UnauthenticatedError("this needs a valid bearer credential")
        if scheme.lower() != b"bearer" or not credential or not credential.isascii():
            raise refused
        text = credential.decode("ascii")
        try:
            return text, await self._authenticator.authenticate(text)
        except UnauthenticatedError as error:
            raise refused from error

    async def _body(self, headers: Headers, receive: Receive) -> JsonObject | None:
        chunked = b"transfer-encoding" in headers
        length = None if chunked else declared_length(_texts(headers, b"content-length"))
        if not chunked and not length:
            return None
        check_type(_texts(headers, b"content-type"), accepted=self._rules.content_types)
        most = self._rules.max_body
        return parse_object(await collected(_chunks(receive), most=most, declared=length))


class _Answer:
    """What was sent of the answer to one request."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False
        self._ended = False
        self.fields: Fields = []
        """What is added to every answer, refused or not."""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *self.fields]
        self._begun = True
        self._ended = message["type"] == "http.response.body" and not message.get("more_body")
        await self._send(message)

    async def refuse(self, error: WeftError, scope: Scope) -> None:
        """Answer with the error, or end the answer that has begun; no reader is waited for."""
        if not self._begun:
            trace_id = scope["state"]["trace_id"]
            response = problem_response(error, instance=scope["path"], trace_id=trace_id)
            await response(scope, _nothing, self.send)
        elif not self._ended:
            with anyio.move_on_after(LAST_WORDS_SECONDS):
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _is_utf8(escaped: bytes) -> bool:
    try:
        unquote_to_bytes(escaped).decode()
    except UnicodeDecodeError:
        return False
    return True


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidJsonError("the body ended early")
        yield message.get("body", b"")
        more = message.get("more_body", False)


def _texts(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for value in headers.get(name, ())]


def _grouped(scope: Scope) -> dict[bytes, list[bytes]]:
    headers: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name, []).append(value)
    return headers


def _trace(scope: Scope) -> TraceContext:
    """Return where in the caller's trace this request stands; a header that is none begins one."""
    name = tracing.HEADER.encode()
    values = [value for header, value in scope["headers"] if header == name]
    return TraceContext.joined(values[0].decode("latin-1") if len(values) == 1 else None)
