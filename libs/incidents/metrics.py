"""Metric samples of long CSV (timestamp, service, metric, value) and of Nezha's wide tables."""

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from incidents.files import DEFAULT_BOUNDS, Bounds, DataFile, SourceFile, read_all
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


def read_metrics(files: Iterable[DataFile], bounds: Bounds = DEFAULT_BOUNDS) -> Metrics:
    """Read all files; blocking. Missing values are skipped, malformed ones counted."""
    table = _Table()
    read = read_all(files, bounds, table.read)
    series = dict(sorted((key, _sorted(one)) for key, one in table.series.items()))
    return Metrics(series, read.problems, read.files)


@dataclass(slots=True)
class _Table:
    """Series while they grow, file by file."""

    series: dict[tuple[str, str], Series] = field(default_factory=dict)

    def read(self, source: SourceFile) -> None:
        header, rows = source.table()
        if set(_LONG) <= set(header):
            self._read_long(source, header, rows)
        elif set(_WIDE) <= set(header):
            self._read_wide(source, header, rows)
        else:
            source.note(f"is no metric table: neither {', '.join(_LONG)} nor {', '.join(_WIDE)}")

    def _read_long(
        self, source: SourceFile, header: list[str], rows: Iterable[tuple[int, list[str]]]
    ) -> None:
        source.format = "table of samples"
        at, service, metric, value = (header.index(name) for name in _LONG)

        def made(_: int, row: list[str]) -> tuple[float, str, str, float] | None:
            time, number = moment(row[at]), _number(row[value])
            if time is None or number is None or not row[metric]:
                return None
            return time, service_of(row[service]), short_name(row[metric]), number

        for time, name, measured, number in source.made_of(rows, made):
            source.keep(time)
            if math.isfinite(number):
                self._of(name, measured, source).add(time, number)

    def _read_wide(
        self, source: SourceFile, header: list[str], rows: Iterable[tuple[int, list[str]]]
    ) -> None:
        source.format = "table of metrics by pod"
        at, pod = (header.index(name) for name in _WIDE)
        columns = [
            (index, short_name(name))
            for index, name in enumerate(header)
            if name not in ("Time", *_WIDE) and name
        ]
        by_pod: dict[str, list[tuple[int, Series]]] = {}

        def made(number: int, row: list[str]) -> tuple[int, float, list[str]] | None:
            time = moment(row[at])
            return None if time is None or not row[pod] else (number, time, row)

        for line, time, row in source.made_of(rows, made):
            source.keep(time)
            if row[pod] not in by_pod:
                service = service_of(row[pod])
                by_pod[row[pod]] = [
                    (index, self._of(service, name, source)) for index, name in columns
                ]
            for index, one in by_pod[row[pod]]:
                number = _number(row[index])
                if number is None and row[index]:
                    source.skip(line)
                elif number is not None and math.isfinite(number):
                    one.add(time, number)

    def _of(self, service: str, metric: str, source: SourceFile) -> Series:
        one = self.series.get((service, metric))
        if one is None:
            if len(self.series) >= _MOST_SERIES:
                raise ValueError(f"only the first {_MOST_SERIES} series are kept")
            one = self.series[service, metric] = Series(service, metric)
        if source.file.name not in one.files:
            one.files.append(source.file.name)
        return one


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
