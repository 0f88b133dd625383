"""Log lines of plain text, JSON lines and the Nezha CSV layout, read into one form."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

from incidents.files import DataFile, SourceFile, read_all
from incidents.formats import Fit, Format, Sample, fits_columns
from incidents.json_values import loaded
from incidents.names import service_of, short_name
from incidents.problems import FileProblem
from incidents.times import moment
from weft.core import FileCoverage, JsonObject, JsonValue

__all__ = ["LogLine", "read_logs"]

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
_MOST_LINES = 300_000
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
    problems: list[FileProblem]
    files: list[FileCoverage]


class _Text(NamedTuple):
    time: float | None
    level: str
    logger: str
    message: str
    trace_id: str
    span_id: str
    odd_time: bool
    """A time is there, but cannot be read."""


class _TextLine(NamedTuple):
    """A line of a text, with whether it has a time of its own, and whether that is unreadable."""

    line: LogLine
    dated: bool
    odd_time: bool


def read_logs(files: Iterable[DataFile], most: int = _MOST_LINES) -> Logs:
    """Read all files; blocking. A file or row that cannot be read costs only itself."""
    lines: list[LogLine] = []

    def take(source: SourceFile, rows: Iterator[LogLine]) -> None:
        for line in rows:
            if len(lines) >= most:
                source.note(f"only the first {most} lines of all files were read")
                return
            lines.append(line)

    read = read_all(files, LOG_FORMATS, take)
    lines.sort(key=lambda line: (line.time, line.file, line.line))
    return Logs(lines, read.problems, read.files)


def _from_csv(source: SourceFile) -> Iterator[LogLine]:
    header, rows = source.table()
    at, pod, trace, span, log = (header.index(name) for name in _COLUMNS)
    services: dict[str, str] = {}

    def made(number: int, row: list[str]) -> LogLine | None:
        time = moment(row[at])
        if time is None or not row[pod]:
            return None
        if row[pod] not in services:
            services[row[pod]] = service_of(row[pod])
        text = _unwrapped(row[log])
        source.keep(time, level=text.level)
        return LogLine(
            time, services[row[pod]], text.level, text.logger, text.message,
            short_name(row[trace] or text.trace_id), short_name(row[span] or text.span_id),
            source.file.name, number,
        )  # fmt: skip

    yield from source.made_of(rows, made)


def _from_lines(source: SourceFile) -> Iterator[LogLine]:
    """A line without a time has that of the line before it, or of the first that has one.

    One with a damaged time is malformed, unless the times of the whole file cannot be read.
    """
    stem = PurePosixPath(source.sample.name).name.rsplit(".", 1)[0]
    json_lines = source.sample.name.endswith((".jsonl", ".ndjson"))
    last: float | None = None

    def made(number: int, line: str) -> _TextLine | None:
        nonlocal last
        record = loaded(line)
        if record is None and json_lines:
            return None
        text = _plain(line) if record is None else _from_json(record)
        last = last if text.time is None else text.time
        service = _first(record or {}, "service", "service.name", "service_name") or stem
        read = LogLine(
            last or 0.0, service_of(service), text.level, text.logger, text.message,
            text.trace_id, text.span_id, source.file.name, number,
        )  # fmt: skip
        return _TextLine(read, text.time is not None, text.odd_time)

    waiting: list[_TextLine] = []
    for row in source.made_of(source.lines(), made):
        if last is None:
            waiting.append(row)
            continue
        for one in (*waiting, row):
            if one.odd_time:
                source.skip(one.line.line)
            else:
                source.keep(one.line.time if one.dated else None, level=one.line.level)
                yield one.line if one is row else replace(one.line, time=last)
        waiting.clear()
    if waiting:
        source.note("no line has a time that can be read")
    for one in waiting:
        source.keep(None, level=one.line.level)
        yield one.line


def _unwrapped(log: str) -> _Text:
    """Read a line as the container runtime kept it: JSON around text, or around JSON."""
    record = loaded(log)
    if record is None:
        return _plain(log)
    inner = record.get("log")
    if not isinstance(inner, str):
        return _from_json(record)
    nested = loaded(inner)
    return _plain(inner) if nested is None else _from_json(nested)


def _from_json(record: JsonObject) -> _Text:
    plain = _plain(_first(record, "message", "msg", "body", "log"))
    level = _first(record, "level", "severity", "severity_text", "levelname")
    fault = _first(record, "exception", "error", "exc_info", "exc_type").splitlines()
    written = record.get("timestamp") or record.get("time") or record.get("ts")
    time = moment(written)
    return _Text(
        time,
        _level(level) or plain.level,
        short_name(_first(record, "logger", "name", "caller")) or plain.logger,
        f"{plain.message} {fault[-1]}" if fault else plain.message,
        short_name(_first(record, "trace_id", "traceId", "TraceID")) or plain.trace_id,
        short_name(_first(record, "span_id", "spanId", "SpanID")) or plain.span_id,
        odd_time=bool(written) and time is None,
    )


def _plain(line: str) -> _Text:
    stripped = line.strip()
    head = _PLAIN.match(stripped)
    rest = stripped[head.end() :] if head else line
    ids = _IDS.search(rest, 0, _SEARCHED)
    if ids:
        rest = rest[: ids.start()] + rest[ids.end() :]
    logger, message = _logger(rest) if head and head["level"] else ("", rest)
    written = _full_time(head["time"]) if head else None
    time = moment(written)
    return _Text(
        time,
        _level(head["level"] or "") if head else "",
        short_name(logger),
        message.strip(),
        ids["trace"] if ids else "",
        (ids["span"] or "") if ids else "",
        odd_time=written is not None and time is None,
    )


def _logger(text: str) -> tuple[str, str]:
    """Return the logger that `text` begins with, and the message behind it."""
    words = text.split(None, 1) if _LOGGER.match(text) else []
    return (words[0].removesuffix(":"), words[1]) if words[1:] else ("", text)


def _full_time(text: str | None) -> str | None:
    return text.replace(",", ".") if text and len(text) > len("00:00:00.000000000") else None


def _level(text: str) -> str:
    level = short_name(text.upper())
    return _LEVELS.get(level, level)


def _first(record: JsonObject, *names: str) -> str:
    for name in names:
        value: JsonValue = record.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def _is_text(sample: Sample) -> Fit:
    if sample.name.endswith(".csv"):
        return Fit(0.05, "it is a table of another kind")
    return Fit(0.1)


LOG_FORMATS: tuple[Format[LogLine], ...] = (
    Format("table of log lines", "logs", partial(fits_columns, wanted=_COLUMNS), _from_csv),
    Format("log lines", "logs", _is_text, _from_lines),
)
