"""Plain requests to the agent that is checked: bounded, and nothing of an answer is mended."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import orjson

from weft.a2a.client.transport import MAX_ANSWER
from weft.a2a.server.http import VERSION_HEADER
from weft.core import JsonObject, JsonValue
from weft.core.protocol_errors import PeerUnavailableError

ONCE = 1024 * 64
NO_STATUS = 0
"""Of an answer that was cut short."""


@dataclass(frozen=True, slots=True)
class RawReply:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    whole: bool = True
    """False where it was longer than is read."""

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def value(self) -> JsonValue:
        """Return the JSON value of the body; None where it is no JSON."""
        try:
            parsed: JsonValue = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        return parsed

    def document(self) -> JsonObject:
        """Return the JSON object of the body; {} where it is none."""
        value = self.value()
        return value if isinstance(value, dict) else {}

    def events(self) -> list[JsonObject]:
        """Return the JSON objects of an event stream's data, in order."""
        events: list[JsonObject] = []
        for block in self.body.replace(b"\r", b"").split(b"\n\n"):
            lines = [line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")]
            if lines:
                events.append(RawReply(self.status, {}, b"\n".join(lines)).document())
        return events


class Exchange:
    """Speaks to one agent; `credential` are the headers that say who asks."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        credential: Mapping[str, str] | None = None,
        seconds: float = 60.0,
    ) -> None:
        self._session = session
        self._credential = dict(credential or {})
        self._seconds = seconds

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> RawReply:
        """Return what a GET answers.

        Raises:
            PeerUnavailableError: Nobody answers there.
        """
        return await self._request("GET", url, None, headers or {})

    async def post(
        self, url: str, body: bytes, *, version: str = "1.0", anonymous: bool = False
    ) -> RawReply:
        """Return what a POST of JSON answers, without the credential where `anonymous`.

        Raises:
            PeerUnavailableError: Nobody answers there.
        """
        headers = {
            "Content-Type": "application/json",
            "Connection": "close",
            VERSION_HEADER: version,
        }
        return await self._request(
            "POST", url, body, headers if anonymous else {**headers, **self._credential}
        )

    async def _request(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> RawReply:
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._session.request(
                    method, url, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                shown = {name.lower(): value for name, value in response.headers.items()}
                received, whole = await _read(response)
                return RawReply(response.status, shown, received, whole)
        except (aiohttp.ServerConnectionError, aiohttp.ClientPayloadError) as error:
            # Cut short: a fault of this one answer, which its check names.
            return RawReply(NO_STATUS, {"reason": type(error).__name__}, b"", whole=False)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise PeerUnavailableError(
                f"{url} does not answer ({type(error).__name__}) within {self._seconds:g} s"
            ) from error


async def _read(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    received = bytearray()
    async for chunk in response.content.iter_chunked(ONCE):
        received += chunk
        if len(received) > MAX_ANSWER:
            return bytes(received), False
    return bytes(received), True
