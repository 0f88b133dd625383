"""A connection that ends so that the peer can read why."""

import asyncio
from collections.abc import Callable

LINGER_SECONDS = 2.0


class LingeringTransport(asyncio.Transport):
    """A transport whose `close`, where the peer still sends, first lets it read the answer.

    Closing a socket with unread bytes resets it, and a reset may overtake the last words. So this
    ends its own side, drops what comes, and closes when the peer does or `LINGER_SECONDS` later.
    """

    def __init__(self, transport: asyncio.Transport, unread: Callable[[], bool]) -> None:
        super().__init__()
        self._transport = transport
        self._unread = unread
        self._lingering = False

    def close(self) -> None:
        if self._lingering:
            return
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
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.abort)

    def is_closing(self) -> bool:
        return self._lingering or self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._lingering:
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
