"""Streams of task updates as the body of an HTTP response: server-sent events.

How one update becomes bytes is its binding's business, which brings a function for it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from starlette.types import Receive, Send

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
        with self._updates.listening():
            await self._stream(receive, send)

    async def _stream(self, receive: Receive, send: Send) -> None:
        async with asyncio.TaskGroup() as tasks:
            helpers = [tasks.create_task(self._log.read())]
            try:
                body, more = await self._beginning()
                await send({"type": "http.response.start", "status": 200, "headers": self._headers})
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

    async def _beginning(self) -> tuple[bytes, bool]:
        """Return the first piece, which of a short task is all, and whether more follows."""
        task = b"" if self._first is None else self._event(self._first)
        body, more = await self._piece(await self._log.beginning(COALESCE_SECONDS))
        return task + body, more

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
            frames = [self._event(update) async for update in self._updates.of(batch)]
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
