"""How a service is called and how it calls: traced, measured, and always with a deadline."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from opentelemetry import propagate
from opentelemetry.trace import SpanKind, StatusCode
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.demo.shop.exposition import SECONDS
from deploy.demo.shop.telemetry import Telemetry

_UNOBSERVED = frozenset({"/metrics", "/admin/flags"})


class PeerError(Exception):
    """Another service gave no usable answer."""

    def __init__(self, peer: str, reason: str) -> None:
        super().__init__(f"{peer} {reason}")
        self.peer = peer


class PeerTimeoutError(PeerError):
    """Another service did not answer in time; what it did is unknown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer said."""

    status: int
    body: Mapping[str, object]

    @property
    def ok(self) -> bool:
        return self.status < HTTPStatus.BAD_REQUEST


class Observed:
    """Gives each request a SERVER span below its caller's, a duration and a count."""

    def __init__(self, app: ASGIApp, *, telemetry: Telemetry) -> None:
        self._app = app
        self._tracer = telemetry.tracer
        meter = telemetry.meter
        self._duration = meter.create_histogram(
            "http_server_request_duration_seconds", explicit_bucket_boundaries_advisory=SECONDS
        )
        self._requests = meter.create_counter("http_server_requests_total")
        self._errors = meter.create_counter("http_server_errors_total")
        self._errors.add(0)
        self._active = meter.create_up_down_counter("http_server_active_requests")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UNOBSERVED:
            await self._app(scope, receive, send)
            return
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method, path = scope["method"], scope["path"]
        started = time.perf_counter()
        self._active.add(1)
        with self._tracer.start_as_current_span(
            f"{method} {path}",
            context=propagate.extract(Headers(scope=scope)),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "http.route": path},
            record_exception=False,
        ) as span:
            try:
                await self._app(scope, receive, noting)
            finally:
                span.set_attribute("http.response.status_code", status)
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    span.set_status(StatusCode.ERROR, f"HTTP {status}")
                self._note(path, status, time.perf_counter() - started)

    def _note(self, path: str, status: int, seconds: float) -> None:
        self._active.add(-1)
        self._duration.record(seconds, {"route": path})
        self._requests.add(1, {"route": path})
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._errors.add(1)


class Client:
    """Calls peers by name, each call a CLIENT span whose context travels along."""

    def __init__(
        self, session: aiohttp.ClientSession, telemetry: Telemetry, peers: Mapping[str, str]
    ) -> None:
        self._session = session
        self._tracer = telemetry.tracer
        self._peers = peers

    async def get(self, peer: str, path: str, *, within: float) -> Answer:
        return await self._call("GET", peer, path, within=within)

    async def post(
        self, peer: str, path: str, body: Mapping[str, object], *, within: float
    ) -> Answer:
        """Send `body` and wait at most `within` seconds.

        Raises:
            PeerTimeoutError: no answer in time.
            PeerError: the peer cannot be reached, or its answer is not JSON.
        """
        return await self._call("POST", peer, path, within=within, body=body)

    async def _call(
        self,
        method: str,
        peer: str,
        path: str,
        *,
        within: float,
        body: Mapping[str, object] | None = None,
    ) -> Answer:
        with self._tracer.start_as_current_span(
            f"{method} {path}",
            kind=SpanKind.CLIENT,
            attributes={"http.request.method": method, "server.address": peer},
            record_exception=False,
        ) as span:
            headers: dict[str, str] = {}
            propagate.inject(headers)
            try:
                async with self._session.request(
                    method,
                    self._peers[peer] + path,
                    json=body,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=within),
                ) as found:
                    answer = Answer(found.status, await found.json())
            except TimeoutError as error:
                raise PeerTimeoutError(peer, f"gave no answer within {within:g} s") from error
            except aiohttp.ClientError as error:
                raise PeerError(peer, f"failed: {type(error).__name__}") from error
            span.set_attribute("http.response.status_code", answer.status)
            if not answer.ok:
                span.set_status(StatusCode.ERROR, f"HTTP {answer.status}")
            return answer
