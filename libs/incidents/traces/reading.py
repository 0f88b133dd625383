"""Spans of many files, gathered: copies once, every span with a service, whole traces only.

Where there are more spans than are kept, whole traces are left out, so that no parent is lost.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from incidents.files import DataFile, SourceFile, read_all
from incidents.problems import FileProblem
from incidents.traces.jaeger import JAEGER
from incidents.traces.nezha import NEZHA
from incidents.traces.otlp import OTLP
from incidents.traces.spans import UNKNOWN, RawSpan, Side, Span, checked, is_possible
from incidents.traces.zipkin import ZIPKIN
from weft.core import FileCoverage

TRACE_FORMATS = (OTLP, JAEGER, ZIPKIN, NEZHA)
MOST_SPANS = 300_000
"""So many spans are kept, of all files together."""
_DEEPEST = 50
_CALLER = "~caller"
"""Ends the id of a call's client side, where its server side has the same id."""


class Traces(NamedTuple):
    """What was read, in the order of start, and what could not be."""

    spans: list[Span]
    problems: list[FileProblem]
    files: list[FileCoverage]


def read_traces(files: Iterable[DataFile], most: int = MOST_SPANS) -> Traces:
    """Read all files; blocking. A file or span that cannot be read costs only itself."""
    gathered = _Gathered(most)
    read = read_all(files, TRACE_FORMATS, gathered.take)
    spans, problems = gathered.finish()
    spans.sort(key=lambda span: (span.start, -span.end, span.file, span.line))
    return Traces(spans, [*read.problems, *problems], read.files)


class _Gathered:
    """The spans of all files, by their traces."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._traces: dict[str, list[Span]] = {}
        self._kept = 0
        self._read = 0
        self._left_out = 0
        """How many spans of a trace that alone has too many."""
        self._halvings = 0
        """Of the traces, one in 2 ** `_halvings` is kept."""
        self._impossible = 0
        """How many spans of the file that is read have times that cannot be."""
        self._texts: dict[str, str] = {}

    def take(self, source: SourceFile, rows: Iterator[RawSpan]) -> None:
        """Take the spans of one file."""
        self._impossible = 0
        for span in source.made_of(
            ((raw.line, raw) for raw in rows), partial(self._span, source.file.name)
        ):
            source.keep(span.start)
            self._add(span)
        if self._impossible:
            source.note(
                f"{self._impossible} spans end before they begin, last too long, or have no real time"
            )

    def finish(self) -> tuple[list[Span], list[FileProblem]]:
        """Return the spans of all traces that were kept, and what is wrong with them."""
        spans: list[Span] = []
        torn: Counter[str] = Counter()
        nameless: Counter[str] = Counter()
        for some in self._traces.values():
            trace = _named(_unique(some))
            ids = {span.span_id for span in trace}
            torn.update(one.file for one in trace if one.parent_id and one.parent_id not in ids)
            nameless.update(one.file for one in trace if one.is_nameless)
            spans += trace
        counts = Counter(span.file for span in spans)
        problems = [*_shares(torn, counts, "name a parent that is not there")]
        problems += _shares(nameless, counts, f"name no service: they are called {UNKNOWN!r}")
        if self._halvings:
            words = f"one in {2**self._halvings} was kept, {self._kept} of {self._read} spans"
            problems.append(FileProblem("traces", words))
        if self._left_out:
            words = f"{self._left_out} spans of a trace of more than {self._most} were left out"
            problems.append(FileProblem("traces", words))
        return spans, problems

    def _span(self, file: str, _number: int, raw: RawSpan) -> Span | None:
        span = checked(raw, file, lambda text: self._texts.setdefault(text, text))
        if span is not None and not is_possible(span.start, span.end):
            self._impossible += 1
            return None
        return span

    def _add(self, span: Span) -> None:
        self._read += 1
        trace = span.trace_id
        if not self._keeps(trace):
            del self._texts[trace]
            return
        self._traces.setdefault(trace, []).append(span)
        self._kept += 1
        while self._kept > self._most and len(self._traces) > 1:
            self._halvings += 1
            for other in [one for one in self._traces if not self._keeps(one)]:
                self._kept -= len(self._traces.pop(other))
                del self._texts[other]
        if self._kept > self._most:
            self._traces[trace].pop()
            self._kept -= 1
            self._left_out += 1

    def _keeps(self, trace: str) -> bool:
        return not self._halvings or _digest(trace) % (1 << self._halvings) == 0


def _digest(trace: str) -> int:
    # The low bits of a checksum follow those of its text.
    return (zlib.crc32(trace.encode()) * 2654435761 & 0xFFFFFFFF) >> 8


def _shares(some: Counter[str], counts: Counter[str], words: str) -> list[FileProblem]:
    return [
        FileProblem(file, f"{number} of {counts[file]} spans {words}")
        for file, number in sorted(some.items())
    ]


def _unique(trace: list[Span]) -> list[Span]:
    """Leave copies out; where the two sides of a call share one id, tell them apart."""
    sides: dict[str, dict[Side, Span]] = {}
    for span in trace:
        by_side = sides.setdefault(span.span_id, {})
        if not by_side or (span.side and span.side not in by_side and "" not in by_side):
            by_side[span.side] = span
    unique: list[Span] = []
    for by_side in sides.values():
        if len(by_side) == 1:
            unique += by_side.values()
            continue
        # What is called below names the shared id: it hangs below the side that was at work.
        caller = f"{by_side['client'].span_id}{_CALLER}"
        unique.append(replace(by_side["client"], span_id=caller))
        unique.append(replace(by_side["server"], parent_id=caller))
    return unique


def _named(trace: list[Span]) -> list[Span]:
    """Give a span without service that of the nearest span above it in the same process."""
    if all(span.service for span in trace):
        return trace
    by_id = {span.span_id: span for span in trace}
    return [
        span if span.service else replace(span, service=_service(span, by_id)) for span in trace
    ]


def _service(span: Span, by_id: dict[str, Span]) -> str:
    # The server's side of a call begins another process than its parent's.
    for _ in range(_DEEPEST):
        above = by_id.get(span.parent_id)
        if span.side == "server" or above is None:
            break
        if above.service:
            return above.service
        span = above
    return UNKNOWN
