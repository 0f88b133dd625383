"""A connection sends together what is written together, and nothing later than it must."""

import asyncio

import anyio.lowlevel

from weft.service.lingering import HELD_BYTES, LingeringTransport


class Recorder(asyncio.Transport):
    """Keeps what is written, and when it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def is_closing(self) -> bool:
        return b"closed" in self.sent

    def close(self) -> None:
        self.sent.append(b"closed")


def opened() -> tuple[Recorder, LingeringTransport]:
    transport = Recorder()
    return transport, LingeringTransport(transport, lambda: False)


async def test_head_and_body_of_an_answer_are_one_write() -> None:
    transport, connection = opened()

    connection.write(b"head")
    connection.write(b"body")
    await anyio.lowlevel.checkpoint()
    connection.write(b"next")
    await anyio.lowlevel.checkpoint()

    assert transport.sent == [b"headbody", b"next"]


async def test_who_closes_has_said_everything() -> None:
    transport, connection = opened()

    connection.write(b"last")
    connection.close()
    await anyio.lowlevel.checkpoint()

    assert transport.sent == [b"last", b"closed"]


async def test_much_is_handed_on_at_once_so_that_it_can_be_too_much() -> None:
    transport, connection = opened()

    connection.write(b"x")
    connection.write(b"y" * HELD_BYTES)

    assert [len(data) for data in transport.sent] == [1 + HELD_BYTES]
