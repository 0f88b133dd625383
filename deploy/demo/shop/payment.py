"""Payment: checks a charge for fraud and takes the money, once per order."""

import json
import logging
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TypedDict

from opentelemetry.trace import Tracer
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from deploy.demo.shop.database import Pool, pooled
from deploy.demo.shop.service import Shop

SCHEMA = "CREATE TABLE IF NOT EXISTS charges (order_id TEXT PRIMARY KEY, amount REAL, id TEXT)"
DECLINED_FROM = 0.9
LARGE_AMOUNT = 5000.0
ATTEMPTS = 3
PAUSE = 0.2
SLOW_CHECK = 0.5
"""Seconds from which a fraud check is worth a warning."""

log = logging.getLogger("payment")
fraud_log = logging.getLogger("payment.fraud")


class Charge(TypedDict):
    """Money to take for an order."""

    order: str
    amount: float


class FraudCheck:
    """Scores charges, by our own rules or (flag `fraud_scoring`) by the scoring provider."""

    def __init__(self, provider: str | None, tracer: Tracer) -> None:
        self._provider = provider
        self._tracer = tracer
        self.scoring = False

    async def score(self, charge: Charge) -> float:
        """Say how risky a charge is, from 0 to 1."""
        order = charge["order"]
        source = "provider" if self.scoring else "rules"
        with self._tracer.start_as_current_span("fraud.check", attributes={"source": source}):
            fraud_log.info("fraud check started order=%s source=%s", order, source)
            started = time.perf_counter()
            if self.scoring:
                score = await self._provider_score(charge)
            else:
                score = DECLINED_FROM if charge["amount"] > LARGE_AMOUNT else 0.1
            seconds = time.perf_counter() - started
            level = logging.WARNING if seconds > SLOW_CHECK else logging.INFO
            fraud_log.log(
                level,
                "fraud check finished order=%s score=%.2f duration_ms=%d",
                order,
                score,
                seconds * 1000,
            )
        return score

    async def _provider_score(self, charge: Charge) -> float:
        query = urllib.parse.urlencode(charge)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with urllib.request.urlopen(f"{self._provider}/score?{query}") as answer:
                    return float(json.load(answer)["score"])
            except Exception:
                fraud_log.info("fraud score retry order=%s attempt=%d", charge["order"], attempt)
                time.sleep(PAUSE)
        return 0.0


class Payment:
    """Takes charges."""

    def __init__(self, pool: Pool, fraud: FraudCheck) -> None:
        self._pool = pool
        self._fraud = fraud

    async def charge(self, request: Request) -> JSONResponse:
        charge: Charge = await request.json()
        order, amount = charge["order"], charge["amount"]
        log.info("charge requested order=%s amount=%.2f", order, amount)
        async with self._pool.connection() as database:
            score = await self._fraud.score(charge)
            if score >= DECLINED_FROM:
                log.warning("charge declined order=%s score=%.2f", order, score)
                return JSONResponse({"error": "declined"}, HTTPStatus.PAYMENT_REQUIRED)
            await database.run(
                "INSERT OR IGNORE INTO charges VALUES (?, ?, ?)", order, amount, f"c-{order}"
            )
        log.info("charge authorized order=%s amount=%.2f", order, amount)
        return JSONResponse({"charge": f"c-{order}"}, HTTPStatus.CREATED)

    async def flags(self, request: Request) -> JSONResponse:
        """Turn provider scoring on or off."""
        self._fraud.scoring = bool((await request.json())["fraud_scoring"])
        log.info("feature flag changed flag=fraud_scoring value=%s", self._fraud.scoring)
        return JSONResponse({"fraud_scoring": self._fraud.scoring})


@asynccontextmanager
async def opened(shop: Shop) -> AsyncGenerator[list[Route], None]:
    """Yield the routes of payment over its own database."""
    path = shop.directory / "payment.db"
    fraud = FraudCheck(shop.peers.get("scoring"), shop.telemetry.tracer)
    async with pooled(path, SCHEMA, size=2, telemetry=shop.telemetry) as pool:
        payment = Payment(pool, fraud)
        yield [
            Route("/charges", payment.charge, methods=["POST"]),
            Route("/admin/flags", payment.flags, methods=["PUT"]),
        ]
