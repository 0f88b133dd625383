"""Speaks to the NATS server of a running mesh, as one of its users or as a stranger."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nats.aio.client import Client

from weft.bus.credentials import FOLDER
from weft.core import name_digest


def address(home: Path) -> str:
    listen = re.search(r'listen: "([^"]+)"', (home / "nats.conf").read_text())
    assert listen is not None
    return f"nats://{listen[1]}"


@asynccontextmanager
async def connected(
    home: Path, user: str | None, refusals: list[str] | None = None
) -> AsyncIterator[Client]:
    """Yield a connection; what NATS refuses is told to `refusals`."""

    async def told(error: Exception) -> None:
        if refusals is not None:
            refusals.append(str(error))

    stored = home / FOLDER / f"{user}.json"
    credential = json.loads(stored.read_text()) if user and stored.exists() else {}
    client = Client()
    try:
        await client.connect(
            address(home),
            user=credential.get("name"),
            password=credential.get("password"),
            inbox_prefix=f"_INBOX_{name_digest(user or 'stranger')}".encode(),
            allow_reconnect=False,
            error_cb=told,
        )
        yield client
    finally:
        await client.close()


def agents_key(service: str, instance: str) -> str:
    return f"$KV.weft_agents.{name_digest(service)}.{name_digest(instance)}"
