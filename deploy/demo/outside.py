"""What is outside the shop: customers, and the provider that scores charges."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web

ARTICLES = ("lamp", "chair", "desk", "shelf", "rug")
Basket = dict[str, str | int]
_GIVE_UP = aiohttp.ClientTimeout(total=10)


@dataclass(frozen=True, slots=True)
class Provider:
    """How the scoring provider answers: in its own time, and now and then not at all."""

    fastest: float = 0.16
    slowest: float = 0.36
    """Seconds."""
    refused: float = 0.1
    """The share of requests answered 503."""


@asynccontextmanager
async def provider_running(provider: Provider, *, seed: int) -> AsyncGenerator[str, None]:
    """Yield the base URL of a provider on a free loopback port."""
    # Both generators here shape a load; nothing is kept secret with them.
    chance = random.Random(seed)  # noqa: S311

    async def score(_: web.Request) -> web.Response:
        await asyncio.sleep(chance.uniform(provider.fastest, provider.slowest))
        if chance.random() < provider.refused:
            return web.json_response({"error": "busy"}, status=503)
        return web.json_response({"score": round(chance.uniform(0.0, 0.6), 2)})

    app = web.Application()
    app.router.add_get("/score", score)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass(frozen=True, slots=True)
class Load:
    """Customers that come at random and do not wait for each other."""

    rate: float = 6.0
    """Requests per second, on average."""
    checkouts: float = 0.5
    """The share of requests that buy; the others look at the products."""
    most: int = 64
    """Open requests at a time; who comes on top of that is turned away, uncounted."""


async def drive(frontend: str, load: Load, *, seconds: float, seed: int) -> Counter[int]:
    """Send customers for `seconds`, wait for their answers, count these by status (0: none)."""
    chance = random.Random(seed)  # noqa: S311
    answers: Counter[int] = Counter()
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    arrives = loop.time()
    async with aiohttp.ClientSession(timeout=_GIVE_UP) as session, asyncio.TaskGroup() as tasks:
        customers: set[asyncio.Task[None]] = set()
        while (arrives := arrives + chance.expovariate(load.rate)) < ends:
            await asyncio.sleep(max(0.0, arrives - loop.time()))
            buys = chance.random() < load.checkouts
            basket: Basket = {"sku": chance.choice(ARTICLES), "quantity": chance.randint(1, 3)}
            if len(customers) >= load.most:
                continue
            visit = _visit(session, frontend, basket if buys else None, answers)
            customer = tasks.create_task(visit)
            customers.add(customer)
            customer.add_done_callback(customers.discard)
    return answers


async def _visit(
    session: aiohttp.ClientSession,
    frontend: str,
    basket: Basket | None,
    answers: Counter[int],
) -> None:
    calling = (
        session.post(f"{frontend}/checkout", json=basket)
        if basket
        else session.get(f"{frontend}/products")
    )
    try:
        async with calling as answer:
            await answer.read()
            answers[answer.status] += 1
    except (TimeoutError, aiohttp.ClientError):
        answers[0] += 1
