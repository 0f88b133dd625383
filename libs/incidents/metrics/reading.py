"""Samples of many files, gathered by the series they are of.

Where there are more samples than are kept, all series keep those of every second, fourth ... moment:
what a counter counted meanwhile is not lost by that.
"""

import math
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
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
from incidents.sampling import UNITS, KeptShare, share_words, told_share, unit_at
from weft.core import FileCoverage
from weft.core.result import Window

METRIC_FORMATS = (*TABLES, *CALLS, PROMETHEUS, EXPOSITION, OTLP_METRICS, *GRAFANA)
MOST_SAMPLES = 4_000_000
"""So many samples are kept, of all files together."""
MOST_SERIES = 100_000
_FINEST = 4096
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
    starts: list[int] = field(default_factory=list)
    """Of each of the files, which of the samples is its first."""
    times: "array[float]" = field(default_factory=doubles)
    values: "array[float]" = field(default_factory=doubles)
    distributions: list[tuple[float, Distribution]] = field(default_factory=list)
    """Of a histogram, instead of values."""
    number: int = 0
    """Which one it is of those that were read."""
    step: float = 0.0
    """How far its first samples stand apart; 0: that is not known yet."""
    begin: float = math.nan
    """The time of its first sample."""

    @property
    def size(self) -> int:
        """How many numbers are kept."""
        return len(self.times) + sum(len(row.counts) for _, row in self.distributions)

    @property
    def rows(self) -> int:
        return len(self.times) + len(self.distributions)

    def pace(self, time: float) -> None:
        """Learn from its first two samples, kept or not, how far they stand apart."""
        if math.isnan(self.begin):
            self.begin = time
        gap = abs(time - self.begin)
        self.step = float(round(gap)) if gap >= 1 else gap

    def is_in(self, share: KeptShare, time: float) -> bool:
        """Tell whether `share` keeps the sample of a time: series of one step keep the same ones."""
        moment = round(time / (self.step or 1.0)) % UNITS
        if share.is_by_row:
            return share.keeps(unit_at(self.number, moment))
        # Backwards, every second moment has a number of the lower half, and so on.
        return share.keeps(int(f"{moment:024b}"[::-1], 2))

    def thin(self, share: KeptShare) -> None:
        """Keep the samples that `share` keeps."""
        moments = self.times or [time for time, _ in self.distributions]
        kept = [at for at, time in enumerate(moments) if self.is_in(share, time)]
        self.starts = [bisect_left(kept, start) for start in self.starts]
        if self.times:
            self.times = array("d", (self.times[at] for at in kept))
            self.values = array("d", (self.values[at] for at in kept))
        else:
            self.distributions = [self.distributions[at] for at in kept]

    def forget(self, moment: float) -> None:
        """Leave out the last samples if they are of `moment`."""
        while self.times and self.times[-1] == moment:
            self.times.pop()
            self.values.pop()
        while self.distributions and self.distributions[-1][0] == moment:
            self.distributions.pop()

    def ends(self) -> tuple[float, ...]:
        """Return the times of its first and its last sample."""
        moments = self.times or [time for time, _ in self.distributions]
        return (moments[0], moments[-1]) if moments else ()

    def rows_by_file(self) -> Iterator[tuple[str, int]]:
        """Yield how many samples each file has of it."""
        ends = [*self.starts[1:], self.rows]
        for file, start, end in zip(self.files, self.starts, ends, strict=True):
            yield file, end - start


class Metrics(NamedTuple):
    """What was read, and what could not be."""

    series: list[RecordedSeries]
    problems: list[FileProblem]
    files: list[FileCoverage]
    calls: Mapping[str, frozenset[str]]
    """Which services each service calls, as far as tables tell it."""
    torn: frozenset[str] = frozenset()
    """Services of which samples may be missing that others of the same moments are there of."""


def read_metrics(
    files: Iterable[DataFile],
    service_labels: Sequence[str] = SERVICE_LABELS,
    most: int = MOST_SAMPLES,
    windows: Sequence[Window] = (),
) -> Metrics:
    """Read all files; blocking. Missing values are skipped, malformed ones counted.

    The first of `service_labels` that a series has names its service. With `windows` only the
    samples in one are kept.
    """
    labels = tuple(plain_label(label) for label in service_labels)
    gathered = _Gathered(labels, most, tuple(windows))
    read = read_all(files, METRIC_FORMATS, gathered.take)
    calls = {caller: frozenset(called) for caller, called in sorted(gathered.calls.items())}
    problems = [*gathered.problems(), *read.problems]
    torn = frozenset(gathered.torn)
    return Metrics(gathered.series(), problems, gathered.told(read.files), calls, torn)


class _Gathered:
    """The series of all files while they grow."""

    def __init__(
        self, service_labels: tuple[str, ...], most: int, windows: tuple[Window, ...]
    ) -> None:
        self._order = service_labels
        self._most = most
        self._windows = windows
        self._share = KeptShare()
        self._kept = 0
        self._series: dict[object, RecordedSeries] = {}
        self.calls: dict[str, set[str]] = defaultdict(set)
        self._undated = self._ancient = 0
        """How many samples of the file that is read have no time, or one that cannot be."""
        self.torn: set[str] = set()
        self._left_out = 0
        """How many samples of series beyond those that are kept."""

    def take(self, source: SourceFile, rows: Iterator[Point | CallEdge]) -> None:
        """Take the samples of one file, and the calls that it tells."""
        series: dict[Key, RecordedSeries | None] = {}
        self._undated = self._ancient = 0
        last, is_ordered = -math.inf, True
        usable: Iterator[Point | CallEdge] = source.made_of(
            ((row.line, row) for row in rows), self._usable
        )
        try:
            for row in usable:
                if isinstance(row, CallEdge):
                    self.calls[service_of(row.caller)].add(service_of(row.called))
                    source.keep(None)
                    continue
                time = row.time or 0.0
                source.keep(time)
                is_ordered, last = is_ordered and time >= last, time
                if self._windows and not self._is_inside(time):
                    continue
                if row.key not in series:
                    series[row.key] = self._of(row.key, source.file.name)
                self._add(series[row.key], time, row.value)
        except Exception:  # raised again: what a file broke off in may be there in part only
            self._tear(series.values())
            raise
        if source.is_cut and series:
            self._cut(source, series.values(), last if is_ordered else None)
        if self._undated:
            source.note(f"{self._undated} samples have no time: they cannot be compared")
        if self._ancient:
            source.note(f"{self._ancient} samples are dated before 2000")

    def _cut(
        self, source: SourceFile, some: Iterable[RecordedSeries | None], last: float | None
    ) -> None:
        """Leave out what a file that is cut may tell in part; `last` ends it where it is in order."""
        if last is None:
            self._tear(some)
            source.note("it is cut, and not in the order of time: its services are not compared")
            return
        for one in some:
            if one is not None:
                one.forget(last)

    def _is_inside(self, time: float) -> bool:
        return any(window.start <= time <= window.end for window in self._windows)

    def _tear(self, some: Iterable[RecordedSeries | None]) -> None:
        self.torn.update(one.service for one in some if one is not None)

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
        some = [one for one in self._series.values() if one.rows]
        for one in some:
            _sort(one)
        return sorted(some, key=lambda one: (one.service, one.name, sorted(one.labels.items())))

    def told(self, files: Iterable[FileCoverage]) -> list[FileCoverage]:
        """Return what was kept of each file, which says so where that is a share."""
        kept: Counter[str] = Counter()
        for one in self._series.values():
            for file, rows in one.rows_by_file():
                kept[file] += rows
        words = share_words(self._share.size)
        if not words and not self._windows:
            return list(files)
        return [told_share(file, kept[file.name], words) for file in files]

    def problems(self) -> list[FileProblem]:
        words = share_words(self._share.size)
        problems = [FileProblem("metrics", words)] if words else []
        if self._left_out:
            words = (
                f"only the first {MOST_SERIES} series are kept: {self._left_out} samples of others were"
                " left out, and their services are not compared"
            )
            problems.append(FileProblem("metrics", words))
        return problems

    def _of(self, key: Key, file: str) -> RecordedSeries | None:
        """Return what a file has of a series; None if it is one too many."""
        one = self._series.get(key.content)
        if one is None:
            if len(self._series) >= MOST_SERIES:
                self.torn.add(self._begun(key).service)
                return None
            one = self._series[key.content] = self._begun(key)
        if key.counting != "unsaid":
            one.counting = key.counting
        if not one.files or one.files[-1] != file:
            one.files.append(file)
            one.starts.append(one.rows)
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
            short_name(key.name),
            labels,
            shown,
            service_of(service),
            key.counting,
            number=len(self._series),
        )

    def _add(
        self, one: RecordedSeries | None, time: float, value: float | Distribution | None
    ) -> None:
        if one is None:
            self._left_out += 1
            return
        if not one.step:
            one.pace(time)
        if self._share.size > 1 and not one.is_in(self._share, time):
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
        while self._kept > self._most:
            self._thin()

    def _thin(self) -> None:
        self._share.halve()
        # So many series are of one moment that moments are too large a part.
        self._share.is_by_row = self._share.is_by_row or self._share.size > _FINEST
        self._kept = 0
        for one in self._series.values():
            one.thin(self._share)
            self._kept += one.size


def _sort(one: RecordedSeries) -> None:
    """Bring samples into the order of their times, copies once."""
    one.distributions.sort(key=lambda pair: pair[0])
    if all(earlier < later for earlier, later in pairwise(one.times)):
        return
    one.times, one.values = in_order(one.times, one.values, copies=False)
