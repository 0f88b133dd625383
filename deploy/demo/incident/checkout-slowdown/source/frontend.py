"""Frontend: what customers reach; shows products and takes baskets to checkout."""

import logging
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from json import JSONDecodeError

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from deploy.demo.shop.service import Shop
from deploy.demo.shop.web import Client, PeerError, PeerTimeoutError

PRODUCTS_WITHIN = 1.0
CHECKOUT_WITHIN = 4.0
SLOW_CHECKOUT = 1.0
"""Seconds from which a checkout is worth a warning."""

log = logging.getLogger("frontend")


class Frontend:
    """Answers customers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def products(self, _: Request) -> JSONResponse:
        try:
            found = await self._client.get("inventory", "/stock", within=PRODUCTS_WITHIN)
        except PeerError:
            log.exception("products unavailable")
            return JSONResponse({"error": "try again"}, HTTPStatus.BAD_GATEWAY)
        log.info("products shown status=%d", found.status)
        return JSONResponse(dict(found.body), found.status)

    async def checkout(self, request: Request) -> JSONResponse:
        try:
            basket = await request.json()
            sku, quantity = str(basket["sku"]), int(basket["quantity"])
        except (JSONDecodeError, KeyError, TypeError, ValueError):
            return JSONResponse(
                {"error": "a basket has a sku and a quantity"}, HTTPStatus.BAD_REQUEST
            )
        order = f"o-{secrets.token_hex(4)}"
        log.info("checkout started order=%s sku=%s quantity=%d", order, sku, quantity)
        started = time.perf_counter()
        answer = await self._placed({"order": order, "sku": sku, "quantity": quantity})
        milliseconds = (time.perf_counter() - started) * 1000
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            level, outcome = logging.ERROR, "checkout failed"
        elif milliseconds > SLOW_CHECKOUT * 1000:
            level, outcome = logging.WARNING, "checkout slow"
        else:
            level, outcome = logging.INFO, "checkout finished"
        log.log(
            level,
            "%s order=%s status=%d duration_ms=%d",
            outcome,
            order,
            answer.status_code,
            milliseconds,
        )
        return answer

    async def _placed(self, order: dict[str, object]) -> JSONResponse:
        try:
            placed = await self._client.post("checkout", "/orders", order, within=CHECKOUT_WITHIN)
        except PeerTimeoutError:
            return JSONResponse({"error": "checkout timed out"}, HTTPStatus.GATEWAY_TIMEOUT)
        except PeerError:
            return JSONResponse({"error": "checkout unreachable"}, HTTPStatus.BAD_GATEWAY)
        return JSONResponse(dict(placed.body), placed.status)


@asynccontextmanager
async def opened(shop: Shop) -> AsyncGenerator[list[Route], None]:
    """Yield the routes of the frontend, which stores nothing."""
    frontend = Frontend(shop.client)
    yield [
        Route("/products", frontend.products),
        Route("/checkout", frontend.checkout, methods=["POST"]),
    ]
