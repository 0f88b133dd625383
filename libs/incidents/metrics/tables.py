"""Tables of metrics: CSV with a row for each sample, each moment of a pod, or each moment."""

import csv
from collections.abc import Iterator, Sequence

from incidents.files import SourceFile
from incidents.formats import Fit, Format, Sample
from incidents.metrics.points import CallEdge, Key, Point, number, selector
from incidents.times import moment

TIMES = frozenset({
    "timestamp", "time", "ts", "datetime", "date", "unix_timestamp", "@timestamp", "timestamp_utc",
    "time_utc", "timestamp_ms", "time_ms", "unix_time", "epoch", "epoch_ms", "date_time",
})  # fmt: skip
_NAMES = ("metric", "metric_name", "__name__", "name")
_VALUES = ("value", "val")
_OWNERS = (
    "podname", "servicename", "service", "service_name", "pod", "pod_name", "container", "app",
    "job", "microservice", "component", "cmdb_id", "instance", "host",
)  # fmt: skip
_LABELS = {"podname": "pod", "servicename": "service", "microservice": "service"}
"""Columns that are called otherwise than the labels of the same meaning."""
_STACKED = ("microservice", "metric", "statistic")
_MOST_COLUMNS = 20_000
_LOOKED_AT = 20
_ODD = 0.5
"""So large a share of the cells that are looked at may be damaged."""


def columns(header: Sequence[str]) -> list[str]:
    """Return the names of columns in one form, however they are written."""
    plain = (name.strip().casefold().rstrip(")").replace("(", "") for name in header)
    return [name.replace(" ", "_").replace(".", "_").replace("-", "_") for name in plain]


def first_of(names: Sequence[str], wanted: Sequence[str] | frozenset[str]) -> int | None:
    """Return the index of the first column that is called one of `wanted`, in their order."""
    if isinstance(wanted, frozenset):
        return next((at for at, name in enumerate(names) if name in wanted), None)
    return next((names.index(name) for name in wanted if name in names), None)


def _long(sample: Sample) -> Fit:
    names = columns(sample.header)
    missing = [
        word
        for word, wanted in (("a time", TIMES), ("metric", _NAMES), ("value", _VALUES))
        if first_of(names, wanted) is None
    ]
    if not missing:
        return _measuring(sample, [first_of(names, _VALUES)], 1.0)
    return Fit(0.9 * (1 - len(missing) / 3), f"it has no column {', '.join(missing)}")


def _measuring(sample: Sample, places: Sequence[int | None], score: float) -> Fit:
    """Tell by the first rows whether what stands in these columns are numbers."""
    try:
        read = list(csv.reader(sample.lines[1:_LOOKED_AT]))
    except csv.Error:
        return Fit(0)
    rows = [row for row in read if len(row) == len(sample.header)]
    cells = [row[place] for row in rows for place in places if place is not None]
    odd = sum(value_of(cell) is None for cell in cells)
    if odd > _ODD * len(cells):
        return Fit(0.3, "its columns do not hold numbers")
    return Fit(score)


def _read_long(source: SourceFile) -> Iterator[Point]:
    header, rows = source.table()
    names = columns(header)
    at, metric, value = (first_of(names, wanted) for wanted in (TIMES, _NAMES, _VALUES))
    owner = first_of(names, _OWNERS)
    if at is None or metric is None or value is None:
        return
    others = [
        (place, header[place].strip())
        for place in range(len(header))
        if place not in (at, metric, value, owner)
    ]
    keys: dict[tuple[str, ...], Key] = {}
    for line, row in rows:
        parts = (row[metric], row[owner] if owner is not None else "", *(row[i] for i, _ in others))
        key = keys.get(parts)
        if key is None:
            name, labels = selector(row[metric])
            labels |= {label: row[place] for place, label in others if row[place]}
            places = {} if owner is None else {_LABELS.get(names[owner], names[owner]): parts[1]}
            keys[parts] = key = Key(name, labels, service=parts[1], places=places)
        time = moment(row[at], source.dating)
        is_damaged = time is None or not key.name or not row[value]
        yield Point(key, time, None if is_damaged else value_of(row[value]), line)


def value_of(text: str) -> float | None:
    """Return a cell's number; NaN where it is empty or says that nothing was measured."""
    if text.strip().casefold() in ("", "null", "none", "undefined", "n/a", "na", "-"):
        return float("nan")
    return number(text)


def _wide(sample: Sample) -> Fit:
    names = columns(sample.header)
    at, owner = first_of(names, TIMES), first_of(names, _OWNERS)
    # A value alone does not say of what it is one.
    unnamed = TIMES.union(_VALUES)
    measured = [place for place, name in enumerate(names) if place != owner and name not in unnamed]
    has_both = at is not None and owner is not None
    return _measuring(sample, measured, 0.8) if has_both and measured else Fit(0)


def _read_wide(source: SourceFile) -> Iterator[Point]:
    header, rows = source.table()
    names = columns(header)
    owner = first_of(names, _OWNERS)
    # Nezha's tables have a time in words before the one in seconds.
    at = names.index("timestamp") if "timestamp" in names else first_of(names, TIMES)
    if at is None or owner is None:
        return
    measured = [
        (place, name.strip())
        for place, name in enumerate(header)
        if place != owner and names[place] not in TIMES and name.strip()
    ][:_MOST_COLUMNS]
    damaged = Key("", {})
    keys: dict[str, list[tuple[int, Key]]] = {}
    for line, row in rows:
        time = moment(row[at], source.dating)
        if time is None or not row[owner]:
            yield Point(damaged, 0.0, None, line)
            continue
        of_owner = keys.get(row[owner])
        if of_owner is None:
            places = {_LABELS.get(names[owner], names[owner]): row[owner]}
            of_owner = keys[row[owner]] = [
                (place, Key(name, {}, service=row[owner], places=places))
                for place, name in measured
            ]
        for place, key in of_owner:
            yield Point(key, time, value_of(row[place]), line)


def _calls(sample: Sample) -> Fit:
    pairs = sample.header[2:]
    is_of_pairs = pairs and all(name.count("_") == 1 for name in pairs)
    return Fit(0.9) if is_of_pairs and sample.header[:2] == ["time", "timestamp"] else Fit(0)


def _read_calls(source: SourceFile) -> Iterator[Point | CallEdge]:
    """Read how long calls took: a column for each caller and called."""
    header, rows = source.table()
    stem = source.sample.name.rpartition("/")[2].partition(".")[0]
    end, _, share = stem.partition("_")
    keys = []
    for name in header[2:]:
        caller, _, called = name.partition("_")
        metric = f"call_latency_p{share or '50'}_at_{end}_seconds"
        keys.append(Key(metric, {"caller": caller}, "level", service=called))
        yield CallEdge(caller, called, 1)
    for line, row in rows:
        time = moment(row[1], source.dating)
        for key, cell in zip(keys, row[2:], strict=True):
            yield Point(key, time, None if time is None else value_of(cell), line)


def _stacked(sample: Sample) -> Fit:
    starts = tuple(line.partition(",")[0].strip() for line in sample.lines[:3])
    if starts == _STACKED:
        return Fit(1)
    if starts[:1] == _STACKED[:1]:
        return Fit(0.3, f"its first rows are not {', '.join(_STACKED)}")
    return Fit(0)


def _read_stacked(source: SourceFile) -> Iterator[Point]:
    """Read PetShop's tables: three rows of header say whose, which metric, which statistic."""
    reader = csv.reader(line for _, line in source.lines())
    services, metrics, statistics = (next(reader, []) for _ in _STACKED)
    keys = [
        Key(f"{metric} {statistic}".strip(), {}, "level", service=service)
        for service, metric, statistic in zip(services, metrics, statistics, strict=False)
    ][1 : _MOST_COLUMNS + 1]
    damaged = Key("", {})
    for line, row in enumerate(reader, len(_STACKED) + 1):
        time = moment(row[0], source.dating) if row else None
        if time is None or len(row) != len(services):
            # The row that names the column of times has nothing else in it.
            if any(cell.strip() for cell in row[1:]):
                yield Point(damaged, 0.0, None, line)
            continue
        for key, cell in zip(keys, row[1:], strict=False):
            yield Point(key, time, value_of(cell), line)


TABLES = (
    Format("metrics table, a row for each sample", "metrics", _long, _read_long),
    Format("metrics table, a row for each moment of a pod", "metrics", _wide, _read_wide),
    Format("Nezha's table of calls", "metrics", _calls, _read_calls),
    Format("PetShop's metrics table", "metrics", _stacked, _read_stacked),
)
