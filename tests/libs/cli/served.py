"""A front door over real sockets in a thread, and the command line against it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from typer.testing import CliRunner, Result

from tests.libs.server.door import opened
from tests.libs.server.sockets import served
from weft.checkpoint import memory_checkpointer
from weft.cli.main import app
from weft.server import ApiOptions


@dataclass(frozen=True)
class Shop:
    """A gateway whose worker does as it is told; `ana` and `bob` are keys."""

    port: int

    def weft(self, *arguments: str, key: str = "ana", said: str | None = None) -> Result:
        url = f"http://127.0.0.1:{self.port}"
        return CliRunner().invoke(app, ["--url", url, "--key", key, *arguments], input=said)


@contextmanager
def shop(*, self_approval: bool = False) -> Iterator[Shop]:
    ready, stop = threading.Event(), asyncio.Event()
    ports: list[int] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def keep() -> None:
        loops.append(asyncio.get_running_loop())
        async with (
            aclosing(memory_checkpointer()) as store,
            opened(store, options=ApiOptions(self_approval=self_approval)) as house,
            served(house.app) as port,
        ):
            ports.append(port)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(keep()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield Shop(ports[0])
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)
