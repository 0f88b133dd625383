"""A real server over real sockets, and requests written byte by byte."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import anyio
import uvicorn
from starlette.types import ASGIApp

from weft.core import JsonObject, loads_object
from weft.service.http import GuardedHttp
from weft.service.serving import listening_socket

HEAD = b"host: localhost\r\nauthorization: Bearer ana\r\ncontent-type: application/json\r\n"


class Hasty(GuardedHttp):
    """Waits a third of a second."""

    patience_s = 0.3
    stall_s = 0.3


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(app: ASGIApp, http: type[GuardedHttp] = GuardedHttp) -> AsyncIterator[int]:
    """Yield the port on which `app` is served."""
    config = uvicorn.Config(
        app, http=http, loop="asyncio", ws="none", lifespan="off", log_config=None,
        access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = _Server(config)
    with listening_socket("127.0.0.1", 0) as sock:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve(sockets=[sock]))
            with anyio.fail_after(5):
                await server.up.wait()
            yield sock.getsockname()[1]
            server.should_exit = True
            await serving


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, and what came behind it."""

    status: int
    headers: dict[str, str]
    body: bytes
    rest: bytes = b""

    @property
    def json(self) -> JsonObject:
        return loads_object(self.body)


def parsed(text: bytes) -> Answer:
    """Return the first answer in `text`; status 0 where there is none."""
    head, _, body = text.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not lines[0]:
        return Answer(0, {}, b"")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    length = int(headers.get("content-length", len(body)))
    return Answer(int(lines[0].split()[1]), headers, body[:length], body[length:])


def complete(text: bytes) -> bool:
    _, found, body = text.partition(b"\r\n\r\n")
    if not found:
        return False
    answer = parsed(text)
    return "content-length" in answer.headers and len(body) >= int(answer.headers["content-length"])


async def asked(
    port: int, *pieces: bytes, whole: bool = False, more: Iterable[bytes] = ()
) -> Answer:
    """Send `pieces`, then `more` for as long as the server takes it; return its answer.

    With `whole` everything is read until the server closes.
    """
    with anyio.fail_after(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            text = b""
            with suppress(ConnectionError):
                for piece in (*pieces, *more):
                    writer.write(piece)
                    await writer.drain()
            with suppress(ConnectionError):
                while (whole or not complete(text)) and (data := await reader.read(65_536)):
                    text += data
            return parsed(text)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


def post(body: bytes, *, path: bytes = b"/invoke", head: bytes = HEAD) -> bytes:
    return b"POST %s HTTP/1.1\r\n%scontent-length: %d\r\n\r\n%s" % (path, head, len(body), body)


def get(path: bytes = b"/v1/me", *, head: bytes = HEAD) -> bytes:
    return b"GET %s HTTP/1.1\r\n%s\r\n" % (path, head)
