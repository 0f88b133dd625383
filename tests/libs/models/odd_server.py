"""A server that answers each request with the next reply, whatever its form."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from weft.core import JsonObject, dumps, loads_object


@dataclass(frozen=True)
class Odd:
    """One answer, sent as it is."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200


def stream(*pieces: object, done: bool = True) -> Odd:
    """Return server-sent events with these pieces, bytes as they are."""
    texts = [each if isinstance(each, bytes) else dumps(each) for each in pieces]
    body = b"".join(b"data: " + text + b"\n\n" for text in texts)
    return Odd(body + (b"data: [DONE]\n\n" if done else b""), "text/event-stream")


def delta(content: object = None, *, finish: object = None, **fields: object) -> JsonObject:
    """Return one piece of a stream."""
    made: JsonObject = {"content": content, **fields}  # type: ignore[dict-item]
    return {"choices": [{"index": 0, "delta": made, "finish_reason": finish}]}  # type: ignore[dict-item]


def whole(message: object, *, finish: object = "stop", **fields: object) -> Odd:
    """Return a whole reply."""
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return Odd(dumps({"choices": [choice], **fields}))


@dataclass
class OddServer:
    """Answers in order, the last reply for ever."""

    replies: Sequence[Odd]
    address: str = ""
    requests: list[JsonObject] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(loads_object(await reader.readexactly(length)))
                reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
                writer.write(
                    f"HTTP/1.1 {reply.status} Said\r\ncontent-type: {reply.content_type}\r\n"
                    f"content-length: {len(reply.body)}\r\n\r\n".encode()
                )
                writer.write(reply.body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            """The client has left."""
        finally:
            writer.close()


@asynccontextmanager
async def odd_server(*replies: Odd) -> AsyncIterator[OddServer]:
    """Serve these replies on a loopback port."""
    served = OddServer(replies)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    served.address = f"http://127.0.0.1:{port}/v1"
    async with server:
        yield served
