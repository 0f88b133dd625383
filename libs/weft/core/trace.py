"""W3C trace context: one id over every hop of a request, and a new span id at each.

A trace travels inside the authority of a call. Log lines alone find it where they are written,
because whoever writes one may know nothing of the run it belongs to.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from weft.core.ids import random_hex

__all__ = ["HEADER", "TraceContext", "logged_trace_id", "logged_under"]

HEADER = "traceparent"
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_LENGTH = 55
_SAMPLED = 0x01
_LOGGED: ContextVar[str | None] = ContextVar("weft_logged_trace_id", default=None)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace: whoever is called from here gets the header of a `child`."""

    trace_id: str
    span_id: str
    sampled: bool = True
    """Whether its beginner keeps what the trace tells; it is passed on unchanged."""

    @classmethod
    def begun(cls) -> "TraceContext":
        """Return the first place of a new trace."""
        return cls(_nonzero(16), _nonzero(8))

    @classmethod
    def read(cls, header: str | None) -> "TraceContext | None":
        """Return the caller's place; None where the header is absent or no valid one.

        A later version's header is read as far as this version goes, and no further.
        """
        if header is None or (match := _FORM.fullmatch(header[:_LENGTH])) is None:
            return None
        version, trace_id, span_id, flags = match.groups()
        rest = header[_LENGTH:]
        lawful = not rest if version == "00" else version != "ff" and rest[:1] in ("", "-")
        if not lawful or not trace_id.strip("0") or not span_id.strip("0"):
            return None
        return cls(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))

    @classmethod
    def joined(cls, header: str | None) -> "TraceContext":
        """Return a place below the caller's, or the first of a new trace where there is none."""
        above = cls.read(header)
        return cls.begun() if above is None else above.child()

    def child(self) -> "TraceContext":
        """Return a place of its own below this one."""
        return TraceContext(self.trace_id, _nonzero(8), self.sampled)

    @property
    def header(self) -> str:
        """The value of a `traceparent` header that names this place."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


@contextmanager
def logged_under(trace: TraceContext | None) -> Iterator[None]:
    """Have log lines written inside say that they belong to `trace`."""
    before = _LOGGED.set(None if trace is None else trace.trace_id)
    try:
        yield
    finally:
        _LOGGED.reset(before)


def logged_trace_id() -> str | None:
    """Return the trace id of a log line written here."""
    return _LOGGED.get()


def _nonzero(size: int) -> str:
    text = random_hex(size)
    return text if text.strip("0") else _nonzero(size)
