"""The gateway as the CLI calls it: submits a run and follows it through broken connections."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import aiohttp
from pydantic import ValidationError
from yarl import URL

from weft.cli.text import printable
from weft.core import JsonObject, JsonValue, loads_object, new_id
from weft.core.errors import WeftError
from weft.core.private_files import read_file
from weft.events import TERMINAL_EVENTS, Envelope
from weft.local.credentials import CREDENTIALS, Credentials

RETRY_SECONDS = 30.0
"""How long a gateway may be away before a run that it accepted is given up."""
FIRST_SECONDS = 1.0
"""The same for a gateway that was never heard of."""
PAUSE_SECONDS = 0.2
LINE_BYTES = 8 * 1024 * 1024
_REFUSED = 300
"""A gateway sends nobody elsewhere: a redirection is no answer of one."""
_NO_CONTENT = 204
_AWAY = frozenset({429, 502, 503, 504})


class UnreachableError(WeftError):
    """The gateway does not answer, or refused the request."""

    code = "unreachable"


class RefusedError(UnreachableError):
    """The gateway refused the request; `status` says how."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"the gateway refused ({status}): {words}")
        self.status = status


class _AwayError(RefusedError):
    """It answers that it cannot now: a restart, an overload."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A connection to the front door."""

    session: aiohttp.ClientSession
    url: str
    patience: float = RETRY_SECONDS
    """Seconds of absence in a row that a run under way is worth."""

    async def submit(self, body: JsonObject) -> JsonObject:
        """Return the accepted run; sent again under one key, it is the same run."""
        headers = {"idempotency-key": new_id()}
        return await self._call(
            "POST", "/v1/runs", body=body, headers=headers, patience=FIRST_SECONDS
        )

    async def explain(self, body: JsonObject) -> JsonObject:
        """Return how a request would be routed; nothing is run."""
        return await self._call("POST", "/v1/explain", body=body, patience=FIRST_SECONDS)

    async def get(self, *place: str, **query: str) -> JsonObject:
        """Return what stands at `/v1/<place>`; its parts may hold anything."""
        path = "/v1/" + "/".join(quote(part, safe="") for part in place)
        conditions = f"?{urlencode(query)}" if query else ""
        return await self._call("GET", path + conditions, patience=FIRST_SECONDS)

    async def transcript(self, thread_id: str, *, subject: str | None = None) -> JsonObject:
        """Return the thread with what was said in it; of another `subject` for an administrator."""
        whose = "" if subject is None else f"?{urlencode({'subject': subject})}"
        path = f"/threads/{quote(thread_id, safe='')}{whose}"
        return await self._call("GET", path, patience=FIRST_SECONDS)

    async def delete(self, *place: str, **query: str) -> JsonObject:
        """Delete what stands there, as `get` names it."""
        path = "/v1/" + "/".join(quote(part, safe="") for part in place)
        return await self._call("DELETE", f"{path}?{urlencode(query)}", patience=FIRST_SECONDS)

    async def run(self, run_id: str) -> JsonObject:
        return await self._call("GET", f"/v1/runs/{run_id}")

    async def resume(self, run_id: str, responses: list[JsonValue]) -> JsonObject:
        """Answer what the run waits for; the same answer again changes nothing."""
        body: JsonObject = {"responses": responses, "partial": True}
        return await self._call("POST", f"/v1/runs/{run_id}/resume", body=body)

    async def cancel(self, run_id: str, *, reason: str) -> JsonObject:
        return await self._call("POST", f"/v1/runs/{run_id}/cancel", body={"reason": reason})

    async def rate(self, run_id: str, *, rating: str) -> JsonObject:
        path = f"/v1/runs/{quote(run_id, safe='')}/rating"
        return await self._call("POST", path, body={"rating": rating})

    async def events(self, run_id: str) -> AsyncGenerator[Envelope, None]:
        """Yield the run's events, each once, reconnecting while the gateway is not away too long.

        Raises:
            UnreachableError: It stays away, or refuses.
        """
        loop = asyncio.get_running_loop()
        last = 0
        lost_at: float | None = None
        while True:
            cause: Exception | None = None
            try:
                async with self._stream(run_id, last) as answer:
                    if answer.status == _NO_CONTENT:
                        return
                    async for line in answer.content:
                        event = _envelope(line)
                        if event is not None or line.startswith(b":"):
                            lost_at = None
                        if event is not None and event.seq > last:
                            last = event.seq
                            yield event
                            if event.type in TERMINAL_EVENTS:
                                return
            except (aiohttp.ClientError, TimeoutError, OSError, _AwayError) as error:
                cause = error
            except ValueError as error:
                raise UnreachableError(f"what answers at {self.url} sends no events") from error
            lost_at = loop.time() if lost_at is None else lost_at
            if loop.time() - lost_at > self.patience:
                raise UnreachableError(f"lost the gateway at {self.url}") from cause
            await asyncio.sleep(PAUSE_SECONDS)

    @asynccontextmanager
    async def _stream(self, run_id: str, last: int) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"accept": "text/event-stream"}
        if last:
            headers["last-event-id"] = str(last)
        # Silence is bounded by the server's heartbeat, not by the length of the run.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=45)
        address = f"{self.url}/v1/runs/{run_id}/stream"
        async with self.session.get(
            address, headers=headers, timeout=timeout, allow_redirects=False
        ) as answer:
            await _check(answer)
            yield answer

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: JsonObject | None = None,
        headers: dict[str, str] | None = None,
        patience: float | None = None,
    ) -> JsonObject:
        """Call until it answers, for `patience` seconds; None is as long as a run is worth."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (self.patience if patience is None else patience)
        while True:
            try:
                async with self.session.request(
                    method,
                    URL(self.url + path, encoded=True),
                    json=body,
                    headers=headers,
                    allow_redirects=False,
                ) as answer:
                    await _check(answer)
                    return loads_object(await answer.read())
            except ValueError as error:
                raise UnreachableError(f"no gateway of a mesh answers at {self.url}") from error
            except (aiohttp.ClientError, TimeoutError) as error:
                if loop.time() > until:
                    raise UnreachableError(
                        f"no gateway answers at {self.url}: start the mesh with `weft up`"
                    ) from error
            except _AwayError:
                if loop.time() > until:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def gateway(
    credentials: Credentials, *, patience: float = RETRY_SECONDS
) -> AsyncIterator[Gateway]:
    """Yield a connection to the front door."""
    async with aiohttp.ClientSession(
        headers={"authorization": f"Bearer {credentials.key}"},
        timeout=aiohttp.ClientTimeout(total=60, sock_connect=2),
        connector=aiohttp.TCPConnector(limit=100),
        # An event is one line, and a line must fit the buffer.
        read_bufsize=LINE_BYTES // 2,
        trust_env=False,
    ) as session:
        yield Gateway(session, credentials.url.rstrip("/"), patience)


def read_credentials(home: Path, *, url: str | None, key: str | None) -> Credentials:
    """Return what was given, or what `weft up` wrote: never the key of one and the place of another.

    Raises:
        UnreachableError: Neither says where the mesh is, or there is no key for that place.
    """
    if url and key:
        return Credentials(url=url, key=key)
    stored = _stored(home)
    if stored is None:
        raise UnreachableError(
            f"no mesh was started in {home}: run `weft up` first, or give --url and --key"
        )
    # A key goes to the server it is for, and to no other, whoever wrote that file.
    if key and key != stored.key:
        raise UnreachableError("say which server this key is for: give --url too")
    if url and url.rstrip("/") != stored.url.rstrip("/"):
        raise UnreachableError(f"the key in {home} is not for {url}: give its own with --key")
    return stored


def _stored(home: Path) -> Credentials | None:
    try:
        return Credentials.model_validate_json(read_file(home / CREDENTIALS))
    except (OSError, ValidationError):
        return None


def _envelope(line: bytes) -> Envelope | None:
    """Return the event in a line of the stream; others speak of the connection, not of the run."""
    if not line.startswith(b"data:"):
        return None
    try:
        return Envelope.model_validate_json(line[5:])
    except ValidationError:
        return None


async def _check(answer: aiohttp.ClientResponse) -> None:
    """Return if the gateway did what it was asked.

    Raises:
        UnreachableError: It refused.
    """
    if answer.status < _REFUSED:
        return
    try:
        detail = loads_object(await answer.read()).get("detail")
    except ValueError:
        detail = None
    kind = _AwayError if answer.status in _AWAY else RefusedError
    raise kind(answer.status, printable(str(detail or answer.reason)))
