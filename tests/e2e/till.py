"""A small system in trouble, of our own making: its logs and traces, its runbooks, and its operation.

A till charges a bank; from 10:05 on the bank answers late, and charges fail.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

BEGAN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC).timestamp()
ALERT = "2026-03-02 10:05:00"
RUNBOOK = """# Disk
## Free a full disk
1. Find what is large with `du -xh /var | sort -h | tail`.
2. Vacuum the journal with `journalctl --vacuum-size=200M`.
"""


def write_case(place: Path) -> Path:
    """Write ten minutes of a till that sells, every four seconds; the last five go wrong."""
    lines, spans = [], []
    for number in range(150):
        at, late = BEGAN + 4 * number, number >= 75
        order = f"o-{number:04}"
        lines.append(line(at, "INFO", f"charge begun order={order}"))
        took = 2.0 if late else 0.01
        if late:
            lines.append(line(at + took, "ERROR", f"charge failed order={order}: bank timed out"))
        else:
            lines.append(line(at + took, "INFO", f"charge done order={order}"))
        spans += [span("till", order, at, took + 0.01), span("bank", order, at, took, "till")]
    (place / "logs").mkdir(parents=True)
    (place / "logs" / "till.jsonl").write_text("\n".join(lines))
    (place / "traces").mkdir()
    (place / "traces" / "traces.json").write_text(
        json.dumps({"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": []}, *spans]})
    )
    case = {"alert_time_utc": ALERT, "logs": ["till.jsonl"], "traces": ["traces.json"]}
    (place / "case.json").write_text(json.dumps({"case": "till", "system": "the shop", **case}))
    return place


def line(at: float, level: str, message: str) -> str:
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"timestamp": stamp, "level": level, "service": "till", "message": message})


def span(service: str, order: str, at: float, took: float, parent: str = "") -> dict[str, Any]:
    """Return a span in OTLP's JSON; a service has one for each order."""
    ids = {name: f"{name}{order}".encode().hex().ljust(16, "0")[:16] for name in ("till", "bank")}
    shown = {
        "traceId": order.encode().hex().ljust(32, "0"),
        "spanId": ids[service],
        "parentSpanId": ids.get(parent, ""),
        "name": f"POST /{service}",
        "kind": 2,
        "startTimeUnixNano": str(int(at * 1e9)),
        "endTimeUnixNano": str(int((at + took) * 1e9)),
        "status": {"code": 0},
    }
    named = [{"key": "service.name", "value": {"stringValue": service}}]
    return {"resource": {"attributes": named}, "scopeSpans": [{"spans": [shown]}]}


@dataclass
class Operated:
    """What the operator acts on: it writes down each operation, and does nothing else."""

    url: str = ""
    operations: dict[str, Any] = field(default_factory=dict)
    started_at: float = BEGAN

    async def state(self, _: web.Request) -> web.Response:
        bank = {"name": "bank", "can_restart": True, "started_at": self.started_at}
        return web.json_response({"name": "the shop", "services": [bank]})

    async def operate(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.operations[body["key"]] = body
        self.started_at += 60
        return web.json_response({"status": "done"})

    async def outcome(self, request: web.Request) -> web.Response:
        known = request.match_info["key"] in self.operations
        return web.json_response({"status": "done" if known else "not_done"})


@asynccontextmanager
async def operated() -> AsyncIterator[Operated]:
    shop, application = Operated(), web.Application()
    application.router.add_get("/state", shop.state)
    application.router.add_post("/operations", shop.operate)
    application.router.add_get("/operations/{key}", shop.outcome)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        shop.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield shop
    finally:
        await runner.cleanup()
