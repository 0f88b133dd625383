"""The yardstick: a bare FastAPI front that calls three bare Starlette servers with aiohttp."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.applications import Starlette
from starlette.routing import Route


async def answer(request: Request) -> Response:
    asked = orjson.loads(await request.body())
    return Response(orjson.dumps({"text": asked["prompt"]}), media_type="application/json")


def leaf() -> Starlette:
    return Starlette(routes=[Route("/", answer, methods=["POST"])])


def front() -> FastAPI:
    peers = os.environ["BARE_PEERS"].split(",")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            app.state.session = session
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/invoke")
    async def invoke(request: Request) -> Response:
        body = await request.body()

        async def ask(peer: str) -> object:
            async with request.app.state.session.post(peer, data=body) as reply:
                return orjson.loads(await reply.read())

        answers = await asyncio.gather(*(ask(peer) for peer in peers))
        return Response(orjson.dumps({"message": answers}), media_type="application/json")

    return app


if __name__ == "__main__":
    uvicorn.run(
        f"tests.bench.bare:{os.environ['BARE_APP']}",
        factory=True,
        port=int(os.environ["BARE_PORT"]),
        access_log=False,
        log_level="warning",
        loop="uvloop",
        http="httptools",
    )
