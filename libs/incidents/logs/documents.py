"""Logs as JSON documents: OpenTelemetry's, Loki's, and arrays of records."""

from collections.abc import Iterable, Iterator
from functools import partial

from incidents.dating import UTC_DATING
from incidents.files import SourceFile
from incidents.formats import Fit, Format, Sample, fits_keys
from incidents.logs.entry import LogEntry, level_of, severity_of
from incidents.logs.envelopes import read_line
from incidents.logs.line import Lines, LogLine
from incidents.logs.names import service_of_file
from incidents.logs.records import WRAPPERS, identifier, is_record, read_record
from incidents.logs.text import read_inner
from incidents.times import recorded
from weft.core import JsonObject, JsonValue

_ARRAYS = (
    "", "hits.hits", "events", "entries", "records", "Records", "logs", "items", "results", "data",
)  # fmt: skip
_LOKI = ("data.result", "streams")
_LOKI_SERVICES = ("service_name", "service", "app", "job", "container", "pod")


def _made(source: SourceFile, entries: Iterable[LogEntry | None]) -> Iterator[LogLine]:
    """Yield the line of each entry; None is one that cannot be read."""
    lines = Lines(source, service_of_file(source.sample.name))
    for number, entry in enumerate(entries, 1):
        if entry is None or entry.is_damaged:
            source.skip(number)
        else:
            yield lines.made(number, entry)


def _read_otlp(source: SourceFile) -> Iterator[LogLine]:
    def entries() -> Iterator[LogEntry | None]:
        for item in source.json_items("resourceLogs"):
            resource = item.record
            if resource is None or item.array != "resourceLogs":
                yield None
                continue
            service = _attribute(
                _object(resource.get("resource")).get("attributes"), "service.name"
            )
            for scope in _objects(
                resource.get("scopeLogs") or resource.get("instrumentationLibraryLogs")
            ):
                logger = _text(_object(scope.get("scope")).get("name"))
                for record in _objects(scope.get("logRecords") or scope.get("logs")):
                    yield _of_otlp(record, service, logger)

    yield from _made(source, entries())


def _of_otlp(record: JsonObject, service: str, logger: str) -> LogEntry | None:
    written = record.get("timeUnixNano") or record.get("observedTimeUnixNano")
    time = recorded(written) if written not in (None, "", "0", 0) else None
    level = level_of(record.get("severityText")) or severity_of(record.get("severityNumber"))
    body = _plain(record.get("body"))
    envelope = LogEntry(
        "", time, level, logger, service,
        identifier(_text(record.get("traceId"))), identifier(_text(record.get("spanId"))),
        is_damaged=time is None and written not in (None, "", "0", 0),
    )  # fmt: skip
    fault = _attribute(record.get("attributes"), "exception.message")
    read = envelope.around(read_inner(body, UTC_DATING) if body else LogEntry(""))
    if fault and fault not in read.message:
        read.message = f"{read.message} {fault}".strip()
    return read


def _read_loki(source: SourceFile) -> Iterator[LogLine]:
    def entries() -> Iterator[LogEntry | None]:
        for item in source.json_items(*_LOKI):
            values = (item.record or {}).get("values")
            if not isinstance(values, list):
                yield None
                continue
            service = _service(_object((item.record or {}).get("stream")))
            for pair in values:
                yield _of_loki(pair, service, source)

    yield from _made(source, entries())


def _of_loki(pair: JsonValue, service: str, source: SourceFile) -> LogEntry | None:
    match pair:
        case [written, str() as line, *_]:
            time = recorded(written)
        case _:
            return None
    if time is None:
        return None
    return LogEntry("", time, service=service).around(read_line(line.strip(), source.dating))


def _service(labels: JsonObject) -> str:
    return next((text for name in _LOKI_SERVICES if (text := _text(labels.get(name)))), "")


def _read_array(source: SourceFile) -> Iterator[LogLine]:
    def entries() -> Iterator[LogEntry | None]:
        for item in source.json_items(*_ARRAYS):
            record = item.record or _of_fields(item.value)
            if record is None or item.array == "*":
                yield None
                continue
            yield read_record(record, source.dating, read_inner)

    yield from _made(source, entries())


def _of_fields(value: JsonValue) -> JsonObject | None:
    """Return a record that is a list of fields with their values, as queries of CloudWatch answer."""
    fields = {_text(one.get("field")): one.get("value") for one in _objects(value)}
    return fields if fields and "" not in fields else None


def _fits_array(sample: Sample) -> Fit:
    """Tell whether the items of an array are log records."""
    for array in _ARRAYS:
        item = f"{array}.*." if array else "*."
        names = frozenset(key.removeprefix(item) for key in sample.keys if key.startswith(item))
        if names:
            if is_record(_unwrapped(names)) or {"*.field", "*.value"} <= names:
                return Fit(0.85)
            return Fit(0.3, "its records have neither a time nor a level beside a message")
    return Fit(0.0)


def _unwrapped(names: frozenset[str]) -> frozenset[str]:
    """Return names with those that stand in a wrapper, as `unwrapped` finds them."""
    inner = (name.partition(".") for name in names)
    return names | {rest for wrapper, _, rest in inner if wrapper in WRAPPERS and rest}


def _fits_loki(sample: Sample) -> Fit:
    fits = [fits_keys(sample, (f"{array}.*.stream", f"{array}.*.values")) for array in _LOKI]
    return max(fits, key=lambda fit: (not fit.lacks, fit.score))


def _plain(value: JsonValue) -> str:
    """Return the text of OpenTelemetry's `AnyValue`."""
    match value:
        case (str() as text) | {"stringValue": str() as text}:
            return text
        case {"kvlistValue": {"values": list() as pairs}}:
            return " ".join(
                f"{_text(pair.get('key'))}={_plain(pair.get('value'))}" for pair in _objects(pairs)
            )
        case {"arrayValue": {"values": list() as items}}:
            return " ".join(_plain(item) for item in items)
        case _:
            return next((str(one) for one in _object(value).values()), "")


def _attribute(attributes: JsonValue, name: str) -> str:
    for attribute in _objects(attributes):
        if attribute.get("key") == name:
            return _plain(attribute.get("value"))
    return ""


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: JsonValue) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


DOCUMENT_FORMATS: tuple[Format[LogLine], ...] = (
    Format("OTLP JSON logs", "logs", partial(fits_keys, wanted=("resourceLogs",)), _read_otlp),
    Format("Loki JSON", "logs", _fits_loki, _read_loki),
    Format("JSON array of log records", "logs", _fits_array, _read_array),
)
