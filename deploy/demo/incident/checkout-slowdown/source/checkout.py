"""Checkout: turns a basket into an order: stock set aside, money taken, order kept."""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TypedDict

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from deploy.demo.shop.database import Pool, pooled
from deploy.demo.shop.service import Shop
from deploy.demo.shop.web import Answer, Client, PeerError, PeerTimeoutError

SCHEMA = "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, amount REAL, charge TEXT)"
RESERVE_WITHIN = 1.0
CHARGE_WITHIN = 3.0
SLOW_CHARGE = 1.0
"""Seconds from which a charge is worth a warning."""

log = logging.getLogger("checkout")


class Order(TypedDict):
    """What a customer wants."""

    order: str
    sku: str
    quantity: int


class Checkout:
    """Places orders."""

    def __init__(self, pool: Pool, client: Client) -> None:
        self._pool = pool
        self._client = client

    async def place(self, request: Request) -> JSONResponse:
        order: Order = await request.json()
        name = order["order"]
        log.info("order received order=%s sku=%s", name, order["sku"])
        try:
            reserved = await self._client.post(
                "inventory", "/reservations", order, within=RESERVE_WITHIN
            )
        except PeerError:
            log.exception("reservation failed order=%s", name)
            return JSONResponse({"error": "stock unknown"}, HTTPStatus.BAD_GATEWAY)
        if not reserved.ok:
            log.warning("order refused order=%s reason=out of stock", name)
            return JSONResponse(dict(reserved.body), reserved.status)
        amount = round(float(str(reserved.body["price"])) * order["quantity"], 2)
        return await self._pay(order, amount)

    async def _pay(self, order: Order, amount: float) -> JSONResponse:
        name = order["order"]
        try:
            charged = await self._charge(name, amount)
        except PeerError as error:
            late = isinstance(error, PeerTimeoutError)
            log.exception("charge %s order=%s", "timed out" if late else "failed", name)
            await self._release(order)
            status = HTTPStatus.GATEWAY_TIMEOUT if late else HTTPStatus.BAD_GATEWAY
            return JSONResponse({"error": "payment did not answer"}, status)
        if not charged.ok:
            log.warning("order refused order=%s reason=payment declined", name)
            await self._release(order)
            return JSONResponse(dict(charged.body), charged.status)
        async with self._pool.connection() as database:
            await database.run(
                "INSERT OR IGNORE INTO orders VALUES (?, ?, ?)",
                name,
                amount,
                str(charged.body["charge"]),
            )
        log.info("order placed order=%s amount=%.2f", name, amount)
        return JSONResponse({"order": name, "amount": amount}, HTTPStatus.CREATED)

    async def _charge(self, name: str, amount: float) -> Answer:
        started = time.perf_counter()
        answer = await self._client.post(
            "payment", "/charges", {"order": name, "amount": amount}, within=CHARGE_WITHIN
        )
        seconds = time.perf_counter() - started
        if seconds > SLOW_CHARGE:
            log.warning("charge slow order=%s duration_ms=%d", name, seconds * 1000)
        return answer

    async def _release(self, order: Order) -> None:
        try:
            await self._client.post("inventory", "/releases", order, within=RESERVE_WITHIN)
        except PeerError as error:
            log.warning("stock not released order=%s reason=%s", order["order"], error)


@asynccontextmanager
async def opened(shop: Shop) -> AsyncGenerator[list[Route], None]:
    """Yield the routes of checkout over its own database."""
    path = shop.directory / "checkout.db"
    async with pooled(path, SCHEMA, size=2, telemetry=shop.telemetry) as pool:
        checkout = Checkout(pool, shop.client)
        yield [Route("/orders", checkout.place, methods=["POST"])]
