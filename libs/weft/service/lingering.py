"""A connection that says together what is said together, and ends so that the peer can read why."""

import asyncio
from collections.abc import Callable

LINGER_SECONDS = 2.0
HELD_BYTES = 16 * 1024
"""What is written at once at the latest; above it the transport must say when it is too much."""


class LingeringTransport(asyncio.Transport):
    """A transport whose `close`, where the peer still sends, first lets it read the answer.

    Closing a socket with unread bytes resets it, and a reset may overtake the last words. So this
    ends its own side, drops what comes, and closes when the peer does or `LINGER_SECONDS` later.

    The server writes the head of an answer and its body one after the other. Each would be a packet
    of its own, and wake the reader twice: what is written in one turn of the event loop is sent at
    its end.
    """

    def __init__(self, transport: asyncio.Transport, unread: Callable[[], bool]) -> None:
        super().__init__()
        self._transport = transport
        self._unread = unread
        self._lingering = False
        self._loop = asyncio.get_running_loop()
        self._held: list[bytes | bytearray | memoryview] = []
        self._size = 0

    def close(self) -> None:
        if self._lingering:
            return
        self._send()
        if (
            self._transport.is_closing()
            or not self._unread()
            or not self._transport.can_write_eof()
        ):
            self._transport.close()
            return
        self._lingering = True
        self._transport.write_eof()
        if not self._transport.is_reading():
            self._transport.resume_reading()
        self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def is_closing(self) -> bool:
        return self._lingering or self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._lingering:
            return
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)
        self._size += len(data)
        if self._size >= HELD_BYTES:
            self._send()

    def _send(self) -> None:
        if not self._held:
            return
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held, self._size = [], 0
        self._transport.write(data)

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)

    def pause_reading(self) -> None:
        if not self._lingering:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._lingering:
            self._transport.resume_reading()
