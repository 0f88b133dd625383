"""The owner's end of a fork server: starts it, orders processes, hears of their ends."""

import asyncio
import os
import signal
import socket
import sys
import threading
import weakref
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from weft.core import JsonObject, Record, dumps

_SERVER = "weft.tools.fork_server"
"""Named, not imported: it loads what only calls need."""
_CONTROL = 3
_MOST_READ = 1 << 16
_LEAVING_SECONDS = 1.0
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Threads of a loaded library would not survive the fork."""


class ProcessEnd(Record):
    """How a process ended."""

    ended: int
    code: int | None = None
    """Its exit code, negative for a signal; None if nobody can tell any more."""
    cpu_seconds: float = 0.0
    resident: int = 0
    """The most bytes of memory it had."""
    refused: str = ""
    """Why it was never made."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Forked:
    """A process that waits for its job, or does it."""

    link: "ProcessLink"
    number: int
    sock: socket.socket
    ended: asyncio.Future[ProcessEnd]


class ProcessLink:
    """A fork server of this process and event loop; it ends with them, or when it is closed.

    Orders are sent at once and done in their order, so nobody waits for its code to be loaded.
    """

    def __init__(self, modules: Iterable[str]) -> None:
        self.owner = os.getpid()
        self._loop = asyncio.get_running_loop()
        self._forked: dict[int, Forked] = {}
        self._made = 0
        self._unread = b""
        self._gone = asyncio.Event()
        self._sock, theirs = socket.socketpair()
        self._sock.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        # Not `__del__`: where the collector ends a cycle, the socket's own might come first.
        weakref.finalize(self, self._sock.close)
        with theirs:
            self._pid = _started(theirs)
        self._loop.add_reader(self._sock, self._hear)
        # A daemon, so that a stuck server does not keep the interpreter from leaving.
        threading.Thread(target=self._wait, name="weft fork server", daemon=True).start()
        self._order({"load": [*modules]})

    @property
    def is_lost(self) -> bool:
        return self._sock.fileno() < 0

    def fork(self) -> Forked:
        """Order a process; if the server is gone, it has ended already."""
        self._made += 1
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        forked = Forked(self, self._made, ours, self._loop.create_future())
        weakref.finalize(forked, ours.close)
        self._forked[forked.number] = forked
        with theirs:
            self._order({"fork": forked.number}, theirs.fileno())
        return forked

    def kill(self, forked: Forked) -> None:
        """End a process and whatever it started; does nothing if it has ended."""
        if not forked.ended.done():
            self._order({"kill": forked.number})

    def close(self) -> None:
        """Close the line: the server notices, ends every process, and ends."""
        if self.is_lost:
            return
        if not self._loop.is_closed():
            self._loop.remove_reader(self._sock)
            for number in list(self._forked):
                self._bury(ProcessEnd(ended=number))
        self._sock.close()

    async def gone(self) -> None:
        """Wait until the server has ended, having been closed; end it if it does not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVING_SECONDS):
                await self._gone.wait()
                return
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        await self._gone.wait()

    def _order(self, order: JsonObject, *descriptors: int) -> None:
        try:
            socket.send_fds(self._sock, [dumps(order) + b"\n"], descriptors)
        except OSError:  # it is gone, or so stuck that its buffer is full
            self.close()
            for number in list(self._forked):
                self._bury(ProcessEnd(ended=number))

    def _hear(self) -> None:
        try:
            content = self._sock.recv(_MOST_READ)
        except BlockingIOError:
            return
        except ConnectionError:
            content = b""
        if not content:
            self.close()
            return
        *lines, self._unread = (self._unread + content).split(b"\n")
        for line in lines:
            with suppress(ValidationError):
                self._bury(ProcessEnd.model_validate_json(line))

    def _bury(self, ended: ProcessEnd) -> None:
        forked = self._forked.pop(ended.ended, None)
        if forked is not None and not forked.ended.done():
            forked.ended.set_result(ended)

    def _wait(self) -> None:
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        # The loop may be closed: nobody waits there any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._gone.set)


def _started(control: socket.socket) -> int:
    """Start the server and return its process id."""
    environment = {
        **os.environ,
        **_ONE_THREAD,
        # What this process can import, that one can; without `-P` the directory would come first.
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-P", "-m", _SERVER, str(os.getpid())],
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            # What a body prints goes to the log: standard output may be somebody's protocol.
            (os.POSIX_SPAWN_DUP2, 2, 1),
            (os.POSIX_SPAWN_DUP2, control.fileno(), _CONTROL),
        ],
    )
