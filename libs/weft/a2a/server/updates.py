"""What a task's stream shows, before any binding puts it into bytes: updates, derived from its log.

Nothing is kept but what the reader has not taken yet: a stalled reader stops the reading of the
log, and the store keeps the rest.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass

from weft.a2a.server import views
from weft.a2a.server.growing import Growing
from weft.a2a.server.operations import StreamStart
from weft.a2a.server.tasks import CallContext, Tasks
from weft.a2a.wire import extensions
from weft.a2a.wire.models import TaskState
from weft.core import JsonObject, Principal
from weft.core.errors import WeftError
from weft.events import TERMINAL_EVENTS, Envelope
from weft.runs import Listener, Runs

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
UNREAD = 256
FRAME_EVENTS = 64
FRAME_BYTES = 4 * 1024
"""What a broken connection costs to send again; only an event larger than this stands alone."""
WORKING: TaskState = "TASK_STATE_WORKING"


@dataclass(frozen=True, slots=True)
class Update:
    """One piece of a stream, as the protocol spells it."""

    body: JsonObject
    number: int | None
    """That of the last event it shows, by which a reader comes back for the rest."""
    events: Sequence[str] = ()
    """Envelopes, each as JSON text, for who is told all: they belong into its metadata."""


class Log:
    """Reads a run's log ahead of its reader, by pages, until `UNREAD` events are unread.

    A run that ends soon in this process is told by `beginning` alone, with no task beside.
    """

    def __init__(self, runs: Runs, principal: Principal, start: StreamStart) -> None:
        self._runs = runs
        self._principal = principal
        self._run_id = start.run.run_id
        self._after = start.after
        self._first = start.first
        self._listener: Listener | None = None
        """Where the log was begun to be told here, so that nothing behind it is missed."""
        self._unread: list[Envelope] = []
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._over = False
        self._stopped = False

    async def beginning(self, listener: Listener, within: float) -> Sequence[Envelope]:
        """Return what is told here until the run settles, for so many seconds at most.

        () where nothing is known of how it began.
        """
        if not self._first:
            return ()
        events, hole = await self._runs.beginning(listener, self._first, within=within)
        self._after, self._listener = events[-1].seq, None if hole else listener
        return events

    async def read(self) -> None:
        """Read to the end; what cannot be read ends the stream, and its reader comes back."""
        pages = self._runs.pages(
            self._principal, self._run_id, after=self._after, listener=self._listener
        )
        try:
            async with aclosing(pages) as source:
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

    async def gathered(self, within: float) -> Sequence[Envelope] | None:
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
    """One stream of a task: how it begins, and what each batch of its log shows."""

    def __init__(self, tasks: Tasks, context: CallContext, start: StreamStart) -> None:
        self._tasks = tasks
        self._context = context
        self._run = start.run
        self._start = start
        self._events = extensions.EVENTS in context.extensions
        self._growing = Growing(start.run.run_id)
        self.over = False
        self.log = Log(tasks.runs, context.caller.principal, start)

    def listening(self) -> AbstractContextManager[Listener]:
        """Let a run that ends in this process be at hand for as long as the context lasts."""
        return self._tasks.runs.hub.listen(self._run.run_id)

    async def first(self) -> Update | None:
        """Return the task where the stream begins with it, once what was shown before is known."""
        grown, task = await self._catch_up(self._start.after), self._start.task
        if task is None:
            return None
        if grown and not self._run.terminal:
            task = {**task, "artifacts": [*grown]}
        return Update({"task": task}, self._start.after or None)

    async def of(self, batch: Sequence[Envelope]) -> list[Update]:
        """Return what these events of the log show."""
        shown: list[Update] = []
        held: list[str] = []
        last: Envelope | None = None
        for event in batch:
            text = event.model_dump_json(exclude_none=True) if self._events else ""
            if held and last and sum(map(len, held)) + len(text) > FRAME_BYTES:
                shown.append(self._working(last, held))
                held = []
            held.append(text)
            last = event
            if event.type in TERMINAL_EVENTS or event.type == "run.interrupted":
                shown += await self._settled(event, held)
                held = []
            elif not self._events:
                chunk = self._growing.take(event)
                if chunk is not None:
                    shown.append(Update(views.artifact_update(self._run, chunk), event.seq))
                elif event.type in views.SHOWN:
                    shown.append(self._working(event, ()))
        if held and last and self._events:
            shown.append(self._working(last, held))
        return shown

    async def _catch_up(self, after: int) -> Sequence[JsonObject]:
        """Read the log up to event `after`; return the artifacts as they had grown until then."""
        seen = 0
        # Who is told all events has the chunks among them, and is shown artifacts when whole.
        while seen < after and not self._events:
            page = await self._tasks.events(self._context, self._run, after=seen)
            for event in page:
                if event.seq <= after:
                    self._growing.take(event)
            seen = page[-1].seq if page else after
        return self._growing.so_far()

    def _working(self, last: Envelope, texts: Sequence[str]) -> Update:
        body = views.working(self._run, views.SHOWN.get(last.type, WORKING), last.ts)
        return self._numbered(body, last, texts)

    async def _settled(self, last: Envelope, texts: Sequence[str]) -> list[Update]:
        # A run that ended in this process need not be read: its owner has just told how.
        run = self._tasks.runs.hub.ended(self._run.run_id)
        if run is None:
            run = await self._tasks.read(self._context, self._run.run_id)
        if last.type == "run.interrupted" and run.status != "interrupted":
            # Answered meanwhile: its questions are no longer open, but they were put.
            question = await self._tasks.question(self._context, run, last.seq)
            body = views.working(run, "TASK_STATE_INPUT_REQUIRED", last.ts, message=question)
            return [self._numbered(body, last, texts)]
        report = views.report_in(last)
        *before, body = views.settled(run, self._context.extensions, self._growing, report)
        # The answer to a question comes with a call of its own, unless one only looks on.
        self.over = run.terminal or not self._start.subscription
        # Only the status carries the number: a reader that got part of this gets all of it again.
        artifacts = [Update(artifact, None) for artifact in before]
        return [*artifacts, self._numbered(body, last, texts)]

    def _numbered(self, body: JsonObject, last: Envelope, texts: Sequence[str]) -> Update:
        return Update(body, last.seq, tuple(texts) if self._events else ())
