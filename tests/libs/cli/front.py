"""A gateway of a few lines that does to its clients what a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.libs.cli.told import RUN
from weft.cli.client import Gateway, gateway
from weft.core import JsonObject
from weft.events import Envelope
from weft.local.credentials import Credentials

Streaming = Callable[["Front", web.StreamResponse, int], Awaitable[None]]


def frame(event: Envelope) -> bytes:
    data = event.model_dump_json().encode()
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.type.encode(), data)


@dataclass
class Front:
    """Remembers what it was asked; `stream` answers a reader behind a number."""

    stream: Streaming | None = None
    run: JsonObject = field(default_factory=lambda: {
        "run_id": RUN, "thread_id": "t", "status": "completed", "success": True,
        "output": {"text": "done"},
    })  # fmt: skip
    asked: list[JsonObject] = field(default_factory=list)
    resumed: list[JsonObject] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    cursors: list[int] = field(default_factory=list)
    refusals: list[Callable[[], web.Response]] = field(default_factory=list)
    """Answered first, whatever is asked."""
    url: str = ""
    port: int = 0

    async def submit(self, request: web.Request) -> web.StreamResponse:
        self.keys.append(request.headers.get("idempotency-key"))
        if self.refusals:
            return self.refusals.pop(0)()
        self.asked.append(await request.json())
        return web.json_response(self.run, status=202)

    async def resume(self, request: web.Request) -> web.StreamResponse:
        self.resumed.append(await request.json())
        return web.json_response(self.run, status=202)

    async def show(self, _: web.Request) -> web.StreamResponse:
        return self.refusals.pop(0)() if self.refusals else web.json_response(self.run)

    async def questions(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"data": self.run.get("interrupts") or []})

    async def events(self, request: web.Request) -> web.StreamResponse:
        self.cursors.append(int(request.headers.get("last-event-id", "0")))
        if self.refusals:
            return self.refusals.pop(0)()
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        assert self.stream is not None
        await self.stream(self, answer, self.cursors[-1])
        return answer


def app_of(front: Front) -> web.Application:
    app = web.Application()
    app.router.add_post("/v1/runs", front.submit)
    app.router.add_get(f"/v1/runs/{RUN}", front.show)
    app.router.add_get(f"/v1/runs/{RUN}/interrupts", front.questions)
    app.router.add_get(f"/v1/runs/{RUN}/stream", front.events)
    app.router.add_post(f"/v1/runs/{RUN}/resume", front.resume)
    return app


@asynccontextmanager
async def listening(front: Front, *, port: int = 0) -> AsyncIterator[None]:
    runner = web.AppRunner(app_of(front), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    assert isinstance(site._server, asyncio.Server)
    front.port = site._server.sockets[0].getsockname()[1]
    front.url = f"http://127.0.0.1:{front.port}"
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client_of(front: Front, *, patience: float = 5.0) -> AsyncIterator[Gateway]:
    credentials = Credentials(url=front.url, key="wft_key")
    async with gateway(credentials, patience=patience) as opened:
        yield opened
