"""Spans of many files, gathered: copies once, every span with a service, whole traces only.

Where there are more spans than are kept, whole traces are left out, so that no parent is lost.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from incidents.files import DataFile, SourceFile, read_all
from incidents.problems import FileProblem
from incidents.sampling import Sampler, unit_of
from incidents.traces.jaeger import JAEGER
from incidents.traces.nezha import NEZHA
from incidents.traces.otlp import OTLP
from incidents.traces.spans import UNKNOWN, RawSpan, Side, Span, checked, is_possible
from incidents.traces.zipkin import ZIPKIN
from weft.core import FileCoverage
from weft.core.result import Window

TRACE_FORMATS = (OTLP, JAEGER, ZIPKIN, NEZHA)
MOST_SPANS = 300_000
"""So many spans are kept, of all files of a recording together."""
_MOST_TEXTS = 100_000
"""Most spans share their texts with others; of so many that is noticed."""
_DEEPEST = 50
_CALLER = "~caller"
"""Ends the id of a call's client side, where its server side has the same id."""


class Traces(NamedTuple):
    """What was read, in the order of start, and what could not be."""

    spans: list[Span]
    problems: list[FileProblem]
    files: list[FileCoverage]


def read_traces(
    files: Iterable[DataFile], most: int = MOST_SPANS, windows: Sequence[Window] = ()
) -> Traces:
    """Read all files; blocking. A file or span that cannot be read costs only itself.

    Of more than `most` spans an even share of the traces is kept, each whole; with `windows` those
    that begin in one.
    """
    sampler = Sampler[Span](most, _unit, _own, _at, windows)
    read = read_all(files, TRACE_FORMATS, _Taking(sampler).take)
    spans, problems = _gathered(sampler.rows())
    spans.sort(key=lambda span: (span.start, -span.end, span.file, span.line))
    problems = [*sampler.problem("traces"), *read.problems, *problems]
    return Traces(spans, problems, sampler.told(read.files))


def _unit(span: Span) -> int:
    return unit_of(span.trace_id)


def _at(span: Span) -> float:
    return span.start


def _own(span: Span) -> int:
    return unit_of(span.span_id)


class _Taking:
    """Takes the spans of one file after the other."""

    def __init__(self, sampler: Sampler[Span]) -> None:
        self._sampler = sampler
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
            self._sampler.take(span)
        if self._impossible:
            source.note(
                f"{self._impossible} spans end before they begin, last too long, or have no real time"
            )

    def _span(self, file: str, _number: int, raw: RawSpan) -> Span | None:
        span = checked(raw, file, self._same)
        if span is not None and not is_possible(span.start, span.end):
            self._impossible += 1
            return None
        return span

    def _same(self, text: str) -> str:
        """Return for equal texts one and the same, as far back as is remembered."""
        if len(self._texts) >= _MOST_TEXTS:
            self._texts.clear()
        return self._texts.setdefault(text, text)


def _gathered(rows: Iterable[Span]) -> tuple[list[Span], list[FileProblem]]:
    """Return the spans of all traces, copies left out, and what is wrong with them."""
    traces: dict[str, list[Span]] = defaultdict(list)
    for span in rows:
        traces[span.trace_id].append(span)
    spans: list[Span] = []
    torn: Counter[str] = Counter()
    nameless: Counter[str] = Counter()
    for some in traces.values():
        trace = _named(_unique(some))
        ids = {span.span_id for span in trace}
        torn.update(one.file for one in trace if one.parent_id and one.parent_id not in ids)
        nameless.update(one.file for one in trace if one.is_nameless)
        spans += trace
    counts = Counter(span.file for span in spans)
    problems = _shares(torn, counts, "name a parent that is not there")
    return spans, problems + _shares(
        nameless, counts, f"name no service: they are called {UNKNOWN!r}"
    )


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
