"""OTLP JSON: whole documents, one export in each line, and what Tempo's API answers."""

from collections.abc import Iterator

from incidents.attributes import object_of, picked, with_resources
from incidents.files import SourceFile
from incidents.formats import Fit, Format, Sample
from incidents.traces.spans import FAILURE_TAGS, NANOSECONDS, RawSpan, clock, failed, side_of
from weft.core import JsonObject, JsonValue

_LISTS = ("resourceSpans", "batches", "trace.resourceSpans", "result.resourceSpans")
_SCOPES = ("scopeSpans", "instrumentationLibrarySpans")
_ARRAYS = tuple(f"{top}.*.{scope}.*.spans" for top in _LISTS for scope in _SCOPES)
_RESOURCES = tuple(f"{top}.*.resource" for top in _LISTS)
_SERVICE = ("service.name", "k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name")
_WANTED = (*FAILURE_TAGS, *_SERVICE)
_UNNAMED = "unknown_service"
"""With this begins what an SDK writes whose process was given no name."""
_ERRORS = (2, "2", "STATUS_CODE_ERROR", "ERROR")


def _recognises(sample: Sample) -> Fit:
    if not sample.is_json:
        return Fit(0)
    tops = [top for top in _LISTS if top in sample.keys]
    if not tops:
        return Fit(0.1, f"it has none of {', '.join(_LISTS)}")
    return Fit(1)


def service_named(resource: JsonObject) -> str:
    """Return what a resource's attributes call its service; empty if they do not."""
    for key in _SERVICE:
        name = resource.get(key)
        if isinstance(name, str) and name and not name.startswith(_UNNAMED):
            return name
    return ""


def _read(source: SourceFile) -> Iterator[RawSpan]:
    rows = enumerate(_of_services(source), 1)
    yield from source.made_of(rows, lambda number, row: span_of(object_of(row[0]), row[1], number))


def _of_services(source: SourceFile) -> Iterator[tuple[JsonValue, str]]:
    last: JsonObject | None = None
    service = ""
    for span, resource in with_resources(source.json_items(*_ARRAYS), _RESOURCES):
        if resource is not last:
            last, service = resource, service_named(resource)
        yield span, service


def span_of(span: JsonObject, service: str, number: int) -> RawSpan:
    """Return the file's `number`th span of OTLP, whose resource names this service."""
    tags = picked(span.get("attributes"), _WANTED)
    has_failed = object_of(span.get("status")).get("code") in _ERRORS
    return RawSpan(
        span.get("traceId"), span.get("spanId"), span.get("parentSpanId"),
        service or service_named(tags), span.get("name"),
        clock(span.get("startTimeUnixNano"), NANOSECONDS),
        clock(span.get("endTimeUnixNano"), NANOSECONDS),
        has_failed or failed(tags), side_of(span.get("kind")), number,
    )  # fmt: skip


OTLP = Format("OTLP JSON spans", "traces", _recognises, _read)
