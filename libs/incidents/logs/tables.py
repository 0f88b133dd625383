"""Logs as tables: Nezha's, W3C's extended log format, and CSV with a time and a message."""

from collections.abc import Iterator
from functools import partial

from incidents.files import SourceFile
from incidents.formats import Fit, Format, Sample, fits_columns
from incidents.logs.entry import LogEntry, status_level
from incidents.logs.envelopes import read_line
from incidents.logs.line import Lines, LogLine
from incidents.logs.names import service_of_file
from incidents.logs.records import is_record, read_record
from incidents.logs.text import read_inner
from incidents.times import recorded
from weft.core import JsonObject

_COLUMNS = ("TimeUnixNano", "PodName", "TraceID", "SpanID", "Log")
_FIELDS = "#Fields:"
_NO_FIELDS = "it has no #Fields with date, time and cs-uri-stem"


def _read_pods(source: SourceFile) -> Iterator[LogLine]:
    header, rows = source.table()
    at, pod, trace, span, log = (header.index(name) for name in _COLUMNS)
    lines = Lines(source, "")

    def made(_: int, row: list[str]) -> LogEntry | None:
        time = recorded(row[at])
        if time is None or not row[pod]:
            return None
        envelope = LogEntry("", time, service=row[pod], trace_id=row[trace], span_id=row[span])
        read = envelope.around(read_line(row[log].strip(), source.dating))
        read.trace_id = row[trace] or read.trace_id
        read.span_id = row[span] or read.span_id
        return read

    for number, entry in source.made_of(rows, lambda at, row: _numbered(at, made(at, row))):
        yield lines.made(number, entry)


def _numbered(number: int, entry: LogEntry | None) -> tuple[int, LogEntry] | None:
    return None if entry is None else (number, entry)


def _read_csv(source: SourceFile) -> Iterator[LogLine]:
    header, rows = source.table()
    names = [_key(name) for name in header]
    lines = Lines(source, service_of_file(source.sample.name))

    def made(number: int, row: list[str]) -> tuple[int, LogEntry] | None:
        record: JsonObject = dict(zip(names, row, strict=True))
        entry = read_record(record, source.dating, read_inner)
        return None if entry.is_damaged else (number, entry)

    for number, entry in source.made_of(rows, made):
        yield lines.made(number, entry)


def _key(column: str) -> str:
    """Return a column's name as records write it: `Message` and `@timestamp` are known."""
    name = column.strip()
    return name if name.startswith("@") else name.lower().replace(" ", "_")


def _fits_csv(sample: Sample) -> Fit:
    names = frozenset(_key(name) for name in sample.header)
    if not sample.header[1:] or not sample.lines[1:]:
        return Fit(0.0)
    if is_record(names):
        return Fit(0.7)
    return Fit(0.2, "it is a table with no column for a time or a level beside one for a message")


def _read_w3c(source: SourceFile) -> Iterator[LogLine]:
    """Read the format of IIS and CloudFront, whose times are UTC."""
    lines = Lines(source, service_of_file(source.sample.name))
    names: list[str] = []

    def made(number: int, line: str) -> tuple[int, LogEntry | None] | None:
        nonlocal names
        if line.startswith("#"):
            names = line[len(_FIELDS) :].split() if line.startswith(_FIELDS) else names
            return number, None
        cells = line.split("\t") if "\t" in line else line.split(" ")
        if len(cells) != len(names):
            return None
        entry = _of_w3c(dict(zip(names, cells, strict=True)))
        return None if entry is None else (number, entry)

    for number, entry in source.made_of(source.lines(), made):
        if entry is not None:
            yield lines.made(number, entry)


def _of_w3c(row: dict[str, str]) -> LogEntry | None:
    time = recorded(f"{row.get('date', '')}T{row.get('time', '')}")
    if time is None:
        return None
    status = row.get("sc-status", "")
    words = (row.get("cs-method", ""), row.get("cs-uri-stem", ""), status)
    service = row.get("s-sitename", "")
    return LogEntry(
        " ".join(word for word in words if word not in ("", "-")),
        time,
        status_level(status),
        service="" if service == "-" else service,
    )


def _fits_w3c(sample: Sample) -> Fit:
    heads = [line for line in sample.lines[:20] if line.startswith(_FIELDS)]
    if not heads:
        return Fit(0.0)
    known = {"date", "time", "cs-uri-stem"} <= set(heads[0].split())
    return Fit(1.0) if known else Fit(0.5, _NO_FIELDS)


TABLE_FORMATS: tuple[Format[LogLine], ...] = (
    Format("table of log lines", "logs", partial(fits_columns, wanted=_COLUMNS), _read_pods),
    Format("W3C extended log", "logs", _fits_w3c, _read_w3c),
    Format("CSV with a time and a message", "logs", _fits_csv, _read_csv),
)
