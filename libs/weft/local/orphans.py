"""Ends the children of a `weft up` that was killed, and so could tidy up nothing itself."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

_PR_SET_PDEATHSIG = 1
_WATCH = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
living = set()
for line in sys.stdin:
    (living.add if line[0] == "+" else living.discard)(int(line[1:]))
for group in living:
    try:
        os.killpg(group, signal.SIGTERM)
    except OSError:
        pass
"""


class OrphanGuard(Protocol):
    """Sees to it that no child outlives this process."""

    @property
    def before_exec(self) -> Callable[[], None] | None:
        """What each child does between fork and exec."""
        ...

    def started(self, pid: int) -> None:
        """Hear of a child that leads a process group of its own."""
        ...

    def ended(self, pid: int) -> None:
        """Hear that it is gone, and its number free for others."""
        ...


class KernelGuard:
    """On Linux the kernel ends each child with its parent."""

    def __init__(self) -> None:
        # Loaded here, because little may be done between fork and exec.
        self._libc = ctypes.CDLL(None)
        self._parent = os.getpid()

    @property
    def before_exec(self) -> Callable[[], None]:
        return self._die_with_parent

    def started(self, pid: int) -> None:
        """The kernel knows."""

    def ended(self, pid: int) -> None:
        """The kernel knows."""

    def _die_with_parent(self) -> None:
        self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != self._parent:
            os._exit(1)


class ProcessGuard:
    """Elsewhere a process waits for the end of this one, and ends who is left then."""

    before_exec = None

    def __init__(self, tell: Callable[[bytes], None]) -> None:
        self._tell = tell

    def started(self, pid: int) -> None:
        self._tell(b"+%d\n" % pid)

    def ended(self, pid: int) -> None:
        self._tell(b"-%d\n" % pid)


@asynccontextmanager
async def orphan_guard(*, kernel: bool = sys.platform == "linux") -> AsyncIterator[OrphanGuard]:
    """Yield the guard that this system offers."""
    if kernel:
        yield KernelGuard()
        return
    watcher = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", _WATCH,
        stdin=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    wire = watcher.stdin
    if wire is None:
        raise RuntimeError("a pipe was asked for")
    try:
        # Few bytes, long before any limit; a watcher that is gone watches nobody.
        yield ProcessGuard(wire.write)
    finally:
        wire.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await watcher.wait()
