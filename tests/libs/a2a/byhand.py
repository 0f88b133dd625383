"""A peer whose every answer a test writes by hand, byte for byte, and a client of ours for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import orjson

from tests.libs.a2a.harness import Mesh, a_task
from weft.a2a import PeerCard
from weft.a2a.client import A2AClient, open_session
from weft.core import JsonObject, Result
from weft.identity import Minter

Answer = Callable[["Peer", JsonObject, asyncio.StreamWriter], Awaitable[None]]
TASK = "b" * 32


class Peer:
    """Answers each HTTP request by hand, byte for byte."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.calls: list[JsonObject] = []
        self.heads: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                lines = head.lower().split("\r\n")
                size = next(
                    int(line.split(":")[1]) for line in lines if line.startswith("content-length")
                )
                call: JsonObject = orjson.loads(await reader.readexactly(size))
                self.calls.append(call)
                self.heads.append(head.lower())
                await self._answer(self, call, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            """The client has seen enough."""
        finally:
            writer.close()


@asynccontextmanager
async def against(answer: Answer, *, trusted: bool = True) -> AsyncIterator[tuple[Peer, A2AClient]]:
    """Yield such a peer and a client of ours for it."""
    peer, mesh = Peer(answer), Mesh()
    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    card = PeerCard("echo", f"http://127.0.0.1:{port}/", trusted, frozenset(), streaming=True)
    async with open_session() as session:
        yield peer, A2AClient(card, session, minter=Minter(mesh.router))
    server.close()


async def ask(client: A2AClient, **more: Any) -> Result:  # noqa: ANN401 - fields of a task
    with anyio.fail_after(10):
        return await client.start(a_task(**more))


def status(text: str, body: bytes = b"", *headers: str) -> bytes:
    head = "".join(f"{each}\r\n" for each in headers)
    return f"HTTP/1.1 {text}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def frame(result: JsonObject, number: int | None = None) -> bytes:
    body = orjson.dumps({"jsonrpc": "2.0", "id": "1", "result": result})
    head = b"" if number is None else b"id: %d\n" % number
    return chunk(head + b"data: " + body + b"\n\n")


def task(state: str, task_id: str = TASK, **more: object) -> JsonObject:
    shown = {"id": task_id, "contextId": "c", "status": {"state": f"TASK_STATE_{state}"}, **more}
    return {"task": shown}  # type: ignore[dict-item]


def update(state: str, task_id: str = TASK, **more: object) -> JsonObject:
    body = {"taskId": task_id, "status": {"state": f"TASK_STATE_{state}"}, **more}
    return {"statusUpdate": body}  # type: ignore[dict-item]


def artifact(
    text: str, task_id: str = TASK, *, name: str = "a", append: bool = False
) -> JsonObject:
    shown: JsonObject = {"artifactId": name, "parts": [{"text": text}]}
    return {"artifactUpdate": {"taskId": task_id, "artifact": shown, "append": append}}


def code(result: Result) -> str:
    assert result.status == "failed"
    return result.reasons[0].code


def always(*pieces: bytes) -> Answer:
    async def answer(_: Peer, __: JsonObject, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return answer
