"""Sources that answer as their documented APIs do, and keep what they were sent."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from weft.core import JsonObject


@dataclass
class Source:
    """Replies by path; a reply that is a number is a status, `None` never comes."""

    replies: Mapping[str, object]
    queries: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.queries.append((request.path, dict(request.query)))
        self.headers.append(request.headers)
        reply = self.replies.get(request.path, 404)
        if reply is None:
            await asyncio.Event().wait()
        if isinstance(reply, bytes):
            return web.Response(body=reply)
        if isinstance(reply, int):
            return web.Response(status=reply, text="go away", headers={"location": "/elsewhere"})
        return web.json_response(reply)


@asynccontextmanager
async def answering(replies: Mapping[str, object]) -> AsyncIterator[Source]:
    """Yield a source on a free port of loopback."""
    source = Source(replies)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", source.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    source.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield source
    finally:
        await runner.cleanup()


def jumping(now: float) -> Mapping[str, object]:
    """Return a Prometheus whose gauge of `cart` jumps in the last quarter of an hour."""

    def matrix(begin: float, end: float, value: float) -> JsonObject:
        values: list[object] = [
            [begin + at, f"{value + at % 7 / 10}"] for at in range(0, int(end - begin), 15)
        ]
        labels = {"__name__": "http_request_duration_seconds", "service": "cart"}
        calm = {**labels, "service": "stock"}
        flat: list[object] = [
            [begin + at, f"{1 + at % 7 / 10}"] for at in range(0, int(end - begin), 15)
        ]
        result = [{"metric": labels, "values": values}, {"metric": calm, "values": flat}]
        return {"status": "success", "data": {"resultType": "matrix", "result": result}}  # type: ignore[dict-item]

    return {
        "/api/v1/label/__name__/values": {"data": ["http_request_duration_seconds"]},
        "/api/v1/query": matrix(now - 900, now, 40.0),
        "/api/v1/query_range": matrix(now - 4500, now - 900, 1.0),
    }
