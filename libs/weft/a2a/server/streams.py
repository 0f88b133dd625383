"""Streams of task updates: the run's log, told as server-sent events.

Nothing is kept but what the reader has not taken yet: a stalled reader stops the reading of the
log, and the store keeps the rest.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractContextManager, aclosing

import orjson
from starlette.types import Receive, Send

from weft.a2a.server import views
from weft.a2a.server.growing import Growing
from weft.a2a.server.tasks import CallContext, Tasks
from weft.a2a.wire import extensions
from weft.a2a.wire.models import TaskState
from weft.a2a.wire.rpc import RpcId
from weft.checkpoint import Run
from weft.core import JsonObject
from weft.core.errors import WeftError
from weft.events import TERMINAL_EVENTS, Envelope
from weft.runs import Listener

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
COALESCE_SECONDS = 0.02
"""How long the first piece waits for the end: most short tasks are one write then."""
UNREAD = 256
FRAME_EVENTS = 64
FRAME_BYTES = 4 * 1024
"""What a broken connection costs to send again; only an event larger than this stands alone."""
HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_KEEP_ALIVE = b": keep-alive\n\n"


WORKING: TaskState = "TASK_STATE_WORKING"
Shown = tuple[JsonObject, int | None]
"""An update, and the number of the last event it shows."""


class Log:
    """Reads a run's log ahead of its reader, by pages, until `UNREAD` events are unread."""

    def __init__(self, source: AsyncGenerator[Sequence[Envelope], None]) -> None:
        self._source = source
        self._unread: list[Envelope] = []
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._over = False
        self._stopped = False

    async def read(self) -> None:
        """Read to the end; what cannot be read ends the stream, and its reader comes back."""
        try:
            async with aclosing(self._source) as source:
                async for page in source:
                    if not page:
                        continue
                    self._unread.extend(page)
                    self._news.set()
                    if len(self._unread) >= UNREAD:
                        self._room.clear()
                        await self._room.wait()
        except WeftError as error:
            log.warning("a2a_stream_cut", extra={"code": error.code})
        finally:
            self._over = True
            self._news.set()

    async def batch(self) -> Sequence[Envelope] | None:
        """Return what is there, () after `HEARTBEAT_SECONDS` of silence, None at the end."""
        if not (self._unread or self._over or self._stopped):
            self._news.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                return ()
        if self._stopped or not self._unread:
            return None
        batch, self._unread = self._unread[:FRAME_EVENTS], self._unread[FRAME_EVENTS:]
        self._room.set()
        return batch

    async def beginning(self, within: float) -> Sequence[Envelope] | None:
        """As `batch`, but what is there waits for the end of the log, or for a full frame."""
        try:
            async with asyncio.timeout(within):
                while not (self._over or self._stopped or len(self._unread) >= FRAME_EVENTS):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            if not self._unread:
                return ()
        return await self.batch()

    def stop(self) -> None:
        """End here, whatever the log still holds."""
        self._stopped = True
        self._news.set()


class Updates:
    """Turns batches of log events into the frames of one stream."""

    def __init__(self, tasks: Tasks, ask: CallContext, run: Run, *, stop_at_question: bool) -> None:
        self._tasks = tasks
        self._ask = ask
        self._run = run
        self._stop_at_question = stop_at_question
        self._events = extensions.EVENTS in ask.extensions
        self._growing = Growing(run.run_id)
        self.over = False

    def listening(self) -> AbstractContextManager[Listener]:
        """Let a run that ends in this process be at hand for as long as the context lasts."""
        return self._tasks.runs.hub.listen(self._run.run_id)

    async def catch_up(self, after: int) -> Sequence[JsonObject]:
        """Read the log up to event `after`; return the artifacts as they had grown until then."""
        seen = 0
        # Who is told all events has the chunks among them, and is shown artifacts when whole.
        while seen < after and not self._events:
            page = await self._tasks.events(self._ask, self._run, after=seen)
            for event in page:
                if event.seq <= after:
                    self._growing.take(event)
            seen = page[-1].seq if page else after
        return self._growing.so_far()

    async def of(self, batch: Sequence[Envelope]) -> AsyncIterator[Shown]:
        """Yield updates, each with the number of the last event it shows."""
        held: list[str] = []
        last: Envelope | None = None
        for event in batch:
            text = event.model_dump_json(exclude_none=True) if self._events else ""
            if held and last and sum(map(len, held)) + len(text) > FRAME_BYTES:
                yield self._working(last, held)
                held = []
            held.append(text)
            last = event
            if event.type in TERMINAL_EVENTS or event.type == "run.interrupted":
                for shown in await self._settled(event, held):
                    yield shown
                held = []
            elif not self._events:
                chunk = self._growing.take(event)
                if chunk is not None:
                    yield views.artifact_update(self._run, chunk), event.seq
                elif event.type in views.SHOWN:
                    yield self._working(event, ())
        if held and last and self._events:
            yield self._working(last, held)

    def _working(self, last: Envelope, texts: Sequence[str]) -> Shown:
        update = views.working(self._run, views.SHOWN.get(last.type, WORKING), last.ts)
        return self._with(update, texts), last.seq

    async def _settled(self, last: Envelope, texts: Sequence[str]) -> list[Shown]:
        # A run that ended in this process need not be read: its owner has just told how.
        run = self._tasks.runs.hub.ended(self._run.run_id)
        if run is None:
            run = await self._tasks.read(self._ask, self._run.run_id)
        if last.type == "run.interrupted" and run.status != "interrupted":
            # Answered meanwhile: its questions are no longer open, but they were put.
            question = await self._tasks.question(self._ask, run, last.seq)
            update = views.working(run, "TASK_STATE_INPUT_REQUIRED", last.ts, message=question)
            return [(self._with(update, texts), last.seq)]
        report = views.report_in(last)
        updates = views.settled(run, self._ask.extensions, self._growing, report)
        self.over = run.terminal or self._stop_at_question
        # Only the status carries the number: a reader that got part of this gets all of it again.
        before: list[Shown] = [(update, None) for update in updates[:-1]]
        return [*before, (self._with(updates[-1], texts), last.seq)]

    def _with(self, update: JsonObject, texts: Sequence[str]) -> JsonObject:
        return views.with_events(update, texts) if self._events else update


class TaskStream:
    """The body of a response: the task first (where there is one), then its updates to its end."""

    def __init__(
        self,
        rpc_id: RpcId,
        updates: Updates,
        log_: Log,
        *,
        first: Shown | None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self._prefix = b'data: {"jsonrpc":"2.0","id":' + orjson.dumps(rpc_id) + b',"result":'
        self._updates = updates
        self._log = log_
        self._first = first
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
        task = b""
        if self._first is not None:
            shown, number = self._first
            task = self._frame({"task": shown}, number)
        body, more = await self._told(await self._log.beginning(COALESCE_SECONDS))
        return task + body, more

    async def _write(self, send: Send) -> None:
        more = True
        while more:
            body, more = await self._told(await self._log.batch())
            piece = body if body or not more else _KEEP_ALIVE
            await send({"type": "http.response.body", "body": piece, "more_body": more})

    async def _told(self, batch: Sequence[Envelope] | None) -> tuple[bytes, bool]:
        """Return the frames of `batch`, and whether more may follow."""
        if not batch:
            return b"", batch is not None
        try:
            frames = [self._frame(update, n) async for update, n in self._updates.of(batch)]
        except WeftError as error:
            log.warning("a2a_stream_cut", extra={"code": error.code})
            return b"", False
        return b"".join(frames), not self._updates.over

    def _frame(self, update: JsonObject, number: int | None) -> bytes:
        head = b"" if number is None else b"id: %d\n" % number
        return head + self._prefix + orjson.dumps(update) + b"}\n\n"

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        self.stop()
