"""Runs one service's process: opens what it holds, listens, announces itself, and leaves tidily."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import NoReturn

import uvicorn
import uvloop
from starlette.types import ASGIApp

from weft.core.errors import ConfigError, WeftError, leaves, system_words
from weft.core.private_files import UMASK
from weft.service.http import GuardedHttp
from weft.service.leaving import AnsweredAtStop, is_no_cut
from weft.service.logs import configure_logs
from weft.service.settings import ServiceSettings

__all__ = ["Listening", "Served", "serve", "unannounced"]

GRACE_SECONDS = 2
"""What open connections get to end in, once the service has finished or handed over its work."""

YOUNG_OBJECTS = 20_000
"""Collecting after the usual 700 would walk the live objects of every request several times."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where this process is reached, known before anything is opened."""

    url: str
    stopping: asyncio.Event
    """Set when the process was told to leave: streams end, and nothing new is claimed."""


@dataclass(frozen=True, slots=True)
class Served:
    """What an opened service hands to its server."""

    app: ASGIApp
    announced: Callable[[], AbstractAsyncContextManager[None]]
    """Entered once requests are answered; on the way out it finishes the work in hand, while they
    still are."""


Opening = Callable[[Listening], AbstractAsyncContextManager[Served]]


@asynccontextmanager
async def unannounced() -> AsyncIterator[None]:
    """Announce nothing: nobody looks this service up."""
    yield


def serve(opening: Opening, settings: ServiceSettings, *, name: str) -> None:
    """Serve until told to stop; prints `ready <url>` once requests are answered."""
    configure_logs(name, settings.log_level)
    logging.getLogger("uvicorn.error").addFilter(is_no_cut)
    # Whatever library makes a file in the home, its owner alone reads it.
    os.umask(UMASK)
    try:
        with listening_socket(settings.host, settings.port) as sock:
            uvloop.run(_serve(opening, settings, sock))
    except (WeftError, OSError) as error:
        _leave(name, error)
    except BaseExceptionGroup as group:
        failures = group.subgroup((WeftError, OSError))
        if failures is None:
            raise
        _leave(name, leaves(failures)[0])


def _leave(name: str, error: BaseException) -> NoReturn:
    words = system_words(error) if isinstance(error, OSError) else str(error)
    sys.stderr.write(f"{name}: {words}\n")
    sys.exit(1)


@contextmanager
def listening_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a bound socket.

    Raises:
        ConfigError: The address is taken, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, because the event loop turns Nagle's algorithm off only for sockets that say TCP.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}:{port} ({error.strerror}); stop what uses that port, "
                "or choose another one"
            ) from error
        sock.set_inheritable(True)
        yield sock


async def _serve(opening: Opening, settings: ServiceSettings, sock: socket.socket) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    host, port = sock.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    listening = Listening(settings.url or f"http://{shown}:{port}", stopping)
    async with opening(listening) as served:
        server = _Server(
            uvicorn.Config(
                AnsweredAtStop(served.app, stopping),
                http=GuardedHttp,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[sock]), name="http")
            await server.up.wait()
            _spare_collections()
            async with served.announced():
                sys.stdout.write(f"ready {listening.url}\n")
                sys.stdout.flush()
                await stopping.wait()
            server.should_exit = True


def _spare_collections() -> None:
    """Keep the collector from what lives as long as the process, and let a request end first."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)


class _Server(uvicorn.Server):
    """Leaves signals to `_serve`, which has more to do than to close sockets."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()
