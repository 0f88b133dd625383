"""The CSV that Grafana saves of a panel: a column of times, and one for each series."""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import PurePosixPath

from incidents.files import SourceFile
from incidents.formats import Fit, Format, Sample
from incidents.metrics.points import Key, Point, number, selector
from incidents.metrics.tables import TIMES, columns, value_of
from incidents.times import moment

_LOOKED_AT = 20
_ODD = 0.5
"""So large a share of what is looked at may be damaged."""
_SAID = "sep="
"""So begins a line before the header that is there for spreadsheets."""
_BY_ROW = ["series", "time", "value"]
_NO_NAMES = ("", "value", "val")
_SEPARATORS = re.compile(r"[,;\t]")
_DATA = "-data"
"""Between a panel's title and the time it was saved at."""
_PARTS = (" - ", " | ", " / ", " \N{EN DASH} ", ": ")
_STATISTIC = re.compile(
    r"p\d{1,2}(?:\.\d)?|avg|mean|max|min|sum|count|total|[45]xx|errors?|rate|requests?",
    re.IGNORECASE,
)
_FORMATTED = re.compile(r"([-+]?[0-9]++(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?)[ ]*+([^\d\s]++)?")
_UNITS = {
    "ns": 1e-9, "µs": 1e-6, "μs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "mins": 60.0,
    "hour": 3600.0, "hours": 3600.0, "day": 86400.0, "days": 86400.0,
    "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
    "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40,
    "k": 1e3, "mil": 1e6, "bil": 1e9,
}  # fmt: skip
"""Grafana writes what it shows: of one series, now in milliseconds, now in seconds."""


def _recognises(sample: Sample) -> Fit:
    header, *rows = _first_cells(sample, _LOOKED_AT + 2) or [[]]
    if len(header) <= 1 or columns(header)[0] not in TIMES:
        return Fit(0)
    some = [row for row in rows if len(row) == len(header)]
    cells = [_measured(cell) for row in some for cell in row[1:]]
    lacks = ""
    if not some:
        lacks = "its rows are not as long as its header"
    elif sum(moment(row[0]) is None for row in some) > _ODD * len(some):
        lacks = "its first column holds no times"
    elif cells.count(None) >= _ODD * len(cells):
        lacks = "not all of its other columns hold numbers"
    return Fit(0.3, lacks) if lacks else Fit(0.6)


def _read(source: SourceFile) -> Iterator[Point]:
    rows = _cells(line for _, line in source.lines())
    header = next(rows, [])
    title = title_of(source.sample.name)
    keys = [key_of(name, title) for name in header[1:]]
    damaged = Key("", {})
    for line, row in enumerate(rows, 2):
        time = moment(row[0], source.dating) if row else None
        if time is None or len(row) != len(header):
            yield Point(damaged, 0.0, None, line)
            continue
        for key, cell in zip(keys, row[1:], strict=True):
            yield Point(key, time, _measured(cell), line)


def _first_cells(sample: Sample, most: int) -> list[list[str]]:
    """Return the cells of the first lines; none where they are no table."""
    try:
        return list(_cells(sample.lines[:most]))
    except csv.Error:
        return []


def _cells(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the cells of each line, by the separator that the first line shows."""
    rest = iter(lines)
    first = next(rest, "")
    separator = _SEPARATORS.search(first)
    if first.startswith(_SAID):
        first = next(rest, "")
    yield from csv.reader(chain([first], rest), delimiter=separator[0] if separator else ",")


def title_of(name: str) -> str:
    """Return what a panel is called, by the name of the file that was saved of it."""
    stem = PurePosixPath(name).name
    stem = stem.rpartition(".")[0] or stem
    return stem.partition(f"{_DATA}-")[0].removesuffix(_DATA) or stem


def key_of(legend: str, title: str) -> Key:
    """Return what a column is of: by its labels, else its legend names the service.

    The metric is then what the panel is called, and what the legend says beyond the service.
    """
    text = legend.strip()
    if "{" in text:
        name, labels = selector(text)
        return Key(name or title, labels)
    if text.casefold() in _NO_NAMES:
        return Key(title, {})
    part = next((part for part in _PARTS if part in text), None)
    service, _, what = text.partition(part) if part else text.rpartition(" ")
    what = what.strip("() ")
    if part is None and (not service or not _STATISTIC.fullmatch(what)):
        service, what = text, ""
    return Key(f"{title} {what}".strip(), {}, service=service)


def _measured(cell: str) -> float | None:
    value = value_of(cell)
    if value is not None:
        return value
    formatted = _FORMATTED.fullmatch(cell.strip())
    if formatted is None:
        return None
    unit = (formatted[2] or "").casefold().partition("/")[0]
    plain = number(formatted[1])
    return None if plain is None else plain * _UNITS.get(unit, 1.0)


def _is_by_row(sample: Sample) -> Fit:
    """Recognise the older form, in which each row names its series."""
    header = next(iter(_first_cells(sample, 2)), [])
    return Fit(0.9) if columns(header) == _BY_ROW else Fit(0)


def _by_row(source: SourceFile) -> Iterator[Point]:
    rows = _cells(line for _, line in source.lines())
    next(rows, None)
    title = title_of(source.sample.name)
    keys: dict[str, Key] = {}
    for line, row in enumerate(rows, 2):
        if len(row) != len(_BY_ROW):
            yield Point(Key("", {}), 0.0, None, line)
            continue
        legend, at, cell = row
        key = keys.setdefault(legend, key_of(legend, title))
        time = moment(at, source.dating)
        yield Point(key, time or 0.0, None if time is None else _measured(cell), line)


GRAFANA = (
    Format("Grafana's CSV", "metrics", _recognises, _read),
    Format("Grafana's CSV, a row for each sample", "metrics", _is_by_row, _by_row),
)
