"""What Prometheus' HTTP API answers to a query, and systems that speak it."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from incidents.attributes import object_of
from incidents.files import SourceFile
from incidents.formats import Fit, Format, Sample
from incidents.metrics.points import Key, Point, number
from incidents.times import moment
from weft.core import JsonObject, JsonValue

_RESULTS = ("data.result", "result", "")
_METRIC, _VALUES, _VALUE = "metric", "values", "value"


def _recognises(sample: Sample) -> Fit:
    if not sample.is_json:
        return Fit(0)
    for result in ("data.result", "result"):
        if result in sample.keys:
            return _of_results(sample, f"{result}.*.")
    listed = _of_results(sample, "*.")
    return listed if not listed.lacks else Fit(0)


def _of_results(sample: Sample, path: str) -> Fit:
    has_values = f"{path}{_VALUES}" in sample.keys or f"{path}{_VALUE}" in sample.keys
    if f"{path}{_METRIC}" in sample.keys and has_values:
        return Fit(1)
    return Fit(0.4, f"its results have no {_METRIC} with {_VALUES} or a {_VALUE}")


def _read(source: SourceFile) -> Iterator[Point]:
    stem = PurePosixPath(source.sample.name).stem
    damaged = Key("", {})
    for at, item in enumerate(source.json_items(*_RESULTS), 1):
        result = object_of(item.value)
        metric = result.get(_METRIC)
        pairs = _pairs(result)
        if not isinstance(metric, dict) or not pairs:
            yield Point(damaged, 0.0, None, at)
            continue
        key = _key(metric, stem)
        for pair in pairs:
            yield _point(key, pair)._replace(line=at)


def _key(metric: JsonObject, stem: str) -> Key:
    """Return what a result is of; what was computed has no name but that of its file."""
    labels = {label: str(value) for label, value in metric.items() if label != "__name__"}
    return Key(str(metric.get("__name__") or stem), labels)


def _pairs(result: JsonObject) -> list[JsonValue]:
    values = result.get(_VALUES)
    pairs = list(values) if isinstance(values, list) else []
    return [*pairs, result[_VALUE]] if _VALUE in result else pairs


def _point(key: Key, pair: JsonValue) -> Point:
    if not isinstance(pair, list) or len(pair) != 2:  # noqa: PLR2004
        return Point(key, 0.0, None)
    time = moment(pair[0])
    return Point(key, time or 0.0, None if time is None else number(pair[1]))


PROMETHEUS = Format("Prometheus JSON", "metrics", _recognises, _read)
