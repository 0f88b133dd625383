"""Spans of OTLP JSON, Jaeger JSON and the Nezha CSV layout, read into one form."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from incidents.files import DataFile, SourceFile, read_all
from incidents.formats import Format, fits_columns, fits_keys
from incidents.names import service_of, short_name
from incidents.problems import FileProblem
from incidents.times import moment, nanoseconds
from weft.core import FileCoverage, JsonObject, JsonValue

__all__ = ["Span", "read_traces"]

_COLUMNS = (
    "TraceID", "SpanID", "ParentID", "PodName", "OperationName",
    "StartTimeUnixNano", "EndTimeUnixNano",
)  # fmt: skip
_ERROR_CODES = (2, "STATUS_CODE_ERROR", "ERROR")
_SERVER_ERROR = 500
_MOST_SPANS = 300_000


@dataclass(frozen=True, slots=True)
class Span:
    """One operation; times are unix seconds, `parent_id` is empty for a root."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    operation: str
    start: float
    end: float
    error: bool
    file: str
    line: int
    """Line of the file, or the span's number where a file is one JSON value."""

    @property
    def duration(self) -> float:
        return self.end - self.start


class Traces(NamedTuple):
    """What was read, in the order of start, and what could not be."""

    spans: list[Span]
    problems: list[FileProblem]
    files: list[FileCoverage]


def read_traces(files: Iterable[DataFile], most: int = _MOST_SPANS) -> Traces:
    """Read all files; blocking. A file or span that cannot be read costs only itself."""
    spans: list[Span] = []

    def take(source: SourceFile, rows: Iterator[Span]) -> None:
        for span in rows:
            if len(spans) >= most:
                source.note(f"only the first {most} spans of all files were read")
                return
            source.keep(span.start)
            spans.append(span)

    read = read_all(files, TRACE_FORMATS, take)
    spans.sort(key=lambda span: (span.start, -span.end, span.file, span.line))
    return Traces(spans, read.problems, read.files)


def _from_csv(source: SourceFile) -> Iterator[Span]:
    header, rows = source.table()
    trace, span, parent, pod, operation, start, end = (header.index(name) for name in _COLUMNS)
    services: dict[str, str] = {}

    def made(number: int, row: list[str]) -> Span | None:
        if row[pod] not in services:
            services[row[pod]] = service_of(row[pod])
        above = row[parent] if row[parent] != "root" else ""
        begin, finish = nanoseconds(row[start]), nanoseconds(row[end])
        if begin is None or finish is None:
            return None
        return Span(
            short_name(row[trace]), short_name(row[span]), short_name(above),
            services[row[pod]], short_name(row[operation]),
            begin, max(begin, finish), error=False, file=source.file.name, line=number,
        )  # fmt: skip

    yield from source.made_of(rows, made)


def _from_otlp(source: SourceFile) -> Iterator[Span]:
    return _read(source, "resourceSpans", _otlp)


def _from_jaeger(source: SourceFile) -> Iterator[Span]:
    return _read(source, "data", _jaeger)


def _read(
    source: SourceFile, array: str, spans: "Callable[[JsonObject], Iterator[_Read]]"
) -> Iterator[Span]:
    """Read the spans of each item of an array; an item that is damaged counts as one."""
    name = source.file.name

    def numbered() -> Iterator[tuple[int, _Read]]:
        number = 0
        for item in source.json_items(array):
            if item.value is None or item.array != array:
                yield number, _damaged
                continue
            for read in spans(item.value):
                number += 1
                yield number, read

    yield from source.made_of(numbered(), lambda number, read: _checked(read(), name, number))


def _damaged() -> "_RawSpan":
    raise ValueError("it is no object of the format")


class _RawSpan(NamedTuple):
    trace_id: JsonValue
    span_id: JsonValue
    parent_id: JsonValue
    service: str
    operation: JsonValue
    start: float | None
    end: float | None
    error: bool


_Read = Callable[[], _RawSpan]
"""Reads one span, later: whatever is wrong with it is then counted as wrong with it alone."""


def _checked(raw: _RawSpan, file: str, number: int) -> Span | None:
    ids = (raw.trace_id, raw.span_id, raw.operation)
    if not all(isinstance(text, str) and text for text in ids):
        return None
    if raw.start is None or raw.end is None or not raw.service:
        return None
    if not math.isfinite(raw.end):
        return None
    return Span(
        short_name(str(raw.trace_id)), short_name(str(raw.span_id)),
        short_name(str(raw.parent_id or "")), service_of(raw.service),
        short_name(str(raw.operation)), raw.start, max(raw.start, raw.end), raw.error, file, number,
    )  # fmt: skip


def _otlp(resource: JsonObject) -> Iterator[_Read]:
    described = _object(resource.get("resource")).get("attributes")
    service = str(_attributes(described).get("service.name") or "")
    scopes = resource.get("scopeSpans") or resource.get("instrumentationLibrarySpans")
    for scope in _objects(scopes):
        for span in _objects(scope.get("spans")):
            yield partial(_otlp_span, span, service)


def _otlp_span(span: JsonObject, service: str) -> _RawSpan:
    return _RawSpan(
        span.get("traceId"), span.get("spanId"), span.get("parentSpanId"),
        service, span.get("name"),
        moment(span.get("startTimeUnixNano")), moment(span.get("endTimeUnixNano")),
        _object(span.get("status")).get("code") in _ERROR_CODES,
    )  # fmt: skip


def _jaeger(trace: JsonObject) -> Iterator[_Read]:
    processes = _object(trace.get("processes"))
    for span in _objects(trace.get("spans")):
        yield partial(_jaeger_span, span, processes)


def _jaeger_span(span: JsonObject, processes: JsonObject) -> _RawSpan:
    process = _object(processes.get(str(span.get("processID"))))
    start = moment(span.get("startTime"))
    tags = {str(tag.get("key")): tag.get("value") for tag in _objects(span.get("tags"))}
    return _RawSpan(
        span.get("traceID"), span.get("spanID"), _parent(span),
        str(process.get("serviceName") or ""), span.get("operationName"),
        start, _after(start, span.get("duration")), _failed(tags),
    )  # fmt: skip


def _after(start: float | None, microseconds: JsonValue) -> float | None:
    if start is None or not isinstance(microseconds, int | float):
        return None
    return start + microseconds / 1e6


def _parent(span: JsonObject) -> JsonValue:
    for reference in _objects(span.get("references")):
        if reference.get("refType") == "CHILD_OF":
            return reference.get("spanID")
    return span.get("parentSpanID")


def _failed(tags: dict[str, JsonValue]) -> bool:
    code = tags.get("http.status_code", tags.get("http.response.status_code"))
    return (
        tags.get("error") in (True, "true")
        or tags.get("otel.status_code") == "ERROR"
        or (isinstance(code, int) and code >= _SERVER_ERROR)
    )


def _attributes(value: JsonValue) -> dict[str, JsonValue]:
    return {
        str(attribute.get("key")): _object(attribute.get("value")).get("stringValue")
        for attribute in _objects(value)
    }


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: JsonValue) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


TRACE_FORMATS: tuple[Format[Span], ...] = (
    Format("table of spans", "traces", partial(fits_columns, wanted=_COLUMNS), _from_csv),
    Format("OTLP JSON", "traces", partial(fits_keys, wanted=("resourceSpans",)), _from_otlp),
    Format(
        "Jaeger JSON", "traces", partial(fits_keys, wanted=("data", "data.*.spans")), _from_jaeger
    ),
)
