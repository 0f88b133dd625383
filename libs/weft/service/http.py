"""The HTTP/1.1 protocol of every service: uvicorn's, with the bounds it lacks."""

import asyncio
import re
import resource
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from weft.core import dumps, new_id
from weft.core.error_table import LOOKS
from weft.service.lingering import LingeringTransport

MAX_HEAD = 32 * 1024
MAX_FIELDS = 100
SPARE_WIRE = 64 * 1024
"""A body may take twice its bytes plus this on the wire: chunk sizes, extensions, trailers."""
MAX_CONNECTIONS = max(min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 512), 64)
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}
_CODES = {
    LOOKS[code].http: code
    for code in ("invalid_request_line", "request_timeout", "headers_too_large")
}
_DETAILS = {
    400: "this is no request that is served here",
    408: "the request did not arrive in time",
    431: f"a head has at most {MAX_HEAD} bytes and {MAX_FIELDS} fields",
}


class GuardedHttp(HttpToolsProtocol):
    """Refuses heads that are large or slow, bodies that are slow or padded, and odd targets.

    A subclass may change the times.
    """

    patience_s: ClassVar[float] = 10.0
    """A head, and then a body, must be whole within this; a silent connection is closed."""
    stall_s: ClassVar[float] = 15.0
    """A reader that takes nothing for this long is cut."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - handed on as they are
        super().__init__(*args, **options)
        self._in_head = True
        self._refused = False
        self._head = 0
        self._trailers = 0
        self._wire = 0
        self._body = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(LingeringTransport(transport, self._unread))
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        self._await_more()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self.stall_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            data = _without_upgrade(data)
            if self._timer is None:
                self._await_more()
        # The head may end within its bound although the same read brought more.
        room = MAX_HEAD - self._wire
        self._wire += len(data)
        if self._in_head and room < len(data) and data.find(b"\r\n\r\n", 0, max(room, 0)) < 0:
            self._refuse(431)
            return
        super().data_received(data)
        if not self._in_head and self._wire > 2 * self._body + SPARE_WIRE:
            self._refuse(400)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the words are ours
        self._refuse(400)

    def on_message_begin(self) -> None:
        if self._refused:
            return
        super().on_message_begin()
        self._head = self._trailers = 0

    def on_url(self, url: bytes) -> None:
        self._head += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            self._head += len(name) + len(value)
            super().on_header(name, value)
            return
        # A trailer: uvicorn would merge it into the headers that were checked already.
        self._trailers += 1
        if self._trailers > MAX_FIELDS:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        if self._refused:
            return
        if len(self.headers) > MAX_FIELDS or self._head > MAX_HEAD:
            self._refuse(431)
            return
        if not self.url.startswith(b"/") or self.parser.get_http_version() not in {"1.0", "1.1"}:
            self._refuse(400)
            return
        super().on_headers_complete()
        self._in_head = False
        self._wire = self._body = 0
        self._await_more()
        if any(name == b"transfer-encoding" for name, _ in self.headers):
            # The parser hands a last trailer out as the first field of the next request: there
            # must be none on this connection.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refused:
            return
        self._rest()
        self._in_head = True
        self._wire = 0
        super().on_message_complete()

    def _unread(self) -> bool:
        """Tell whether the peer may still be sending what nobody will read."""
        return self._refused or not self._in_head

    def _await_more(self) -> None:
        self._rest()
        self._timer = self.loop.call_later(self.patience_s, self._late)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self._in_head and self._wire == 0:
            self.transport.close()
        else:
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        self._rest()
        if self.transport.is_closing():
            return
        self._refused = True
        if not self._answering():
            self.transport.write(_problem(status))
        self.transport.close()

    def _answering(self) -> bool:
        """Tell whether an answer is under way, into which no other may be written."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        return self._in_head or cycle.response_started or bool(self.pipeline)


def _without_upgrade(data: bytes) -> bytes:
    """Return the bytes of a head, and what came with it, with the wish for another protocol unread.

    None is spoken here, and the parser would leave the body of such a request unread: clients that
    would rather have HTTP/2 wish for it with their first request, whatever that is.
    """
    end = data.find(b"\r\n\r\n")
    head, rest = (data, b"") if end < 0 else (data[:end], data[end:])
    return _UPGRADE.sub(b"\r\nUpgrad_:", head) + rest


def _problem(status: int) -> bytes:
    code = _CODES[status]
    body = dumps(
        {
            "type": f"urn:weft:problem:{code}",
            "title": code.replace("_", " ").capitalize(),
            "status": status,
            "detail": _DETAILS[status],
            "instance": None,
            "code": code,
            "retryable": status == 408,  # noqa: PLR2004 - a status is its own name
            "trace_id": new_id(),
            "errors": [],
        }
    )
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
