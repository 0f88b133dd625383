"""What a service tells about itself: spans, log lines and instruments, each written beside it."""

import json
import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer, get_current_span

SCOPE = "shop"


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One service's tracer, instruments and name."""

    service: str
    tracer: Tracer
    meter: Meter
    reader: InMemoryMetricReader


@contextmanager
def telemetry(service: str, directory: Path) -> Generator[Telemetry, None, None]:
    """Write `<service>.jsonl` and `<service>.spans.jsonl` into `directory` until closed."""
    resource = Resource({"service.name": service})
    traces = TracerProvider(resource=resource)
    exporter = SpanFile(directory / f"{service}.spans.jsonl", service)
    traces.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    reader = InMemoryMetricReader()
    metrics = MeterProvider([reader], resource=resource)
    handler = logging.FileHandler(directory / f"{service}.jsonl", encoding="utf-8")
    handler.setFormatter(JsonLine(service))
    root = logging.getLogger()
    root.addHandler(handler)
    logging.getLogger(service).setLevel(logging.INFO)
    try:
        yield Telemetry(service, traces.get_tracer(SCOPE), metrics.get_meter(SCOPE), reader)
    finally:
        traces.shutdown()
        metrics.shutdown()
        root.removeHandler(handler)
        handler.close()


class JsonLine(logging.Formatter):
    """One JSON object a line, joined to its trace by the ids of the current span."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": _rfc3339(record.created),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = repr(record.exc_info[1])
        context = get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = f"{context.trace_id:032x}"
            line["span_id"] = f"{context.span_id:016x}"
        return json.dumps(line, separators=(",", ":"))


class SpanFile(SpanExporter):
    """Appends each finished span to a file, in the JSON form that OTLP gives it."""

    def __init__(self, path: Path, service: str) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._service = service

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            self._file.write(json.dumps(_otlp(span)) + "\n")
        self._file.flush()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._file.close()


def _otlp(span: ReadableSpan) -> dict[str, object]:
    context = span.get_span_context()
    if context is None:
        raise ValueError(f"span {span.name!r} was never started")
    status: dict[str, object] = {"code": span.status.status_code.value}
    if span.status.description:
        status["message"] = span.status.description
    return {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "parentSpanId": f"{span.parent.span_id:016x}" if span.parent else "",
        "name": span.name,
        # OTLP counts kinds from 1 (0 is "unspecified"), the API from 0.
        "kind": span.kind.value + 1,
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
        "status": status,
    }


def _attributes(attributes: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: object) -> dict[str, object]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case _:
            return {"stringValue": str(value)}


def _rfc3339(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
