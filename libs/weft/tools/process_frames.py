"""What a tool's process and its owner tell each other: a length, then bytes.

Into the process goes one pickled job: it comes from the program that owns the process. Out of it
comes JSON only, because what runs in there may have read anything.
"""

import asyncio
import socket
from typing import Literal

from pydantic import JsonValue

from weft.core import Interrupt, Record

JOB_BYTES = 64 << 20
RESULT_BYTES = 4 << 20
"""Also keeps the owner's event loop from parsing for long."""
TEXT_LENGTH = 10_000
"""What is kept of an exception's text, a traceback or a progress message."""
_LENGTH = 4


class BodyFailure(Record):
    """An exception that left the body."""

    kind: str
    """The name of its class."""
    text: str
    trace: str = ""
    not_done: bool = False
    """It proves that nothing happened outside."""


class Step(Record):
    """How far the body is."""

    progress: float
    total: float | None = None
    message: str = ""


class Reply(Record):
    """One thing that a process tells; everything but `begun` and `progress` is its last word."""

    says: Literal["begun", "progress", "value", "failed", "asks", "memory", "too_large"]
    resident: int = 0
    """Bytes in memory before the body began."""
    step: Step | None = None
    value: JsonValue = None
    failure: BodyFailure | None = None
    interrupt: Interrupt | None = None


def framed(content: bytes) -> bytes:
    """Return `content` with its length before it."""
    return len(content).to_bytes(_LENGTH, "big") + content


def receive(sock: socket.socket) -> bytes | None:
    """Read one frame, blocking; None if the other side is gone."""
    head = _exactly(sock, _LENGTH)
    return None if head is None else _exactly(sock, int.from_bytes(head, "big"))


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    content = bytearray()
    while len(content) < size:
        some = sock.recv(min(size - len(content), 1 << 20))
        if not some:
            return None
        content += some
    return bytes(content)


async def read_frame(reader: asyncio.StreamReader, *, most: int) -> bytes | None:
    """Read one frame; None if the other side is gone.

    Raises:
        ValueError: It is longer than `most`.
    """
    try:
        size = int.from_bytes(await reader.readexactly(_LENGTH), "big")
        if size > most:
            raise ValueError(f"a frame of {size} bytes, at most {most} are read")
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
