"""Log lines of plain text, JSON lines and the Nezha CSV layout, read into one form."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from weft.core import JsonObject, JsonValue
from weft.core.record import loads
from weft.tools.dataset_files import DEFAULT_BOUNDS, Bounds, DataFile, Problem, Source, sources
from weft.tools.dataset_names import moment, service_of

_LEVELS = {"WARNING": "WARN", "SEVERE": "ERROR", "ERR": "ERROR", "CRITICAL": "FATAL"}
_WORD = "TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|SEVERE|FATAL|CRITICAL"
_PLAIN = re.compile(
    r"\A\[?(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
    r"|\d\d:\d\d:\d\d(?:[.,]\d++)?)?\]?\s*+"
    rf"\[?(?P<level>{_WORD})?\b\]?:?\s*+",
    re.IGNORECASE,
)
_IDS = re.compile(
    r"\b(?:trace[_-]?id)\s*+[:=]\s*+(?P<trace>[0-9a-f]{8,32})\b[\s,;]*+"
    r"(?:span[_-]?id\s*+[:=]\s*+(?P<span>[0-9a-f]{8,16})\b[\s,;]*+)?",
    re.IGNORECASE,
)
_LOGGER = re.compile(r"\A(?:[\w$]++|\[\.?)\.[\w$\[]")
"""How the first word of a message begins if it names a logger: `shop.Cart`, `[.[.web]`."""
_SEARCHED = 1 << 16
"""So many characters of a line are searched for ids."""
_HEAD = 4096
_COLUMNS = ("TimeUnixNano", "PodName", "TraceID", "SpanID", "Log")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log line; `time` is unix seconds, ids are empty where the line has none."""

    time: float
    service: str
    level: str
    logger: str
    message: str
    trace_id: str
    span_id: str
    file: str
    line: int

    @property
    def head(self) -> str:
        """The part of the message that is searched for what it tells of."""
        return self.message[:_HEAD]


class Logs(NamedTuple):
    """What was read, in time order, and what could not be."""

    lines: list[LogLine]
    problems: list[Problem]


class _Text(NamedTuple):
    time: float | None
    level: str
    logger: str
    message: str
    trace_id: str
    span_id: str


def read_logs(files: Iterable[DataFile], bounds: Bounds = DEFAULT_BOUNDS) -> Logs:
    """Read all files; blocking. A file or row that cannot be read costs only itself."""
    lines: list[LogLine] = []
    problems: list[Problem] = []
    for source in sources(files, bounds):
        if source.text.strip():
            is_csv = source.is_csv
            lines += _from_csv(source) if is_csv else _from_lines(source)
        problems += source.close()
    lines.sort(key=lambda line: (line.time, line.file, line.line))
    return Logs(lines, problems)


def _from_csv(source: Source) -> Iterable[LogLine]:
    header, rows = source.table()
    if missing := [name for name in _COLUMNS if name not in header]:
        source.note(f"is no log table: no column {', '.join(missing)}")
        return
    at, pod, trace, span, log = (header.index(name) for name in _COLUMNS)
    services: dict[str, str] = {}
    for number, row in rows:
        time = moment(row[at])
        if time is None or not row[pod]:
            source.malformed += 1
            continue
        if row[pod] not in services:
            services[row[pod]] = service_of(row[pod])
        text = _unwrapped(row[log])
        yield LogLine(
            time, services[row[pod]], text.level, text.logger, text.message,
            row[trace] or text.trace_id, row[span] or text.span_id, source.file.name, number,
        )  # fmt: skip


def _from_lines(source: Source) -> Iterable[LogLine]:
    stem = source.file.path.name.removesuffix(".xz").rsplit(".", 1)[0]
    json_lines = source.file.name.removesuffix(".xz").endswith((".jsonl", ".ndjson"))
    last = 0.0
    for number, line in source.lines():
        record = _object(line)
        if record is None and json_lines:
            source.malformed += 1
            continue
        text = _plain(line) if record is None else _from_json(record)
        time = text.time if text.time is not None else last
        last = time
        service = service_of(
            _first(record or {}, "service", "service.name", "service_name") or stem
        )
        yield LogLine(
            time, service, text.level, text.logger, text.message,
            text.trace_id, text.span_id, source.file.name, number,
        )  # fmt: skip


def _unwrapped(log: str) -> _Text:
    """Read a line as the container runtime kept it: JSON around text, or around JSON."""
    record = _object(log)
    if record is None:
        return _plain(log)
    inner = record.get("log")
    if not isinstance(inner, str):
        return _from_json(record)
    nested = _object(inner)
    return _plain(inner) if nested is None else _from_json(nested)


def _from_json(record: JsonObject) -> _Text:
    plain = _plain(_first(record, "message", "msg", "body", "log"))
    level = _first(record, "level", "severity", "severity_text", "levelname")
    fault = _first(record, "exception", "error", "exc_info", "exc_type").splitlines()
    return _Text(
        moment(record.get("timestamp") or record.get("time") or record.get("ts")),
        _level(level) or plain.level,
        _first(record, "logger", "name", "caller") or plain.logger,
        f"{plain.message} {fault[-1]}" if fault else plain.message,
        _first(record, "trace_id", "traceId", "TraceID") or plain.trace_id,
        _first(record, "span_id", "spanId", "SpanID") or plain.span_id,
    )


def _plain(line: str) -> _Text:
    stripped = line.strip()
    found = _PLAIN.match(stripped)
    rest = stripped[found.end() :] if found else line
    ids = _IDS.search(rest, 0, _SEARCHED)
    if ids:
        rest = rest[: ids.start()] + rest[ids.end() :]
    logger, message = _logger(rest) if found and found["level"] else ("", rest)
    return _Text(
        _full_time(found["time"]) if found else None,
        _level(found["level"] or "") if found else "",
        logger,
        message.strip(),
        ids["trace"] if ids else "",
        (ids["span"] or "") if ids else "",
    )


def _logger(text: str) -> tuple[str, str]:
    """Return the logger that `text` begins with, and the message behind it."""
    words = text.split(None, 1) if _LOGGER.match(text) else []
    return (words[0].removesuffix(":"), words[1]) if words[1:] else ("", text)


def _full_time(text: str | None) -> float | None:
    return (
        moment(text.replace(",", ".")) if text and len(text) > len("00:00:00.000000000") else None
    )


def _level(text: str) -> str:
    level = text.upper()
    return _LEVELS.get(level, level)


def _object(text: str) -> JsonObject | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _first(record: JsonObject, *names: str) -> str:
    for name in names:
        value: JsonValue = record.get(name)
        if isinstance(value, str) and value:
            return value
    return ""
