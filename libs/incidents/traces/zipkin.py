"""Zipkin's JSON, version 2: a list of spans, a list of traces, or one span in each line."""

from collections.abc import Iterator

from incidents.attributes import object_of
from incidents.files import SourceFile
from incidents.formats import Fit, Format, Sample
from incidents.traces.spans import MICROSECONDS, RawSpan, clock, failed, side_of
from weft.core import JsonObject, JsonValue

_WANTED = ("traceId", "id", "timestamp")


def _recognises(sample: Sample) -> Fit:
    if not sample.is_json:
        return Fit(0)
    best = max((_lacking(sample, top) for top in ("", "*.", "*.*.")), key=lambda one: -len(one))
    if not best:
        return Fit(0.9)
    return Fit(0.3 * (1 - len(best) / len(_WANTED)), f"it has no {', '.join(best)}")


def _lacking(sample: Sample, top: str) -> list[str]:
    return [name for name in _WANTED if f"{top}{name}" not in sample.keys]


def _read(source: SourceFile) -> Iterator[RawSpan]:
    rows = enumerate(_spans(source), 1)
    yield from source.made_of(rows, lambda number, span: span_of(object_of(span), number))


def _spans(source: SourceFile) -> Iterator[JsonValue]:
    for item in source.json_items(""):
        if isinstance(item.value, list):
            yield from item.value
        else:
            yield item.value


def span_of(span: JsonObject, number: int) -> RawSpan:
    """Return a span of Zipkin, the file's `number`th."""
    tags = object_of(span.get("tags"))
    start = clock(span.get("timestamp"), MICROSECONDS)
    # A span that was never finished has no duration, and one that took no time may have none.
    length = clock(span.get("duration"), MICROSECONDS)
    side = side_of(span.get("kind"))
    return RawSpan(
        span.get("traceId"), span.get("id"), span.get("parentId"), _service(span, tags),
        span.get("name") or side or "span", start,
        None if start is None or length is None else start + length,
        # In Zipkin the tag alone says it; its value is the message.
        ("error" in tags and tags["error"] not in ("false", False)) or failed(tags), side, number,
    )  # fmt: skip


def _service(span: JsonObject, tags: JsonObject) -> str:
    name: JsonValue = object_of(span.get("localEndpoint")).get("serviceName")
    name = name or tags.get("service.name") or tags.get("k8s.deployment.name")
    return name if isinstance(name, str) else ""


ZIPKIN = Format("Zipkin JSON", "traces", _recognises, _read)
