"""An address that stays while the processes behind it come and go: connections, handed on in turn."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_CHUNK = 64 * 1024


@dataclass(slots=True)
class Front:
    """Hands each connection to the next of `behind`, base URLs; without any, it refuses."""

    url: str = ""
    behind: list[str] = field(default_factory=list)
    _next: int = 0

    async def hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.behind:
                self._next += 1
                await _joined(reader, writer, self.behind[self._next % len(self.behind)])
        except OSError:
            # Whoever calls sees a connection that closes, as from any server that is gone.
            pass
        finally:
            writer.close()


async def _joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> None:
    parts = urlsplit(target)
    there, back = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_copied(reader, back))
            tasks.create_task(_copied(there, writer))
    finally:
        back.close()


async def _copied(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copy until the source ends, then end the sink: no connection is open on one side only."""
    with suppress(OSError):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def front_open() -> AsyncGenerator[Front, None]:
    """Yield a front on a free loopback port."""
    front = Front()
    calls: set[asyncio.Task[None]] = set()

    def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.get_running_loop().create_task(front.hand_on(reader, writer))
        calls.add(call)
        call.add_done_callback(calls.discard)

    server = await asyncio.start_server(called, "127.0.0.1", 0)
    front.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield front
    finally:
        server.close()
        for call in tuple(calls):
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
