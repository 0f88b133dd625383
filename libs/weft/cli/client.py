"""The gateway as the CLI calls it: submits a run and follows it through broken connections."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from pydantic import ValidationError

from weft.core import JsonObject, Record, loads_object, new_id
from weft.core.errors import WeftError
from weft.events import TERMINAL_EVENTS, Envelope

RETRY_SECONDS = 30.0
_REFUSED = 400
_NO_CONTENT = 204


class Credentials(Record):
    """Where the gateway is, and the key for it."""

    url: str
    key: str


class UnreachableError(WeftError):
    """The gateway does not answer, or refused the request."""

    code = "unreachable"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A connection to the front door."""

    session: aiohttp.ClientSession
    url: str

    async def submit(self, body: JsonObject) -> JsonObject:
        """Return the accepted run; sent again under one key, it is the same run."""
        headers = {"idempotency-key": new_id()}
        return await self._call("POST", "/v1/runs", body=body, headers=headers)

    async def run(self, run_id: str) -> JsonObject:
        return await self._call("GET", f"/v1/runs/{run_id}")

    async def cancel(self, run_id: str, *, reason: str) -> JsonObject:
        return await self._call("POST", f"/v1/runs/{run_id}/cancel", body={"reason": reason})

    async def events(self, run_id: str) -> AsyncIterator[Envelope]:
        """Yield the run's events, each once, reconnecting for `RETRY_SECONDS` when cut off."""
        last = 0
        loop = asyncio.get_running_loop()
        give_up = loop.time() + RETRY_SECONDS
        while True:
            try:
                async for event in self._stream(run_id, last):
                    last = event.seq
                    give_up = loop.time() + RETRY_SECONDS
                    yield event
                    if event.type in TERMINAL_EVENTS:
                        return
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if loop.time() > give_up:
                    raise UnreachableError(f"lost the gateway at {self.url}") from error
            await asyncio.sleep(0.2)

    async def _stream(self, run_id: str, last: int) -> AsyncIterator[Envelope]:
        headers = {"accept": "text/event-stream"}
        if last:
            headers["last-event-id"] = str(last)
        # Silence is bounded by the server's heartbeat, not by the length of the run.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=45)
        address = f"{self.url}/v1/runs/{run_id}/stream"
        async with self.session.get(address, headers=headers, timeout=timeout) as answer:
            if answer.status == _NO_CONTENT:
                return
            if answer.status >= _REFUSED:
                raise await _refusal(answer)
            async for line in answer.content:
                if line.startswith(b"data:"):
                    event = _envelope(line[5:])
                    if event is not None:
                        yield event

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: JsonObject | None = None,
        headers: dict[str, str] | None = None,
    ) -> JsonObject:
        for attempt in range(3):
            try:
                async with self.session.request(
                    method, self.url + path, json=body, headers=headers
                ) as answer:
                    if answer.status >= _REFUSED:
                        raise await _refusal(answer)
                    return loads_object(await answer.read())
            except (aiohttp.ClientError, TimeoutError) as error:
                if attempt == 2:  # noqa: PLR2004 - the last of three
                    raise UnreachableError(
                        f"no gateway answers at {self.url}: start the mesh with `weft up`"
                    ) from error
                await asyncio.sleep(0.2 * (attempt + 1))
        raise AssertionError("unreachable")


@asynccontextmanager
async def gateway(credentials: Credentials) -> AsyncIterator[Gateway]:
    """Yield a connection to the front door."""
    async with aiohttp.ClientSession(
        headers={"authorization": f"Bearer {credentials.key}"},
        timeout=aiohttp.ClientTimeout(total=60, sock_connect=2),
        connector=aiohttp.TCPConnector(limit=100),
        trust_env=False,
    ) as session:
        yield Gateway(session, credentials.url.rstrip("/"))


def read_credentials(home: Path, *, url: str | None, key: str | None) -> Credentials:
    """Return what was given, completed by what `weft up` wrote.

    Raises:
        UnreachableError: Neither says where the mesh is.
    """
    if url and key:
        return Credentials(url=url, key=key)
    try:
        stored = Credentials.model_validate_json((home / "credentials.json").read_bytes())
    except (OSError, ValidationError) as error:
        raise UnreachableError(
            f"no mesh was started in {home}: run `weft up` first, or give --url and --key"
        ) from error
    return Credentials(url=url or stored.url, key=key or stored.key)


def _envelope(text: bytes) -> Envelope | None:
    try:
        return Envelope.model_validate_json(text)
    except ValidationError:
        # Frames that speak of the connection, not of the run.
        return None


async def _refusal(answer: aiohttp.ClientResponse) -> UnreachableError:
    try:
        detail = loads_object(await answer.read()).get("detail")
    except (ValueError, json.JSONDecodeError):
        detail = None
    return UnreachableError(f"the gateway refused ({answer.status}): {detail or answer.reason}")
