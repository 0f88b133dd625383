"""Streams of task updates as the body of an HTTP response: server-sent events.

How one update becomes bytes is its binding's business, which brings a function for it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from starlette.types import Message, Receive, Send

from weft.a2a.server.updates import Update, Updates
from weft.core.errors import WeftError
from weft.events import Envelope

log = logging.getLogger(__name__)

COALESCE_SECONDS = 0.02
"""How long the first piece waits for the end: most short tasks are one write then."""
HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_KEEP_ALIVE = b": keep-alive\n\n"


class TaskStream:
    """The body of a response: the first update (where there is one), then the others to the end."""

    def __init__(
        self,
        updates: Updates,
        first: Update | None,
        frame: Callable[[Update], bytes],
        *,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self._updates = updates
        self._log = updates.log
        self._first = first
        self._frame = frame
        self._headers = [*HEADERS, *headers]

    async def run(self, receive: Receive, send: Send) -> None:
        task = b"" if self._first is None else self._event(self._first)
        with self._updates.listening() as listener:
            # A task that ends meanwhile is one write, and needs no task beside this one.
            begun = await self._log.beginning(listener, COALESCE_SECONDS)
            body, more = await self._piece(begun)
            if more:
                async with asyncio.TaskGroup() as tasks:
                    await self._follow(task + body, tasks, receive, send, begun=bool(begun))
            else:
                length = (b"content-length", b"%d" % len(task + body))
                await send(_start([*self._headers, length]))
                await send({"type": "http.response.body", "body": task + body})

    async def _follow(
        self, body: bytes, tasks: asyncio.TaskGroup, receive: Receive, send: Send, *, begun: bool
    ) -> None:
        """Send the stream as it comes, behind its beginning where there was one."""
        helpers = [tasks.create_task(self._log.read())]
        try:
            more = True
            if not begun:
                piece, more = await self._piece(await self._log.gathered(COALESCE_SECONDS))
                body += piece
            await send(_start(self._headers))
            await send({"type": "http.response.body", "body": body, "more_body": more})
            if more:
                helpers.append(tasks.create_task(self._until_gone(receive)))
                await self._write(send)
        finally:
            for helper in helpers:
                helper.cancel()

    def stop(self) -> None:
        """End the response soon and cleanly; its reader may come back for the rest."""
        self._log.stop()

    async def _write(self, send: Send) -> None:
        more = True
        while more:
            body, more = await self._piece(await self._log.batch())
            piece = body if body or not more else _KEEP_ALIVE
            await send({"type": "http.response.body", "body": piece, "more_body": more})

    async def _piece(self, batch: Sequence[Envelope] | None) -> tuple[bytes, bool]:
        """Return the frames of `batch`, and whether more may follow."""
        if not batch:
            return b"", batch is not None
        try:
            frames = [self._event(update) for update in await self._updates.of(batch)]
        except WeftError as error:
            log.warning("a2a_stream_cut", extra={"code": error.code})
            return b"", False
        return b"".join(frames), not self._updates.over

    def _event(self, update: Update) -> bytes:
        head = b"" if update.number is None else b"id: %d\n" % update.number
        return head + b"data: " + self._frame(update) + b"\n\n"

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        self.stop()


def _start(headers: Sequence[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": 200, "headers": headers}
