"""Metric samples of long CSV (timestamp, service, metric, value) and of Nezha's wide tables."""

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from weft.tools.dataset_files import DEFAULT_BOUNDS, Bounds, DataFile, Problem, Source, sources
from weft.tools.dataset_names import moment, service_of

_LONG = ("timestamp", "service", "metric", "value")
_WIDE = ("TimeStamp", "PodName")


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

    def between(self, start: float, end: float) -> "array[float]":
        """Return the values with `start` <= time < `end`."""
        pairs = zip(self.times, self.values, strict=True)
        return array("d", (value for time, value in pairs if start <= time < end))


class Metrics(NamedTuple):
    """What was read, by service and metric, and what could not be."""

    series: dict[tuple[str, str], Series]
    problems: list[Problem]


def read_metrics(files: Iterable[DataFile], bounds: Bounds = DEFAULT_BOUNDS) -> Metrics:
    """Read all files; blocking. Missing values are skipped, malformed ones counted."""
    series: dict[tuple[str, str], Series] = {}
    problems: list[Problem] = []
    for source in sources(files, bounds):
        if source.text.strip():
            _read(source, series)
        problems += source.close()
    return Metrics(dict(sorted((key, _sorted(one)) for key, one in series.items())), problems)


def _read(source: Source, series: dict[tuple[str, str], Series]) -> None:
    header, rows = source.table()
    if set(_LONG) <= set(header):
        _read_long(source, header, rows, series)
    elif set(_WIDE) <= set(header):
        _read_wide(source, header, rows, series)
    else:
        source.note(f"is no metric table: neither {', '.join(_LONG)} nor {', '.join(_WIDE)}")


def _read_long(
    source: Source,
    header: list[str],
    rows: Iterable[tuple[int, list[str]]],
    series: dict[tuple[str, str], Series],
) -> None:
    at, service, metric, value = (header.index(name) for name in _LONG)
    for _, row in rows:
        time = moment(row[at])
        number = _number(row[value])
        if time is None or number is None or not row[metric]:
            source.malformed += 1
        elif math.isfinite(number):
            _series(series, service_of(row[service]), row[metric], source).times.append(time)
            series[service_of(row[service]), row[metric]].values.append(number)


def _read_wide(
    source: Source,
    header: list[str],
    rows: Iterable[tuple[int, list[str]]],
    series: dict[tuple[str, str], Series],
) -> None:
    at, pod = (header.index(name) for name in _WIDE)
    columns = [
        (index, name) for index, name in enumerate(header) if name not in ("Time", *_WIDE) and name
    ]
    by_pod: dict[str, list[tuple[int, Series]]] = {}
    for _, row in rows:
        time = moment(row[at])
        if time is None or not row[pod]:
            source.malformed += 1
            continue
        if row[pod] not in by_pod:
            service = service_of(row[pod])
            by_pod[row[pod]] = [
                (index, _series(series, service, name, source)) for index, name in columns
            ]
        for index, one in by_pod[row[pod]]:
            number = _number(row[index])
            if number is None:
                source.malformed += bool(row[index])
            elif math.isfinite(number):
                one.times.append(time)
                one.values.append(number)


def _series(
    series: dict[tuple[str, str], Series], service: str, metric: str, source: Source
) -> Series:
    one = series.get((service, metric))
    if one is None:
        one = series[service, metric] = Series(service, metric)
    if source.file.name not in one.files:
        one.files.append(source.file.name)
    return one


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sorted(one: Series) -> Series:
    pairs = sorted(zip(one.times, one.values, strict=True))
    times = array("d", (time for time, _ in pairs))
    return Series(one.service, one.metric, one.files, times, array("d", (v for _, v in pairs)))
