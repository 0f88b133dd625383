"""A span as every layout of traces gives it, and what is checked of it."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from incidents.names import service_of, short_name
from weft.core import JsonObject, JsonValue

Side = Literal["", "client", "server"]
"""Which end of a call between processes a span is; empty if neither."""

SECONDS, MICROSECONDS, NANOSECONDS = 1, 10**6, 10**9
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_LONGEST = 30 * 86400.0
"""No operation takes longer: its clock was set meanwhile, or its end was never written."""
_MOST_DIGITS = 25
_USUAL = 64
"""An id is no longer than so many characters, as a rule."""
_NO_SPAN = "0" * 16
_LARGEST = 1e25
"""No clock shows more, in whatever unit."""
_BASE64_LENGTHS = {24: 16, 12: 8}
"""How many bytes of an id stand in so many characters of base64, of a trace and of a span."""
UNKNOWN = "unknown"
"""The service of a span that neither itself, nor its process, nor its parent names."""
_SERVERS = frozenset({"server", "consumer", "2", "5"})
_CLIENTS = frozenset({"client", "producer", "3", "4"})
_SERVER_ERRORS = frozenset(str(code) for code in range(500, 600))
_STATUS_CODES = ("http.status_code", "http.response.status_code")
FAILURE_TAGS = ("otel.status_code", "error", *_STATUS_CODES)
"""Tags that tell whether an operation failed."""


@dataclass(frozen=True, slots=True)
class Span:
    """One operation; times are unix seconds, `parent_id` is empty for a root."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    operation: str
    start: float
    end: float
    error: bool
    file: str
    line: int
    """Line of the file, or the span's number where a file is JSON."""
    side: Side = ""

    @property
    def duration(self) -> float:
        return self.end - self.start

    @property
    def is_nameless(self) -> bool:
        """Whether nothing says whose it is."""
        return self.service == UNKNOWN


class RawSpan(NamedTuple):
    """A span as it stands in a file; None is what could not be read."""

    trace_id: JsonValue
    span_id: JsonValue
    parent_id: JsonValue
    service: str
    """Empty where neither the span nor its process says whose it is."""
    operation: JsonValue
    start: float | None
    end: float | None
    error: bool = False
    side: Side = ""
    line: int = 0


def identifier(value: JsonValue) -> str:
    """Return an id in the one form that ids are compared in; empty if it is none.

    Hex is written in either case; JSON made from protobuf by the book has base64 instead.
    """
    if not isinstance(value, str):
        return ""
    text = value.lower()
    if text.isalnum() and len(text) <= _USUAL:
        return text
    if value.endswith("="):
        text = _hex(value)
    return short_name(text.strip())


def _hex(text: str) -> str:
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error:
        return text
    return content.hex() if len(content) == _BASE64_LENGTHS.get(len(text)) else text


def clock(value: JsonValue, unit: int) -> float | None:
    """Return unix seconds of a count of `unit`s a second; None if it is no number."""
    if isinstance(value, str):
        text = value.strip()
        if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
            return None
        return int(text) / unit
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value / unit if -_LARGEST < value < _LARGEST else None


def is_possible(start: float, end: float) -> bool:
    """Tell whether a span can have begun and ended then."""
    return _EARLIEST <= start <= end < _LATEST and end - start <= _LONGEST


def side_of(kind: JsonValue) -> Side:
    """Read a span's kind, by its number or by its name, in any case."""
    word = str(kind).casefold().removeprefix("span_kind_")
    if word in _SERVERS:
        return "server"
    return "client" if word in _CLIENTS else ""


def failed(tags: JsonObject) -> bool:
    """Tell by a span's tags whether its operation failed."""
    if str(tags.get("otel.status_code")).upper() == "ERROR":
        return True
    if tags.get("error") in (True, "true", "True", 1, "1"):
        return True
    return any(str(tags.get(name)) in _SERVER_ERRORS for name in _STATUS_CODES)


def checked(raw: RawSpan, file: str, same: Callable[[str], str]) -> Span | None:
    """Return the span, or None if it lacks an id, a name or a time; its service may be missing.

    `same` returns for equal texts one and the same, since most spans share theirs.
    """
    trace_id, span_id = identifier(raw.trace_id), identifier(raw.span_id)
    if not trace_id or not span_id or not isinstance(raw.operation, str) or not raw.operation:
        return None
    if raw.start is None or raw.end is None:
        return None
    parent_id = identifier(raw.parent_id)
    if parent_id == _NO_SPAN:
        parent_id = ""
    service = service_of(raw.service) if raw.service else ""
    return Span(
        same(trace_id), span_id, parent_id, same(service),
        same(short_name(raw.operation)), raw.start, raw.end, raw.error, file, raw.line, raw.side,
    )  # fmt: skip
