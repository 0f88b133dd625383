"""A run's events over one connection: replayed, then live, until the run or the reader ends."""

import fnmatch
import logging
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from weft.checkpoint import Run
from weft.core import Principal, dumps
from weft.core.errors import InputError, WeftError
from weft.events import TERMINAL_EVENTS, Envelope
from weft.runs import Runs, cursor_in
from weft.server.views import event_view

__all__ = ["StreamPace"]

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
STALL_SECONDS = 15.0
RETRY: Final = b"retry: 1000\n\n"
HEARTBEAT: Final = b":\n\n"
_HEADERS: Final = {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}
_PATH_SEPARATOR = re.compile(r"[./]")
_MAX_GLOBS = 50


class Signal(Protocol):
    """Something that happens once: `asyncio.Event`."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class StreamPace:
    """How often a silent stream shows life, and how long a write may stall."""

    heartbeat_s: float = HEARTBEAT_SECONDS
    stall_s: float = STALL_SECONDS
    stopping: Signal | None = None
    """Set when this replica leaves: its streams say so and close."""


class Frames(Protocol):
    """How a stream shows a run's events."""

    def event(self, event: Envelope) -> bytes:
        """Return the event's frame, b"" where it is not shown."""
        ...

    def replayed(self, through: int) -> bytes: ...

    def draining(self, resume_after: int) -> bytes: ...

    @property
    def until_interrupt(self) -> bool:
        """Whether the stream closes when the run waits for a person."""
        ...

    def paused(self, run: Run) -> bytes:
        """Return the last words of a stream that closes so."""
        ...


@dataclass(frozen=True, slots=True)
class LogFrames:
    """The log as it is: `id`, `event` and the envelope; filters change no number."""

    types: re.Pattern[str] | None = None
    path: Sequence[str] = ()
    until_interrupt: bool = False

    def event(self, event: Envelope) -> bytes:
        if event.type not in TERMINAL_EVENTS and not self._shown(event):
            return b""
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (
            event.seq,
            event.type.encode(),
            dumps(event_view(event)),
        )

    def replayed(self, through: int) -> bytes:
        return b'event: stream.replayed\ndata: {"through": %d}\n\n' % through

    def draining(self, resume_after: int) -> bytes:
        return b'event: server.draining\ndata: {"resume_after": %d}\n\n' % resume_after

    def paused(self, run: Run) -> bytes:  # noqa: ARG002 - the log said it all
        return b""

    def _shown(self, event: Envelope) -> bool:
        if self.types is not None and self.types.fullmatch(event.type) is None:
            return False
        return tuple(event.path[: len(self.path)]) == tuple(self.path)


def log_frames(query: Mapping[str, str]) -> LogFrames:
    """Return the frames that `types`, `path` and `until` ask for.

    Raises:
        InputError: One of them is not understood.
    """
    types = query.get("types", "")
    globs = [glob.strip() for glob in types.split(",") if glob.strip()]
    if len(globs) > _MAX_GLOBS or len(types) > 2000:  # noqa: PLR2004 - far above any use
        raise InputError(f"'types' takes at most {_MAX_GLOBS} globs", field="types")
    if query.get("until", "interrupt") != "interrupt":
        raise InputError("'until' takes only 'interrupt'", field="until")
    pattern = "|".join(fnmatch.translate(glob) for glob in globs)
    return LogFrames(
        types=re.compile(pattern) if globs else None,
        path=[part for part in _PATH_SEPARATOR.split(query.get("path", "")) if part],
        until_interrupt="until" in query,
    )


def cursor_of(request: Request, run: Run) -> int:
    """Return the number behind which the stream starts: `Last-Event-ID` wins over `after`.

    Raises:
        InvalidCursorError: It is no event number of this run.
    """
    value = request.headers.get("last-event-id", request.query_params.get("after"))
    if value is None:
        return 0
    return cursor_in(run, value)


class EventStream(Response):
    """Streams one run; a reader that leaves or stalls costs the run nothing."""

    def __init__(
        self,
        runs: Runs,
        principal: Principal,
        run: Run,
        frames: Frames,
        *,
        after: int = 0,
        pace: StreamPace,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(_HEADERS)
        self._runs = runs
        self._principal = principal
        self._run = run
        self._frames = frames
        self._pace = pace
        self._last = after
        # On a finished run the terminal event alone comes behind the marker.
        self._through = max(run.last_seq - 1 if run.terminal else run.last_seq, after)
        self._waits_at = run.last_seq if run.status == "interrupted" else -1
        self._marked = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
            try:
                await self._tell(send)
            except WeftError as error:
                # The reader resumes behind the last number it has; nothing was lost.
                log.warning("stream_broken", extra={"code": error.code})
            except TimeoutError:
                log.info("stream_stalled", extra={"run_id": self._run.run_id})
            tasks.cancel_scope.cancel()

    async def _tell(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        await self._write(send, RETRY)
        pages = self._runs.pages(self._principal, self._run.run_id, after=self._last)
        async with aclosing(pages):
            await self._pass_on(pages, send)
        await self._write(send, b"", more=False)

    async def _pass_on(self, pages: AsyncGenerator[Sequence[Envelope], None], send: Send) -> None:
        written = anyio.current_time()
        text = self._marker()
        while not self._paused():
            if not text and anyio.current_time() - written >= self._pace.heartbeat_s:
                text = HEARTBEAT
            if text:
                await self._write(send, text)
                written = anyio.current_time()
            if self._pace.stopping is not None and self._pace.stopping.is_set():
                await self._write(send, self._frames.draining(self._last))
                return
            page = await anext(pages, None)
            if page is None:
                return
            text = self._rendered(page)
        run = await self._runs.read(self._principal, self._run.run_id)
        await self._write(send, text + self._frames.paused(run))

    def _rendered(self, page: Sequence[Envelope]) -> bytes:
        texts: list[bytes] = []
        for event in page:
            texts.append(self._frames.event(event))
            self._last = event.seq
            texts.append(self._marker())
            if event.type == "run.interrupted" and event.seq > self._through:
                self._waits_at = event.seq
                break
        return b"".join(texts)

    def _paused(self) -> bool:
        """Tell whether all is told of a run that waits for a person, and that is enough."""
        return self._frames.until_interrupt and self._waits_at == self._last

    def _marker(self) -> bytes:
        """Return `stream.replayed` once, as soon as everything old was told."""
        if self._marked or self._last < self._through:
            return b""
        self._marked = True
        return self._frames.replayed(self._through)

    async def _write(self, send: Send, text: bytes, *, more: bool = True) -> None:
        with anyio.fail_after(self._pace.stall_s):
            await send({"type": "http.response.body", "body": text, "more_body": more})


async def _until_gone(receive: Receive, stream: anyio.CancelScope) -> None:
    """Cancel the stream once its reader has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.cancel()
