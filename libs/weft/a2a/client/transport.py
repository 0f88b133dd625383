"""JSON-RPC calls to one peer over a shared session: bounded, deadlined, never repeated here."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import aiohttp

from weft.core import JsonObject
from weft.core.errors import DeadlineExceededError
from weft.core.numbers import whole_number
from weft.core.protocol_errors import (
    AnswerLostError,
    InvalidPeerAnswerError,
    PeerRefusedError,
    PeerUnavailableError,
    UnexpectedStatusError,
)
from weft.core.storable import received

T = TypeVar("T")

CONNECT_SECONDS = 2.0
OK = 200
IDLE_SECONDS = 45.0
STREAMS = frozenset({"SendStreamingMessage", "SubscribeToTask"})
"""A server keeps these alive, so their silence means something; other calls may take long."""
PATIENT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=IDLE_SECONDS)
MAX_ANSWER = 8 * 1024 * 1024
MAX_STREAM = 8 * MAX_ANSWER
"""A stream tells how an answer came about, which may be longer than the answer."""
MAX_EVENT = 1024 * 1024
MAX_RETRY_AFTER = 60.0
_REFUSALS_FOR_NOW = frozenset({429, 503})
_LOST_ON_THE_WAY = frozenset({502, 504})
"""What something between says of an answer that did not come: the peer may have taken the call."""


def open_session(*, connections: int = 256) -> aiohttp.ClientSession:
    """Return a session for all peers: no cookies, no proxies, no redirects followed by its users."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ttl_dns_cache=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=TIMEOUT,
    )


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of a stream: its number, where it has one, and the JSON-RPC result in it."""

    number: int | None
    result: JsonObject
    size: int


class Outgoing(NamedTuple):
    """One call as it is sent, and how its answer is read."""

    url: str
    body: bytes | None
    headers: Mapping[str, str]
    streams: bool = False
    """Silence of the answer means something."""
    verb: str = "POST"
    read: "Callable[[bytes], JsonObject] | None" = None
    """Returns the result that an answer, or an event of one, holds; None is JSON-RPC's."""
    most: int = MAX_ANSWER


class OpenReply:
    """An open answer, read piece by piece; `close` it."""

    def __init__(self, response: aiohttp.ClientResponse, call: Outgoing) -> None:
        self._response = response
        self._read = call.read or rpc_result
        self._most = call.most
        self._watched = call.streams
        self._held: JsonObject | None = None
        self._unread = bytearray()
        self._size = 0
        self.streamed = response.content_type == "text/event-stream"

    async def frames(self, until: float) -> list[Frame] | None:
        """Return the next complete events, perhaps none, or None at the end of the stream.

        `until` is a time of the running loop.

        Raises:
            AnswerLostError: The stream broke, or was silent for too long.
            InvalidPeerAnswerError: It is over the limits, or no stream of the protocol.
            PeerRefusedError: It holds an error.
            DeadlineExceededError: It is past `until`.
        """
        chunk = await self._chunk(until)
        if not chunk:
            return None
        # A carriage return never stands raw in JSON, so leaving all out only ends lines alike.
        start = max(len(self._unread) - 1, 0)
        self._unread += chunk.replace(b"\r", b"")
        frames: list[Frame] = []
        while (end := self._unread.find(b"\n\n", start)) >= 0:
            if end > MAX_EVENT:
                raise InvalidPeerAnswerError(f"the peer sent an event over {MAX_EVENT} bytes")
            if (frame := _frame(bytes(self._unread[:end]), self._read)) is not None:
                frames.append(frame)
            del self._unread[: end + 2]
            start = 0
        if len(self._unread) > MAX_EVENT:
            raise InvalidPeerAnswerError(f"the peer sent an event over {MAX_EVENT} bytes")
        return frames

    async def hold(self, until: float) -> None:
        """Read an answer that is no stream, so that a refusal is known; raises what `frames` raises."""
        if not self.streamed:
            self._held = await self.result(until)

    async def result(self, until: float) -> JsonObject:
        """Return the whole answer's result; raises what `frames` raises."""
        if self._held is not None:
            return self._held
        chunks: list[bytes] = []
        while chunk := await self._chunk(until):
            chunks.append(chunk)
        return self._read(b"".join(chunks))

    def close(self) -> None:
        """Let go of the connection; one that was not read to its end is not used again."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()

    async def _chunk(self, until: float) -> bytes:
        content = self._response.content
        try:
            # What has come needs no timer: a short answer is there as a whole.
            chunk = content.read_nowait()
            if not chunk and not content.at_eof():
                chunk = await _awaited(content.readany(), until, watched=self._watched)
        except (aiohttp.ClientError, OSError) as error:
            raise AnswerLostError("the connection to the peer broke") from error
        self._size += len(chunk)
        limit = MAX_STREAM if self.streamed else self._most
        if self._size > limit:
            raise InvalidPeerAnswerError(f"the peer's answer is over {limit} bytes")
        return chunk


async def _awaited(answer: Awaitable[T], until: float, *, watched: bool) -> T:
    """Return what a peer is waited for, until the deadline, and `IDLE_SECONDS` where it is watched.

    One timer serves both; the HTTP client's own is set anew with everything that comes.

    Raises:
        AnswerLostError: It fell silent.
        DeadlineExceededError: It is past `until`.
    """
    silent = asyncio.get_running_loop().time() + IDLE_SECONDS if watched else math.inf
    timer = asyncio.timeout_at(min(until, silent))
    try:
        async with timer:
            return await answer
    except TimeoutError as error:
        if not timer.expired():
            raise
        if silent < until:
            raise AnswerLostError("the peer fell silent") from error
        raise DeadlineExceededError("the peer did not answer in time") from error


async def get_bounded(
    session: aiohttp.ClientSession,
    url: str,
    *,
    most: int,
    within: float,
    params: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Return status and body of what is served at `url`; of one over `most` bytes, some more.

    Raises:
        aiohttp.ClientError, OSError, TimeoutError: It cannot be fetched within so many seconds.
    """
    headers = {"Accept-Encoding": "identity"}
    async with (
        asyncio.timeout(within),
        session.get(url, params=params, headers=headers, allow_redirects=False) as response,
    ):
        return response.status, await _bounded(response, most)


async def get_marked(
    session: aiohttp.ClientSession, url: str, *, most: int, within: float, etag: str | None
) -> tuple[int, Mapping[str, str], bytes]:
    """Return the same with the answer's headers; what is still marked `etag` need not be sent again."""
    headers = {"Accept-Encoding": "identity", "Accept": "application/json"}
    if etag is not None:
        headers["If-None-Match"] = etag
    async with (
        asyncio.timeout(within),
        session.get(url, headers=headers, allow_redirects=False) as response,
    ):
        return response.status, response.headers, await _bounded(response, most)


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes:
    if response.status != OK:
        return b""
    body = await response.content.read(most + 1)
    while len(body) <= most and (more := await response.content.readany()):
        body += more
    return body


async def send(session: aiohttp.ClientSession, call: Outgoing, *, until: float) -> OpenReply:
    """Send one call and return its answer, unread.

    Raises:
        PeerUnavailableError: It was not taken: nobody listens, or the peer refuses for now.
        AnswerLostError: It may have been taken.
        PeerRefusedError: It was refused for good.
        UnexpectedStatusError: It was answered outside the protocol.
        DeadlineExceededError: It is past `until`.
    """
    try:
        sent = session.request(
            call.verb,
            call.url,
            data=call.body,
            headers=call.headers,
            allow_redirects=False,
            timeout=PATIENT,
        )
        response = await _awaited(sent, until, watched=call.streams)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise PeerUnavailableError("the peer cannot be reached") from error
    except (aiohttp.ClientError, OSError) as error:
        raise AnswerLostError("the connection to the peer broke") from error
    answer = OpenReply(response, call)
    if response.status == OK:
        return answer
    try:
        await _refused(response, answer, until)
    finally:
        answer.close()
    raise UnexpectedStatusError(response.status)


async def _refused(response: aiohttp.ClientResponse, answer: OpenReply, until: float) -> None:
    if response.status in _REFUSALS_FOR_NOW:
        raise PeerUnavailableError(
            f"the peer refuses for now (HTTP {response.status})",
            retry_after=_seconds(response.headers.get("Retry-After", "")),
        )
    if response.status in _LOST_ON_THE_WAY:
        raise AnswerLostError(f"the peer's answer was lost on its way (HTTP {response.status})")
    if response.content_type in ("application/json", "application/a2a+json"):
        await answer.result(until)


def _frame(block: bytes, read: Callable[[bytes], JsonObject]) -> Frame | None:
    number: int | None = None
    data: list[bytes] = []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"id":
            number = whole_number(value.decode("latin-1"), least=0, most=2**53) or number
    if not data:
        return None
    return Frame(number, read(b"\n".join(data)), len(block))


def object_of(text: bytes) -> JsonObject:
    """Return the object that a peer sent.

    Raises:
        InvalidPeerAnswerError: It is none.
    """
    try:
        # Here a peer's words become values: from here on every database can keep them.
        value = received(text)
    except ValueError as error:
        raise InvalidPeerAnswerError("the peer's answer is not JSON") from error
    if not isinstance(value, dict):
        raise InvalidPeerAnswerError("the peer's answer is no object")
    return value


def rpc_result(text: bytes) -> JsonObject:
    """Return the result of a JSON-RPC answer.

    Raises:
        InvalidPeerAnswerError: It is none.
        PeerRefusedError: It is an error.
    """
    value = object_of(text)
    if isinstance(refused := value.get("error"), dict):
        raise _refusal(refused)
    result = value.get("result")
    if not isinstance(result, dict):
        raise InvalidPeerAnswerError("the peer's answer has neither result nor error")
    return result


def _refusal(error: JsonObject) -> PeerRefusedError:
    code = error.get("code")
    data = error.get("data")
    infos = [info for info in data if isinstance(info, dict)] if isinstance(data, list) else []
    entries = [info["metadata"] for info in infos if isinstance(info.get("metadata"), dict)]
    own = next(
        (str(entry["code"]) for entry in entries if isinstance(entry, dict) and "code" in entry), ""
    )
    return PeerRefusedError(
        f"the peer refused: {str(error.get('message', ''))[:200]}",
        rpc_code=code if isinstance(code, int) else None,
        peer_code=own,
    )


def _seconds(text: str) -> float | None:
    return min(float(text), MAX_RETRY_AFTER) if text.isascii() and text.isdigit() else None
