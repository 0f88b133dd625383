"""Samples of many files, gathered by the series they are of.

Where there are more samples than are kept, each series keeps every second, fourth ... of its own:
what a counter counted meanwhile is not lost by that.
"""

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from incidents.files import DataFile, SourceFile, read_all
from incidents.metrics.calls import CALLS
from incidents.metrics.exposition import EXPOSITION
from incidents.metrics.grafana import GRAFANA
from incidents.metrics.otlp import OTLP_METRICS
from incidents.metrics.points import CallEdge, Counting, Distribution, Key, Point
from incidents.metrics.prometheus import PROMETHEUS
from incidents.metrics.series import doubles, in_order
from incidents.metrics.services import SERVICE_LABELS, plain_label, service_by, telling
from incidents.metrics.tables import TABLES
from incidents.names import service_of, short_name
from incidents.problems import FileProblem
from weft.core import FileCoverage

METRIC_FORMATS = (*TABLES, *CALLS, PROMETHEUS, EXPOSITION, OTLP_METRICS, *GRAFANA)
MOST_SAMPLES = 4_000_000
"""So many samples are kept, of all files together."""
MOST_SERIES = 100_000
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()


@dataclass(slots=True, eq=False)
class RecordedSeries:
    """The samples of one series as they were read, whatever pod or instance it is of."""

    name: str
    labels: dict[str, str]
    """All of them, with the names that Prometheus would give them."""
    telling: dict[str, str]
    """Those that say what it is of, not where it was measured."""
    service: str
    counting: Counting
    files: list[str] = field(default_factory=list)
    times: "array[float]" = field(default_factory=doubles)
    values: "array[float]" = field(default_factory=doubles)
    distributions: list[tuple[float, Distribution]] = field(default_factory=list)
    """Of a histogram, instead of values."""
    seen: int = 0
    """How many samples were read, kept or not."""


class Metrics(NamedTuple):
    """What was read, and what could not be."""

    series: list[RecordedSeries]
    problems: list[FileProblem]
    files: list[FileCoverage]
    calls: Mapping[str, frozenset[str]]
    """Which services each service calls, as far as tables tell it."""


def read_metrics(
    files: Iterable[DataFile],
    service_labels: Sequence[str] = SERVICE_LABELS,
    most: int = MOST_SAMPLES,
) -> Metrics:
    """Read all files; blocking. Missing values are skipped, malformed ones counted.

    The first of `service_labels` that a series has names its service.
    """
    gathered = _Gathered(tuple(plain_label(label) for label in service_labels), most)
    read = read_all(files, METRIC_FORMATS, gathered.take)
    calls = {caller: frozenset(called) for caller, called in sorted(gathered.calls.items())}
    problems = [*read.problems, *gathered.problems()]
    return Metrics(gathered.series(), problems, read.files, calls)


class _Gathered:
    """The series of all files while they grow."""

    def __init__(self, service_labels: tuple[str, ...], most: int) -> None:
        self._order = service_labels
        self._most = most
        self._every = 1
        """Of each series, one in so many samples is kept."""
        self._kept = 0
        self._read = 0
        self._series: dict[object, RecordedSeries] = {}
        self.calls: dict[str, set[str]] = defaultdict(set)
        self._undated = self._ancient = 0
        """How many samples of the file that is read have no time, or one that cannot be."""
        self._left_out = 0
        """How many samples of series beyond those that are kept."""

    def take(self, source: SourceFile, rows: Iterator[Point | CallEdge]) -> None:
        """Take the samples of one file, and the calls that it tells."""
        series: dict[Key, RecordedSeries | None] = {}
        self._undated = self._ancient = 0
        usable: Iterator[Point | CallEdge] = source.made_of(
            ((row.line, row) for row in rows), self._usable
        )
        for row in usable:
            if isinstance(row, CallEdge):
                self.calls[service_of(row.caller)].add(service_of(row.called))
                source.keep(None)
                continue
            source.keep(row.time)
            if row.key not in series:
                series[row.key] = self._of(row.key, source.file.name)
            self._add(series[row.key], row.time or 0.0, row.value)
        if self._undated:
            source.note(f"{self._undated} samples have no time: they cannot be compared")
        if self._ancient:
            source.note(f"{self._ancient} samples are dated before 2000")

    def _usable(self, _: int, row: Point | CallEdge) -> Point | CallEdge | None:
        if isinstance(row, CallEdge):
            return row if row.caller and row.called else None
        if row.value is None:
            return None
        if row.time is None:
            self._undated += 1
            return None
        if row.time < _EARLIEST:
            self._ancient += 1
            return None
        return row

    def series(self) -> list[RecordedSeries]:
        """Return what was read, in an order that does not depend on that of the files."""
        some = [one for one in self._series.values() if one.times or one.distributions]
        for one in some:
            _sort(one)
        return sorted(some, key=lambda one: (one.service, one.name, sorted(one.labels.items())))

    def problems(self) -> list[FileProblem]:
        problems = []
        if self._every > 1:
            words = f"one in {self._every} samples of each series was kept: {self._read} were read"
            problems.append(FileProblem("metrics", words))
        if self._left_out:
            words = f"only the first {MOST_SERIES} series are kept: {self._left_out} samples of others were left out"
            problems.append(FileProblem("metrics", words))
        return problems

    def _of(self, key: Key, file: str) -> RecordedSeries | None:
        one = self._series.get(key.content)
        if one is None:
            if len(self._series) >= MOST_SERIES:
                return None
            one = self._series[key.content] = self._begun(key)
        if key.counting != "unsaid":
            one.counting = key.counting
        if file not in one.files:
            one.files.append(file)
        return one

    def _begun(self, key: Key) -> RecordedSeries:
        own = {plain_label(label): value for label, value in key.labels}
        labels = own | {plain_label(label): value for label, value in key.places}
        service = service_by(labels, self._order) or key.service
        shown = {
            short_name(label): short_name(value)
            for label, value in telling(own, self._order).items()
        }
        return RecordedSeries(
            short_name(key.name), labels, shown, service_of(service), key.counting
        )

    def _add(
        self, one: RecordedSeries | None, time: float, value: float | Distribution | None
    ) -> None:
        self._read += 1
        if one is None:
            self._left_out += 1
            return
        one.seen += 1
        if one.seen % self._every:
            return
        if isinstance(value, Distribution):
            one.distributions.append((time, value))
            self._kept += len(value.counts)
        elif value is not None and math.isfinite(value):
            one.times.append(time)
            try:
                one.values.append(value)
            except MemoryError:
                # A file that needs more than there is costs itself: what was read stays whole.
                one.times.pop()
                raise
            self._kept += 1
        if self._kept > self._most:
            self._thin()

    def _thin(self) -> None:
        self._every *= 2
        self._kept = 0
        for one in self._series.values():
            del one.times[::2], one.values[::2], one.distributions[::2]
            self._kept += len(one.times) + sum(len(row.counts) for _, row in one.distributions)


def _sort(one: RecordedSeries) -> None:
    """Bring samples into the order of their times, copies once."""
    one.distributions.sort(key=lambda pair: pair[0])
    if all(earlier < later for earlier, later in pairwise(one.times)):
        return
    one.times, one.values = in_order(one.times, one.values, copies=False)
