"""The HTTP/1.1 protocol of every service: uvicorn's, with the bounds it lacks."""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 32 * 1024
MAX_FIELDS = 100
MAX_WIRE = 2 * 1024 * 1024 + 64 * 1024
"""Bytes of a body as they travel, chunk sizes and extensions included."""
PATIENCE_SECONDS = 10.0
"""A head, and a body, must be whole within this time."""
_REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
_CODES = {400: "invalid_request_line", 408: "request_timeout", 431: "headers_too_large"}


class GuardedHttp(HttpToolsProtocol):
    """Refuses heads that are large or slow, bodies that are slow or endless, and odd targets."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - handed on as they are
        super().__init__(*args, **options)
        self._in_head = True
        self._wire = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._await_more()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._wire += len(data)
        if self._in_head and self._wire > MAX_HEAD:
            # The head may end within its bound although the same read brought body bytes too.
            room = max(MAX_HEAD - (self._wire - len(data)), 0)
            if data.find(b"\r\n\r\n", 0, room) < 0:
                self._refuse(431)
                return
        elif not self._in_head and self._wire > MAX_WIRE:
            self._refuse(400)
            return
        if self.timeout_keep_alive_task is not None and self._timer is None:
            self._await_more()
        try:
            super().data_received(data)
        except httptools.HttpParserError:
            self._refuse(400)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the words are ours
        self._refuse(400)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        if self._timer is None:
            self._await_more()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            # A trailer: uvicorn would merge it into the headers a handler has checked already.
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._wire = 0
        self._rest()
        self._await_more()
        if len(self.headers) > MAX_FIELDS:
            self._refuse(431)
        elif not self.url.startswith(b"/") or self.parser.get_http_version() not in {"1.0", "1.1"}:
            self._refuse(400)
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._rest()
        self._in_head = True
        self._wire = 0
        if self.cycle is not None:
            super().on_message_complete()

    def _await_more(self) -> None:
        self._timer = self.loop.call_later(PATIENCE_SECONDS, self._late)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self._in_head:
            if self._wire == 0:
                self.transport.close()
            else:
                self._refuse(408)
        elif not self.cycle.response_started:
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        self._rest()
        if self.transport.is_closing():
            return
        body = b'{"type":"urn:weft:problem:%s","status":%d,"code":"%s","retryable":%s}' % (
            (code := _CODES[status].encode()),
            status,
            code,
            b"true" if status == 408 else b"false",  # noqa: PLR2004 - a status is its own name
        )
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (status, _REASONS[status], len(body), body)
        )
        self.transport.close()
