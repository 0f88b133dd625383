"""Log records of JSON or of key=value pairs, whatever their keys are called."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from incidents.dating import Dating
from incidents.json_values import loaded
from incidents.logs.entry import LogEntry, level_of, severity_of, status_level, worse
from incidents.logs.stamps import stamp
from incidents.names import short_name
from incidents.times import recorded
from weft.core import JsonObject, JsonValue

_TIMES = (
    "time", "ts", "timestamp", "@timestamp", "@t", "date", "datetime", "eventTime", "t",
    "timeUnixNano", "TimeUnixNano", "observedTimeUnixNano", "__REALTIME_TIMESTAMP",
    "_SOURCE_REALTIME_TIMESTAMP", "created", "asctime", "receiveTimestamp", "TimeGenerated", "_time",
    "TimeCreated", "EventTime", "StartUTC", "lastTimestamp",
)  # fmt: skip
_LEVELS = (
    "LevelDisplayName", "level", "severity", "lvl", "log.level", "@l", "severityText", "severity_text", "SeverityText",
    "levelname", "level_name", "loglevel", "log_level", "logLevel", "LogLevel", "PRIORITY",
    "error_severity", "s",
)  # fmt: skip
_OTEL_LEVELS = ("severityNumber", "severity_number", "SeverityNumber")
_STATUSES = (
    "status", "status_code", "statusCode", "http.response.status_code", "http.status_code",
    "response_code", "DownstreamStatus", "res.statusCode", "resp_status", "httpRequest.status",
)  # fmt: skip
_MESSAGES = (
    "message", "msg", "@m", "@mt", "body", "Body", "event", "MESSAGE", "short_message",
    "log", "line", "textPayload", "jsonPayload", "text", "RenderedMessage", "event.original",
    "@message", "_raw",
)  # fmt: skip
_LOGGERS = (
    "logger",
    "logger_name",
    "log.logger",
    "loggerName",
    "name",
    "caller",
    "SourceContext",
    "c",
)
_SERVICES = (
    "service", "service.name", "service_name", "app", "application", "app_name", "dd.service",
    "resource.service.name", "attributes.service.name", "kubernetes.labels.app",
    "kubernetes.container_name", "kubernetes.container.name", "labels.app", "labels.service",
    "labels.service_name", "labels.job", "labels.container", "resource.labels.container_name",
    "container_name", "CONTAINER_NAME", "SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "UNIT",
    "@fields.service", "svc", "serviceName", "ProviderName", "involvedObject.name",
    "job",
)  # fmt: skip
_TRACES = (
    "trace_id", "traceId", "TraceID", "TraceId", "trace.id", "traceid", "dd.trace_id", "otelTraceID",
    "logging.googleapis.com/trace", "trace",
)  # fmt: skip
_SPANS = (
    "span_id", "spanId", "SpanID", "SpanId", "span.id", "spanid", "dd.span_id", "otelSpanID",
    "logging.googleapis.com/spanId",
)  # fmt: skip
_FAULTS = (
    "exception", "error", "err", "exc_info", "exc_type", "error.message", "err.message",
    "error.type", "stack_trace", "@x", "Exception",
)  # fmt: skip
_METHODS = (
    "method", "http.request.method", "request_method", "RequestMethod", "req.method",
    "request.method", "httpRequest.requestMethod",
)  # fmt: skip
_PATHS = (
    "path", "url.path", "uri", "request_uri", "RequestPath", "req.url", "request.uri", "url",
    "httpRequest.requestUrl",
)  # fmt: skip
_PAIR = re.compile(
    r'(?<!\S)(?P<key>[A-Za-z_@][\w.@/-]{0,63}+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"?|(?P<bare>[^\s"]*+))'
)
_ORIGIN = re.compile(r"\Ahttps?://[^/\s]{1,255}+(?=/)")
_COUNTED = re.compile(r"/Date\((\d{10,17})\)/")
_ESCAPED = re.compile(r'\\(["\\nt])')
_ESCAPES = {"n": "\n", "t": "\t"}
_KEYS = frozenset({*_TIMES, *_LEVELS, *_MESSAGES}) - {"t", "s", "c", "text", "line"}
_MOST_PAIRS = 64
_START = frozenset({0})

Inner = Callable[[str, Dating], LogEntry]
"""Reads the text that a record holds."""


def read_json(text: str, dating: Dating, inner: Inner) -> LogEntry | None:
    """Return what a JSON object says; None if the text is none."""
    record = loaded(text)
    return None if record is None else read_record(record, dating, inner)


def read_pairs(line: str, dating: Dating, inner: Inner) -> LogEntry | None:
    """Return what key=value pairs say; None if the line does not begin with one that is known."""
    first = _PAIR.match(line.lstrip())
    if first is None or first["key"] not in _KEYS:
        return None
    record: JsonObject = {}
    rest: list[str] = []
    end = 0
    for number, pair in enumerate(_PAIR.finditer(line)):
        if number >= _MOST_PAIRS:
            break
        rest.append(line[end : pair.start()])
        end = pair.end()
        quoted = pair["quoted"]
        record[pair["key"]] = pair["bare"] if quoted is None else _ESCAPED.sub(_unescaped, quoted)
    rest.append(line[end:])
    words = " ".join("".join(rest).split())
    if words and not _text(_value(record, _shape(tuple(record)).messages)):
        record["msg"] = words
    return read_record(record, dating, inner)


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[1])


def is_record(keys: Mapping[str, JsonValue] | frozenset[str]) -> bool:
    """Tell whether an object with these keys is a log record: it has a time, or a level, and words."""
    names = frozenset(map(str.casefold, _named(keys) if isinstance(keys, Mapping) else keys))
    heads, words = names & (_NAMED_TIMES | _NAMED_LEVELS), names & _NAMED_MESSAGES
    return bool(heads and words) and len(heads | words) > 1  # a status may be of anything


def _named(record: Mapping[str, JsonValue]) -> frozenset[str]:
    """Return the names of an object's values, and of those one step below it."""
    below = (
        f"{key}.{name}" for key, one in record.items() if isinstance(one, dict) for name in one
    )
    return frozenset((*record, *below))


def unwrapped(record: JsonObject) -> JsonObject:
    """Return a record with what its writer wrapped up in it, as exports of log stores do."""
    for _ in range(_MOST_WRAPPED):
        inner = next((one for key in WRAPPERS if isinstance(one := record.get(key), dict)), None)
        if inner is None or is_record(record):
            break
        rest = {key: value for key, value in record.items() if key not in WRAPPERS}
        record = {**rest, **inner}
    return record


WRAPPERS = ("_source", "attributes", "result", "properties")
_MOST_WRAPPED = 3
_NAMED_TIMES = frozenset(map(str.casefold, _TIMES))
_NAMED_LEVELS = frozenset(map(str.casefold, (*_LEVELS, *_OTEL_LEVELS, *_STATUSES))) - {"s"}
_NAMED_MESSAGES = frozenset(map(str.casefold, (*_MESSAGES, *_STATUSES)))


def read_record(record: JsonObject, dating: Dating, inner: Inner) -> LogEntry:
    """Return what a record says, and the text in it."""
    record = unwrapped(record)
    shape = _shape(tuple(record))
    entry, body = _outlined(record, shape, dating)
    if isinstance(body, dict) and isinstance(body.get("stringValue"), str):
        body = body["stringValue"]
    if isinstance(body, dict):
        nested = read_record(body, dating, inner)
        read = entry.around(nested)
    elif isinstance(body, str) and body:
        read = entry.around(inner(body.strip(), dating))
    else:
        read = entry
    fault = _fault(record, shape)
    if fault and fault not in read.message:
        read.message = f"{read.message} {fault}".strip()
    request = _request(record, shape)
    if request and not read.message.endswith(request):
        read.message = f"{read.message} {request}".strip()
    status = status_level(_value(record, shape.statuses))
    read.level = worse(read.level, status) if request else read.level or status
    return read


def _outlined(record: JsonObject, shape: "_Shape", dating: Dating) -> tuple[LogEntry, JsonValue]:
    """Return what a record says besides its message, and its message."""
    written = _value(record, shape.times)
    time = time_of(written, dating)
    body = _value(record, shape.messages)
    level = _value(record, shape.levels)
    number = _value(record, shape.numbers)
    service = _text(_value(record, shape.services)) or _bunyan(record)
    logger = _text(_value(record, shape.loggers))
    entry = LogEntry(
        "" if isinstance(body, str | dict) or body is None else str(body)[:200],
        time,
        level_of(level) if level is not None else severity_of(number),
        "" if logger == service else short_name(logger),
        service,
        identifier(_text(_value(record, shape.traces))),
        identifier(_text(_value(record, shape.spans))),
        is_damaged=written not in (None, "") and time is None,
        is_record=True,
    )
    return entry, body


def identifier(written: str) -> str:
    """Return an id in one form: without the path it stands in, and without case."""
    return short_name(written.rsplit("/", 1)[-1].lower())


def time_of(value: JsonValue, dating: Dating) -> float | None:
    """Return unix seconds of a record's time, in whatever form it has."""
    if isinstance(value, dict):
        inner = value.get("$date", value.get("seconds"))
        return None if isinstance(inner, dict) else time_of(inner, dating)
    if isinstance(value, str) and (counted := _COUNTED.fullmatch(value)):
        value = counted[1]  # as .NET writes times in JSON
    time = recorded(value, dating)
    if time is None and isinstance(value, str):
        mark = stamp(value, dating, _START)
        return mark.time if mark else None
    return time


class _Shape(NamedTuple):
    """Under which names an object may have what is read of it: most records of a file are alike."""

    times: tuple[str, ...]
    messages: tuple[str, ...]
    levels: tuple[str, ...]
    numbers: tuple[str, ...]
    services: tuple[str, ...]
    loggers: tuple[str, ...]
    traces: tuple[str, ...]
    spans: tuple[str, ...]
    faults: tuple[str, ...]
    statuses: tuple[str, ...]
    methods: tuple[str, ...]
    paths: tuple[str, ...]


@lru_cache(maxsize=4096)
def _shape(keys: tuple[str, ...]) -> _Shape:
    """Return the shape of objects with these keys."""
    every = (
        _TIMES, _MESSAGES, _LEVELS, _OTEL_LEVELS, _SERVICES, _LOGGERS,
        _TRACES, _SPANS, _FAULTS, _STATUSES, _METHODS, _PATHS,
    )  # fmt: skip
    return _Shape(*(_present(names, keys) for names in every))


def _value(record: JsonObject, names: tuple[str, ...]) -> JsonValue:
    """Return the first value there is under one of the names, which may lead through objects."""
    for name in names:
        value = record.get(name)
        if value is None and "." in name:
            value = _deep(record, name)
        if value is not None and value != "":
            return value
    return None


def _present(names: tuple[str, ...], keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the names that an object of these keys may have."""
    own = {key.casefold(): key for key in reversed(keys)} | {key: key for key in keys}
    present = []
    for name in names:
        first, dot, rest = name.partition(".")
        if (key := own.get(name) or own.get(name.casefold())) is not None:
            present.append(key)
        elif dot and (key := own.get(first)) is not None:
            present.append(f"{key}.{rest}")
    return tuple(present)


def _deep(record: JsonObject, path: str) -> JsonValue:
    first, _, rest = path.partition(".")
    value = record.get(first)
    if not isinstance(value, dict):
        return None
    return _deep(value, rest) if "." in rest and rest not in value else value.get(rest)


def _text(value: JsonValue) -> str:
    if isinstance(value, dict):
        value = value.get("name", value.get("stringValue"))
    return value if isinstance(value, str) else ""


def _bunyan(record: JsonObject) -> str:
    """Return the name that bunyan gives every record, which is the program's."""
    return _text(record.get("name")) if "v" in record and "pid" in record else ""


def _fault(record: JsonObject, shape: _Shape) -> str:
    """Return the last line of what is told of an exception."""
    value = _value(record, shape.faults)
    if isinstance(value, dict):
        value = value.get("message", value.get("type"))
    rows = value.splitlines() if isinstance(value, str) else []
    kept = [row for row in rows if row.strip() and not row.lstrip().startswith(("at ", "..."))]
    return kept[-1].strip() if kept else ""


def _request(record: JsonObject, shape: _Shape) -> str:
    """Return the request that a record tells of; empty if it tells of none with its status."""
    status = _value(record, shape.statuses)
    if status is None:
        return ""
    names = (shape.methods, shape.paths)
    words = [_ORIGIN.sub("", _text(_value(record, some))).split("?", 1)[0] for some in names]
    return " ".join((*filter(None, words), str(status))) if any(words) else ""
