"""A real Alertmanager that says the same again and again; where one is installed."""

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.libs.server.door import House
from tests.libs.server.sockets import served
from weft.local.ports import free_port

BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
pytestmark = pytest.mark.timeout(60)


class Deliveries:
    """Counts what comes to the webhook, and how it was answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.statuses: list[int] = []
        self.changed = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["path"] == "/v1/alerts":
                self.statuses.append(message["status"])
                self.changed.set()
            await send(message)

        await self._app(scope, receive, noting)

    async def wait(self, count: int) -> None:
        while len(self.statuses) < count:
            self.changed.clear()
            await self.changed.wait()


@asynccontextmanager
async def alertmanager(webhook: str, place: Path) -> AsyncIterator[str]:
    """Yield the URL of one that tells `webhook` of every group each second."""
    config = place / "alertmanager.yml"
    config.write_text(f"""
route: {{receiver: weft, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1s}}
receivers:
  - name: weft
    webhook_configs:
      - url: {webhook}
        http_config: {{authorization: {{credentials: ana}}}}
""")
    url = f"http://127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        str(BINARY),
        f"--config.file={config}",
        f"--storage.path={place / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
    )
    try:
        assert process.stderr is not None
        while b"Listening on" not in await process.stderr.readline():
            assert process.returncode is None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(process.stderr.read)
            yield url
            tasks.cancel_scope.cancel()
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.skipif(BINARY is None, reason="there is no Alertmanager: Debian has one")
@pytest.mark.requirement("DIAG-21")
@pytest.mark.parametrize("checkpointer", ["memory:"], indirect=True)
async def test_what_a_real_alertmanager_repeats_is_one_run(house: House, tmp_path: Path) -> None:
    deliveries = Deliveries(house.app)
    alert = {
        "labels": {"alertname": "SlowOrders", "service": "orders"},
        "annotations": {"summary": "p95 of orders is above 2 s"},
        "startsAt": datetime.now(tz=UTC).isoformat(),
    }

    async with (
        served(deliveries) as port,
        alertmanager(f"http://127.0.0.1:{port}/v1/alerts", tmp_path) as url,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        (await client.post(f"{url}/api/v2/alerts", json=[alert])).raise_for_status()
        with anyio.fail_after(40):
            await deliveries.wait(3)

    assert deliveries.statuses[:3] == [202, 200, 200]
    assert len(house.script.executed) == 1
    assert "SlowOrders" in house.script.executed[0]
