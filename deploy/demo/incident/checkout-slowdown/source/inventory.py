"""Inventory: what is in stock, and what is set aside for an order."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TypedDict

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from deploy.demo.shop.database import Pool, pooled
from deploy.demo.shop.service import Shop

SCHEMA = """
CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, price REAL, available INTEGER);
INSERT OR IGNORE INTO stock VALUES
    ('lamp', 39.9, 50000), ('chair', 119.0, 50000), ('desk', 349.0, 50000),
    ('shelf', 89.5, 50000), ('rug', 59.0, 50000);
"""
_TAKE = (
    "UPDATE stock SET available = available - ? WHERE sku = ? AND available >= ? RETURNING price"
)
_GIVE_BACK = "UPDATE stock SET available = available + ? WHERE sku = ?"

log = logging.getLogger("inventory")


class Reservation(TypedDict):
    """Some of one article, for one order."""

    order: str
    sku: str
    quantity: int


class Inventory:
    """Answers for the stock."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def stock(self, _: Request) -> JSONResponse:
        async with self._pool.connection() as database:
            rows = await database.run("SELECT sku, price, available FROM stock ORDER BY sku")
        log.info("stock listed articles=%d", len(rows))
        return JSONResponse(
            {
                "stock": [
                    {"sku": sku, "price": price, "available": left} for sku, price, left in rows
                ]
            }
        )

    async def reserve(self, request: Request) -> JSONResponse:
        wanted: Reservation = await request.json()
        quantity, sku, order = wanted["quantity"], wanted["sku"], wanted["order"]
        async with self._pool.connection() as database:
            prices = await database.run(_TAKE, quantity, sku, quantity)
        if not prices:
            log.warning("stock refused order=%s sku=%s quantity=%d", order, sku, quantity)
            return JSONResponse({"error": "out of stock"}, HTTPStatus.CONFLICT)
        log.info("stock reserved order=%s sku=%s quantity=%d", order, sku, quantity)
        return JSONResponse({"order": order, "price": prices[0][0]})

    async def release(self, request: Request) -> JSONResponse:
        held: Reservation = await request.json()
        async with self._pool.connection() as database:
            await database.run(_GIVE_BACK, held["quantity"], held["sku"])
        log.info(
            "stock released order=%s sku=%s quantity=%d",
            held["order"],
            held["sku"],
            held["quantity"],
        )
        return JSONResponse({"order": held["order"]})


@asynccontextmanager
async def opened(shop: Shop) -> AsyncGenerator[list[Route], None]:
    """Yield the routes of inventory over its own database."""
    path = shop.directory / "inventory.db"
    async with pooled(path, SCHEMA, size=2, telemetry=shop.telemetry) as pool:
        inventory = Inventory(pool)
        yield [
            Route("/stock", inventory.stock),
            Route("/reservations", inventory.reserve, methods=["POST"]),
            Route("/releases", inventory.release, methods=["POST"]),
        ]
