"""A server that speaks the chat completions wire format and answers from a script.

`python -m weft.testing.openai_server SCRIPT` serves a JSON file: a list of replies, or of texts.
"""

import argparse
import asyncio
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import anyio
from pydantic import TypeAdapter

from weft.core import JsonObject, JsonValue, dumps, loads
from weft.testing.openai_checks import problems
from weft.testing.openai_payloads import completion, pieces
from weft.testing.openai_script import Matching, Script, WireReply, masked

MODELS = ("gpt-4o", "scripted")
_MAX_HEAD, _MAX_BODY = 64 * 1024, 32 * 1024 * 1024
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it arrived, its key masked."""

    method: str
    path: str
    headers: dict[str, str]
    body: JsonObject
    has_key: bool


class ScriptedOpenAIServer:
    """Serves on a loopback port while entered; `base_url` is what a client is given."""

    def __init__(self, script: Sequence[str | WireReply | Matching] = (), *, port: int = 0) -> None:
        self.script = Script(list(script))
        self.requests: list[RecordedRequest] = []
        self.connections = 0
        self.abandoned = anyio.Event()
        """Set when a client closed its connection before its answer was complete."""
        self.go = anyio.Event()
        """Set by a test for the rest of a stream that waits."""
        self._port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        return self._port

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", self._port, limit=_MAX_HEAD
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def serve_forever(self) -> None:
        if self._server is not None:
            await self._server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            while (request := await _read(reader)) is not None:
                if not await self._answer(request, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.abandoned.set()
        except asyncio.CancelledError:
            # The server is closing: nobody awaits this task's end but `__aexit__`.
            pass
        finally:
            writer.close()

    async def _answer(
        self, request: RecordedRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; return whether the connection may go on."""
        self.requests.append(request)
        plain = _without_script(request)
        if plain is not None:
            return await _send(writer, *plain)
        reply = self.script.next(request.body) or _EXHAUSTED
        await anyio.sleep(reply.delay)
        if reply.fault == "reset":
            return _reset(writer)
        if reply.status == 200 and request.body.get("stream"):
            return await self._stream(request.body, reply, reader, writer)
        if reply.fault == "silence":
            return await self._fall_silent(reader)
        return await _send(writer, reply.status, _whole(request.body, reply), reply.headers)

    async def _stream(
        self,
        body: JsonObject,
        reply: WireReply,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        writer.write(
            _head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        )
        for at, piece in enumerate(pieces(body, reply)):
            if reply.waits and at == reply.after:
                await self.go.wait()
            if reply.fault is not None and at >= reply.after:
                return await self._break_off(reply, reader, writer)
            _write_event(writer, dumps(piece))
            await writer.drain()
        _write_event(writer, b"[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _break_off(
        self, reply: WireReply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if reply.fault == "silence":
            return await self._fall_silent(reader)
        if reply.fault == "malformed":
            _write_event(writer, b'{"id": "chatcmpl-cut", "choi')
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return False

    async def _fall_silent(self, reader: asyncio.StreamReader) -> bool:
        if not await reader.read(1):
            self.abandoned.set()
        return False


async def _read(reader: asyncio.StreamReader) -> RecordedRequest | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    length = min(int(headers.get("content-length", "0")), _MAX_BODY)
    raw = await reader.readexactly(length) if length else b"{}"
    try:
        body = loads(raw)
    except ValueError:
        body = None
    kept: Any = body if isinstance(body, dict) else {"": body}
    key = headers.get("authorization", "").removeprefix("Bearer ") or headers.get("api-key")
    return RecordedRequest(method, urlsplit(path).path, masked(headers), kept, bool(key))


def _without_script(request: RecordedRequest) -> tuple[int, JsonObject] | None:
    """Return the answer to what is no proper completion request."""
    refused = _refusal(request)
    if refused is not None:
        return refused[0], {"error": refused[1]}
    if request.method != "GET":
        return None
    listed: list[JsonValue] = [{"id": name, "object": "model"} for name in MODELS]
    return 200, {"object": "list", "data": listed}


def _whole(body: JsonObject, reply: WireReply) -> JsonObject:
    if reply.status == 200:
        return completion(body, reply)
    return {"error": reply.error or _error("scripted failure", code=None)}


def _refusal(request: RecordedRequest) -> tuple[int, JsonObject] | None:
    if not request.has_key:
        return 401, _error("you did not provide an API key", code="invalid_api_key")
    if request.method == "GET" and request.path.endswith("/models"):
        return None
    if request.method != "POST" or not request.path.endswith("/chat/completions"):
        return 404, _error(f"unknown path {request.path}", code="unknown_url")
    body = {**request.body}
    if "/deployments/" in request.path:
        body.setdefault("model", request.path.split("/deployments/")[1].split("/")[0])
    wrong = next(iter(problems(body)), None)
    if wrong is None:
        return None
    return 400, {**_error(f"{wrong[0]}: {wrong[1]}", code=None), "param": wrong[0]}


def _error(message: str, *, code: str | None) -> JsonObject:
    return {"message": message, "type": "invalid_request_error", "param": None, "code": code}


_EXHAUSTED = WireReply(
    status=400, error=_error("the script has no reply left", code="script_exhausted")
)


def _head(status: int, headers: dict[str, str]) -> bytes:
    first = f"HTTP/1.1 {status} {_REASONS.get(status, 'Scripted')}"
    lines = [first, *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _send(
    writer: asyncio.StreamWriter,
    status: int,
    body: JsonObject,
    headers: dict[str, str] | None = None,
) -> bool:
    text = dumps(body)
    described = {"content-type": "application/json", "x-request-id": "req_scripted"}
    writer.write(_head(status, {**described, **(headers or {}), "content-length": str(len(text))}))
    writer.write(text)
    await writer.drain()
    return True


def _reset(writer: asyncio.StreamWriter) -> bool:
    """Make closing send a reset instead of an orderly end."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


def _write_event(writer: asyncio.StreamWriter, data: bytes) -> None:
    event = b"data: " + data + b"\n\n"
    writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")


def read_script(path: Path) -> list[str | WireReply]:
    """Return the replies of a JSON file."""
    replies: TypeAdapter[list[str | WireReply]] = TypeAdapter(list[str | WireReply])
    return replies.validate_json(path.read_bytes())


async def _serve(script: Sequence[str | WireReply], port: int) -> None:
    async with ScriptedOpenAIServer(script, port=port) as server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        await server.serve_forever()


def main() -> None:
    """Serve a script until told to stop; the first line of output is the address."""
    parser = argparse.ArgumentParser(prog="python -m weft.testing.openai_server")
    parser.add_argument("script", type=Path, help="a JSON file: a list of replies or texts")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    arguments = parser.parse_args()
    anyio.run(_serve, read_script(arguments.script), arguments.port)


if __name__ == "__main__":
    main()
