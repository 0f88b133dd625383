"""The demo shop as a target of the operator: restarted, scaled, switched and paged about over HTTP.

It answers as `docs/operating.md` says, behind a token of its own.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from deploy.demo.fleet import PEERS, service_running
from deploy.demo.fronts import Front, front_open

FLAGS: Mapping[str, tuple[str, ...]] = {"payment": ("fraud_scoring",)}
MOST_REPLICAS = 3
PEOPLE = ("on-call",)
_SWITCH_WITHIN = aiohttp.ClientTimeout(total=20)
"""A service that blocks its event loop answers late."""


@dataclass(slots=True)
class _Process:
    url: str
    started_at: float
    stack: AsyncExitStack


@dataclass(slots=True)
class _Service:
    name: str
    directory: Path
    peers: Mapping[str, str]
    front: Front
    flags: dict[str, tuple[bool, float | None]]
    """Whether each is on, and since when."""
    processes: list[_Process] = field(default_factory=list)

    async def start_one(self) -> None:
        """Start one more process; it gets the flags as they are before anybody reaches it."""
        stack = AsyncExitStack()
        began = time.time()
        url = await stack.enter_async_context(
            service_running(self.name, self.directory, self.peers)
        )
        self.processes.append(_Process(url, began, stack))
        await _switch(url, {name: on for name, (on, _) in self.flags.items()})
        self.front.behind = [process.url for process in self.processes]

    async def stop_one(self, process: _Process) -> None:
        self.processes.remove(process)
        self.front.behind = [each.url for each in self.processes]
        await process.stack.aclose()

    async def restart(self) -> None:
        """Replace every process by a new one; the new ones take over first."""
        for old in tuple(self.processes):
            await self.start_one()
            await self.stop_one(old)

    async def scale(self, replicas: int) -> None:
        while len(self.processes) < replicas:
            await self.start_one()
        while len(self.processes) > replicas:
            await self.stop_one(self.processes[-1])

    async def set_flag(self, flag: str, *, on: bool) -> None:
        for process in self.processes:
            await _switch(process.url, {flag: on})
        self.flags[flag] = (on, time.time())

    def shown(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "replicas": len(self.processes),
            "most_replicas": MOST_REPLICAS,
            "can_restart": True,
            "started_at": max((each.started_at for each in self.processes), default=None),
            "flags": [
                {"name": name, "on": on, "changed_at": since}
                for name, (on, since) in self.flags.items()
            ],
        }


async def _switch(url: str, flags: Mapping[str, bool]) -> None:
    if not flags:
        return
    async with (
        aiohttp.ClientSession(timeout=_SWITCH_WITHIN) as session,
        session.put(f"{url}/admin/flags", json=flags) as answer,
    ):
        answer.raise_for_status()


class _RefusedError(Exception):
    """An operation that was not begun, and why."""


@dataclass(slots=True)
class OperatedShop:
    """The shop at work, and where it is operated."""

    services: dict[str, _Service]
    directory: Path
    token_file: Path
    url: str = ""
    """Of its control."""
    operations: dict[str, str] = field(default_factory=dict)
    """What became of each, by its key."""
    pages: list[str] = field(default_factory=list)
    _token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    _acting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def urls(self) -> Mapping[str, str]:
        """Base URLs by service; they stay when its processes change."""
        return {name: service.front.url for name, service in self.services.items()}

    async def switch(self, flag: str, *, on: bool) -> None:
        """Turn a flag as the shop's own people do."""
        for name, flags in FLAGS.items():
            if flag in flags:
                await self.services[name].set_flag(flag, on=on)

    def application(self) -> web.Application:
        self.token_file.write_text(self._token)
        self.token_file.chmod(0o600)
        app = web.Application(middlewares=[self._guarded])
        app.router.add_get("/state", self._state)
        app.router.add_post("/operations", self._operation)
        app.router.add_get("/operations/{key}", self._outcome)
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:  # noqa: ANN401 - aiohttp's
        told = request.headers.get("authorization", "")
        if not secrets.compare_digest(told.encode(), f"Bearer {self._token}".encode()):
            return web.json_response({"error": "a token is needed"}, status=401)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _state(self, _: web.Request) -> web.Response:
        services = [service.shown() for service in self.services.values()]
        return web.json_response(
            {"name": "the demo shop", "services": services, "people": [*PEOPLE]}
        )

    async def _operation(self, request: web.Request) -> web.Response:
        body = await request.json()
        async with self._acting:
            key = str(body["key"])
            if key not in self.operations:
                try:
                    await self._carried_out(key, body)
                except _RefusedError as error:
                    return web.json_response({"error": str(error)}, status=409)
        return web.json_response({"status": self.operations[key]})

    async def _outcome(self, request: web.Request) -> web.Response:
        async with self._acting:
            status = self.operations.get(request.match_info["key"], "not_done")
        return web.json_response({"status": status})

    async def _carried_out(self, key: str, body: Mapping[str, Any]) -> None:
        kind = body.get("kind")
        service = self.services.get(str(body.get("service")))
        if kind != "page_person" and service is None:
            raise _RefusedError(f"the shop has no service {body.get('service')!r}")
        match kind:
            case "restart_service" if service:
                step = service.restart()
            case "scale_service" if service and 1 <= int(body["replicas"]) <= MOST_REPLICAS:
                step = service.scale(int(body["replicas"]))
            case "set_flag" if service and body.get("flag") in service.flags:
                step = service.set_flag(str(body["flag"]), on=body["on"] is True)
            case "page_person" if body.get("who") in PEOPLE:
                step = self._page(str(body.get("message")))
            case _:
                raise _RefusedError("the shop cannot do that")
        # Whoever asks while it is under way, or after it failed halfway, hears that nobody knows.
        self.operations[key] = "unknown"
        await step
        self.operations[key] = "done"

    async def _page(self, message: str) -> None:
        self.pages.append(message)
        line = json.dumps({"at": time.time(), "who": PEOPLE[0], "message": message})
        with (self.directory / "pages.jsonl").open("a", encoding="utf-8") as pages:
            pages.write(f"{line}\n")


@asynccontextmanager
async def operated_shop(
    directory: Path, *, scoring: str | None = None
) -> AsyncGenerator[OperatedShop, None]:
    """Yield the shop, open, with a control; data, telemetry and its token go to `directory`.

    Raises:
        RuntimeError: a service did not come up.
    """
    async with AsyncExitStack() as stack:
        shop = OperatedShop({}, directory, directory / "control.token")
        stack.push_async_callback(_closed, shop)
        fronts = {name: await stack.enter_async_context(front_open()) for name in PEERS}
        for name, peers in PEERS.items():
            urls = {peer: fronts[peer].url for peer in peers if peer in fronts}
            if scoring and "scoring" in peers:
                urls["scoring"] = scoring
            flags: dict[str, tuple[bool, float | None]] = dict.fromkeys(
                FLAGS.get(name, ()), (False, None)
            )
            shop.services[name] = _Service(name, directory, urls, fronts[name], flags)
            await shop.services[name].start_one()
        runner = web.AppRunner(shop.application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        shop.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield shop


async def _closed(shop: OperatedShop) -> None:
    for service in shop.services.values():
        for process in tuple(service.processes):
            await service.stop_one(process)
