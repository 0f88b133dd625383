"""Metric samples of long CSV (timestamp, service, metric, value) and of Nezha's wide tables."""

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from incidents.files import DataFile, SourceFile, read_all
from incidents.formats import Format, fits_columns
from incidents.names import service_of, short_name
from incidents.problems import FileProblem
from incidents.times import moment
from weft.core import FileCoverage

__all__ = ["Series", "read_metrics"]

_LONG = ("timestamp", "service", "metric", "value")
_WIDE = ("TimeStamp", "PodName")
_LARGEST = 1e300
"""A larger number is no measurement, and what is computed from it would be infinite."""
_MOST_SERIES = 100_000
_MOST_POINTS = 4_000_000


def _doubles() -> "array[float]":
    return array("d")


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one metric of one service, in time order; never NaN or infinite."""

    service: str
    metric: str
    files: list[str] = field(default_factory=list)
    times: "array[float]" = field(default_factory=_doubles)
    values: "array[float]" = field(default_factory=_doubles)

    def add(self, time: float, value: float) -> None:
        self.times.append(time)
        try:
            self.values.append(value)
        except MemoryError:
            # A file that needs more than there is costs itself: what was read of it stays whole.
            self.times.pop()
            raise

    def between(self, start: float, end: float) -> "array[float]":
        """Return the values with `start` <= time < `end`."""
        pairs = zip(self.times, self.values, strict=True)
        return array("d", (value for time, value in pairs if start <= time < end))


class Metrics(NamedTuple):
    """What was read, by service and metric, and what could not be."""

    series: dict[tuple[str, str], Series]
    problems: list[FileProblem]
    files: list[FileCoverage]


class Point(NamedTuple):
    """One sample of one metric of one service, as it stands in a file; finite."""

    service: str
    metric: str
    time: float
    value: float


def read_metrics(files: Iterable[DataFile], most: int = _MOST_POINTS) -> Metrics:
    """Read all files; blocking. Missing values are skipped, malformed ones counted."""
    table = _Table(most)
    read = read_all(files, METRIC_FORMATS, table.take)
    series = dict(sorted((key, _sorted(one)) for key, one in table.series.items()))
    return Metrics(series, read.problems, read.files)


@dataclass(slots=True)
class _Table:
    """Series while they grow, file by file."""

    most: int
    series: dict[tuple[str, str], Series] = field(default_factory=dict)

    def take(self, source: SourceFile, rows: Iterator[Point]) -> None:
        name = source.file.name
        for point in rows:
            self.most -= 1
            if self.most < 0:
                source.note("has more values than are read: the rest was left out")
                return
            one = self._of(point)
            if name not in one.files:
                one.files.append(name)
            source.keep(point.time)
            one.add(point.time, point.value)

    def _of(self, point: Point) -> Series:
        one = self.series.get((point.service, point.metric))
        if one is None:
            if len(self.series) >= _MOST_SERIES:
                raise ValueError(f"only the first {_MOST_SERIES} series are kept")
            one = self.series[point.service, point.metric] = Series(point.service, point.metric)
        return one


def _from_long(source: SourceFile) -> Iterator[Point]:
    header, rows = source.table()
    at, service, metric, value = (header.index(name) for name in _LONG)

    def made(_: int, row: list[str]) -> Point | None:
        time, number = moment(row[at]), _number(row[value])
        if time is None or number is None or not row[metric]:
            return None
        return Point(service_of(row[service]), short_name(row[metric]), time, number)

    for point in source.made_of(rows, made):
        if math.isfinite(point.value):
            yield point


def _from_wide(source: SourceFile) -> Iterator[Point]:
    header, rows = source.table()
    at, pod = (header.index(name) for name in _WIDE)
    columns = [
        (index, short_name(name))
        for index, name in enumerate(header)
        if name not in ("Time", *_WIDE) and name
    ]
    services: dict[str, str] = {}

    def made(number: int, row: list[str]) -> tuple[int, float, list[str]] | None:
        time = moment(row[at])
        return None if time is None or not row[pod] else (number, time, row)

    for line, time, row in source.made_of(rows, made):
        service = services.setdefault(row[pod], service_of(row[pod]))
        for index, name in columns:
            number = _number(row[index])
            if number is None and row[index]:
                source.skip(line)
            elif number is not None and math.isfinite(number):
                yield Point(service, name, time, number)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if not math.isfinite(number) or abs(number) <= _LARGEST else None


def _sorted(one: Series) -> Series:
    pairs = sorted(zip(one.times, one.values, strict=True))
    times = array("d", (time for time, _ in pairs))
    return Series(one.service, one.metric, one.files, times, array("d", (v for _, v in pairs)))


METRIC_FORMATS: tuple[Format[Point], ...] = (
    Format("table of samples", "metrics", partial(fits_columns, wanted=_LONG), _from_long),
    Format("table of metrics by pod", "metrics", partial(fits_columns, wanted=_WIDE), _from_wide),
)
