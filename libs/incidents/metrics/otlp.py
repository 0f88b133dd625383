"""OTLP JSON metrics: gauges, sums, histograms of both kinds, in both temporalities, summaries."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from math import inf, nan

from incidents.attributes import attributes, object_of, objects_of, with_resources
from incidents.files import SourceFile
from incidents.formats import Fit, Format, Sample
from incidents.metrics.points import PER_SECOND, Counting, Distribution, Key, Point, number
from incidents.times import moment
from weft.core import JsonObject, JsonValue

_METRICS = tuple(
    f"resourceMetrics.*.{scopes}.*.metrics"
    for scopes in ("scopeMetrics", "instrumentationLibraryMetrics")
)
_RESOURCES = ("resourceMetrics.*.resource",)
_DELTA = (1, "1", "AGGREGATION_TEMPORALITY_DELTA")
_MISSING = 1
"""The flag of a data point that says that nothing was measured."""
_FINEST = 20
_MOST_BUCKETS = 2_000


def _recognises(sample: Sample) -> Fit:
    if "resourceMetrics" in sample.keys:
        return Fit(1)
    return Fit(0.05, "it has no resourceMetrics") if sample.is_json else Fit(0)


def _read(source: SourceFile) -> Iterator[Point]:
    keys = _Keys()
    rows = with_resources(source.json_items(*_METRICS), _RESOURCES)

    def made(_: int, row: tuple[JsonValue, JsonObject]) -> list[Point] | None:
        metric = object_of(row[0])
        name = metric.get("name")
        if not isinstance(name, str) or not name:
            return None
        keys.begin(name, row[1])
        return list(_points(metric, keys))

    for points in source.made_of(enumerate(rows, 1), made):
        yield from points


class _Keys:
    """What data points are of; one for each set of attributes."""

    def __init__(self) -> None:
        self._known: dict[object, Key] = {}
        self._name = ""
        self._places: dict[str, str] = {}

    def begin(self, name: str, resource: JsonObject) -> None:
        """Go on with the data points of this metric of this resource."""
        self._name = name
        self._places = texts(resource)

    def of(self, point: JsonObject, counting: Counting, what: str = "", **labels: str) -> Key:
        own = texts(attributes(point.get("attributes"))) | labels
        key = Key(f"{self._name}{what}", own, counting, places=self._places)
        return self._known.setdefault((key.content, counting), key)


def texts(values: Mapping[str, JsonValue]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}


def _points(metric: JsonObject, keys: _Keys) -> Iterator[Point]:
    gauge, total = object_of(metric.get("gauge")), object_of(metric.get("sum"))
    for point in objects_of(gauge.get("dataPoints")):
        yield Point(keys.of(point, "level"), _time(point), _number(point))
    is_delta = total.get("aggregationTemporality") in _DELTA
    for point in objects_of(total.get("dataPoints")):
        if is_delta:
            yield _rate(point, keys)
        else:
            counting: Counting = "counter" if total.get("isMonotonic") else "level"
            yield Point(keys.of(point, counting), _time(point), _number(point))
    for kind, read in (("histogram", _explicit), ("exponentialHistogram", _exponential)):
        histogram = object_of(metric.get(kind))
        is_delta = histogram.get("aggregationTemporality") in _DELTA
        for point in objects_of(histogram.get("dataPoints")):
            value = nan if _is_missing(point) else read(point, is_delta=is_delta)
            yield Point(keys.of(point, "level"), _time(point), value)
    for point in objects_of(object_of(metric.get("summary")).get("dataPoints")):
        for entry in objects_of(point.get("quantileValues")):
            share = number(entry.get("quantile"))
            key = keys.of(point, "level", quantile="" if share is None else f"{share:g}")
            yield Point(key, _time(point), number(entry.get("value")))


def _rate(point: JsonObject, keys: _Keys) -> Point:
    """Return how fast was counted since the point before."""
    key, end, value = keys.of(point, "level", PER_SECOND), _time(point), _number(point)
    start = moment(point.get("startTimeUnixNano"))
    if end is None or value is None or start is None or not start < end:
        return Point(key, end, None if value is None else nan)
    return Point(key, end, value / (end - start))


def _time(point: JsonObject) -> float | None:
    return moment(point.get("timeUnixNano"))


def _is_missing(point: JsonObject) -> bool:
    flags = point.get("flags")
    return isinstance(flags, int) and bool(flags & _MISSING)


def _number(point: JsonObject) -> float | None:
    if _is_missing(point):
        return nan
    return number(point.get("asDouble", point.get("asInt")))


def _explicit(point: JsonObject, *, is_delta: bool) -> Distribution | None:
    counts, bounds = _numbers(point.get("bucketCounts")), _numbers(point.get("explicitBounds"))
    if counts is None or bounds is None or len(counts) != len(bounds) + 1:
        return None
    if any(count < 0 for count in counts) or sorted(bounds) != bounds:
        return None
    return _distribution((*bounds, inf), counts, point, is_delta=is_delta)


def _exponential(point: JsonObject, *, is_delta: bool) -> Distribution | None:
    scale, zeros = number(point.get("scale", 0)), number(point.get("zeroCount", 0))
    above, below = object_of(point.get("positive")), object_of(point.get("negative"))
    counts, under = _numbers(above.get("bucketCounts", [])), _numbers(below.get("bucketCounts", []))
    offset = number(above.get("offset", 0))
    if counts is None or under is None or scale is None or zeros is None or offset is None:
        return None
    if abs(scale) > _FINEST or len(counts) > _MOST_BUCKETS:
        return None
    bounds = _growing(int(scale), int(offset), len(counts))
    return _distribution(
        (0.0, *bounds, inf), [zeros + sum(under), *counts, 0.0], point, is_delta=is_delta
    )


@lru_cache(maxsize=4096)
def _growing(scale: int, offset: int, length: int) -> tuple[float, ...]:
    """Return the upper bounds of buckets that each are by the same factor larger."""
    steps = 2.0**-scale
    return tuple(2.0 ** min((offset + place + 1) * steps, 1000.0) for place in range(length))


def _distribution(
    bounds: tuple[float, ...], counts: list[float], point: JsonObject, *, is_delta: bool
) -> Distribution:
    return Distribution(bounds, tuple(accumulate(counts)), number(point.get("sum")), is_delta)


def _numbers(values: JsonValue) -> list[float] | None:
    if not isinstance(values, list):
        return None
    numbers = [number(value) for value in values]
    return None if None in numbers else [value for value in numbers if value is not None]


OTLP_METRICS = Format("OTLP JSON metrics", "metrics", _recognises, _read)
