"""Telling each second how far an analysis is, whatever it is at."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_EVERY = 1.0
_READ = re.compile(r"rchar: (\d+)")
_COUNTERS = Path("/proc/self/io")

Tell = Callable[[float, float | None, str], None]
"""Takes the seconds so far, their total if it is known, and words."""


@contextmanager
def ticking(tell: Tell, every: float = _EVERY) -> Iterator[None]:
    """Tell how long the block runs and how much it read, each second, from a thread of its own."""
    over = threading.Event()
    began = time.monotonic()
    before = _bytes_read()

    def tick() -> None:
        while not over.wait(every):
            seconds = time.monotonic() - began
            read = (_bytes_read() - before) / 1e6
            tell(round(seconds, 1), None, f"{seconds:.0f} s, {read:.0f} MB read")

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _bytes_read() -> int:
    """Return how many bytes this process has read, files and all; 0 where it cannot be known."""
    try:
        counted = _READ.search(_COUNTERS.read_text(encoding="ascii"))
    except OSError:
        return 0
    return int(counted[1]) if counted else 0
