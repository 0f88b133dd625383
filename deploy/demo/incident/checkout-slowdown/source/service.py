"""Runs one service of the shop on a free port until its parent lets go of it."""

import asyncio
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from deploy.demo.shop.exposition import exposition, process_watched
from deploy.demo.shop.telemetry import Telemetry, telemetry
from deploy.demo.shop.web import Client, Observed

_GRACE = 10


@dataclass(frozen=True, slots=True)
class Shop:
    """What every service is given."""

    telemetry: Telemetry
    client: Client
    directory: Path
    peers: Mapping[str, str]
    """Base URLs by name."""


Opened = Callable[[Shop], AbstractAsyncContextManager[list[Route]]]
"""Opens what a service holds and gives its routes."""


async def run(service: str, opened: Opened, *, directory: Path, peers: Mapping[str, str]) -> None:
    """Serve until stdin ends; print the chosen port once requests are taken."""
    with telemetry(service, directory) as told:
        async with (
            process_watched(told.meter),
            aiohttp.ClientSession() as session,
            opened(Shop(told, Client(session, told, peers), directory, peers)) as routes,
        ):
            await _serve(_application(routes, told))


def _application(routes: list[Route], told: Telemetry) -> Starlette:
    async def metrics(_: Request) -> PlainTextResponse:
        return PlainTextResponse(exposition(told.reader))

    return Starlette(
        routes=[*routes, Route("/metrics", metrics)],
        middleware=[Middleware(Observed, telemetry=told)],
    )


class _Announcing(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or []:
            sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()


async def _serve(app: Starlette) -> None:
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE, lifespan="off"
    )
    server = _Announcing(config)
    # asyncio turns Nagle's algorithm off only where a socket names its protocol: 40 ms an answer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        async with asyncio.TaskGroup() as tasks:
            orphaned = tasks.create_task(_stop_at_end_of_stdin(server))
            await server.serve([listening])
            orphaned.cancel()


async def _stop_at_end_of_stdin(server: uvicorn.Server) -> None:
    # A parent that is killed cannot say goodbye, but its end of the pipe closes all the same.
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    server.should_exit = True
