"""Files of one entry after the other: lines of text, of JSON, or of both."""

from collections.abc import Iterator

from incidents.dating import UTC_DATING
from incidents.files import SourceFile
from incidents.formats import Fit, Format, Sample
from incidents.json_values import loaded
from incidents.logs.entry import LogEntry
from incidents.logs.envelopes import read_line
from incidents.logs.line import Lines, LogLine
from incidents.logs.lines import Assembly, Numbered, learned
from incidents.logs.names import service_of_file
from incidents.logs.records import is_record, unwrapped

_LOOKED_AT = 100
_SHARE = 0.3
_MOST_WAITING = 1000
_NAMED = ("log", "journal", "messages", "stdout", "stderr", "console")
_JSON_ENDINGS = (".jsonl", ".ndjson")
_ENDINGS = (".log", ".out", ".err", ".jsonl", ".ndjson")
_ODD_CHARACTERS = 0.1
_COLUMNS = 3
_START = 4096


def read_plain(source: SourceFile) -> Iterator[LogLine]:
    """Yield the lines; one without a time has that of the line before, or of the first with one.

    One with a damaged time is malformed, unless no time of the file can be read.
    """
    lines = Lines(source, service_of_file(source.sample.name))
    waiting: list[Numbered] = []
    last: float | None = None
    for number, entry in Assembly(source, source.dating).entries():
        last = entry.time if entry.time is not None else last
        waiting.append((number, entry))
        if last is None and len(waiting) < _MOST_WAITING:
            continue
        for at, one in waiting:
            if last is None:
                yield lines.made(at, one)
            elif one.is_damaged:
                source.skip(at)
            else:
                yield lines.made(at, one, last)
        waiting.clear()
    if waiting:
        source.note("no line has a time that can be read")
    for at, one in waiting:
        yield lines.made(at, one)


def fits_json_lines(sample: Sample) -> Fit:
    """Tell whether most lines are JSON objects that are log records."""
    lines = sample.lines[:_LOOKED_AT]
    records = [
        record for line in lines if line.lstrip().startswith("{") and (record := loaded(line))
    ]
    if sample.name.casefold().endswith(_JSON_ENDINGS) and lines and not records:
        return Fit(0.3)
    if not records or 2 * len(records) < len(lines):
        return Fit(0.0)
    if any(is_record(unwrapped(record)) for record in records):
        return Fit(0.9)
    return Fit(0.4, "its records have neither a time nor a level beside a message")


def fits_text(sample: Sample) -> Fit:
    """Tell whether lines have times or levels, or the file is called a log."""
    lines = sample.lines[:_LOOKED_AT]
    if not lines:
        return Fit(0.0)
    if lacks := _what_else(sample, lines):
        return Fit(0.05, lacks)
    layout = learned(sample, UTC_DATING)
    entries = [read_line(line, UTC_DATING, layout) for line in lines]
    dated = _share(entries, dated=True)
    levelled = _share(entries, dated=False)
    named = 0.2 if _is_named(sample.name) else 0.0
    score = 0.5 + 0.3 * dated if dated >= _SHARE else 0.4 if levelled >= _SHARE else named
    return Fit(score) if score else Fit(0.05, "none of its first lines has a time or a level")


def _share(entries: list[LogEntry], *, dated: bool) -> float:
    having = sum(entry.time is not None if dated else bool(entry.level) for entry in entries)
    return having / len(entries)


def _what_else(sample: Sample, lines: list[str]) -> str:
    """Say what a sample is that is no text of log lines; empty if it may be some."""
    odd = sum(map(_is_odd, lines))
    is_array = sample.is_json and not sample.text.lstrip().startswith("{")
    name = sample.name.casefold()
    others = {
        "it is no text": 2 * odd > len(lines),
        "it is a table of another kind": name.endswith((".csv", ".tsv")) or _is_table(lines),
        "it is a JSON document of another kind": is_array or _is_document(lines),
        "its records are no log entries": bool(fits_json_lines(sample).lacks),
        "it holds metrics": any(line.startswith(("# TYPE ", "# HELP ")) for line in lines),
    }
    return next((words for words, is_so in others.items() if is_so), "")


def _is_odd(line: str) -> bool:
    """Tell whether a line is none of a text: many of its characters cannot be printed."""
    start = line[:_START]
    odd = sum(not one.isprintable() for one in start if one not in "\t\x1b")
    return odd > _ODD_CHARACTERS * len(start)


def _is_document(lines: list[str]) -> bool:
    return lines[0].strip() in ("{", "[", "[{") or (
        len(lines) == 1 and lines[0].startswith("{") and loaded(lines[0]) is None
    )


def _is_table(lines: list[str]) -> bool:
    """Tell whether all lines have as many cells as a first one that is of names."""
    cells = lines[0].split(",")
    if len(cells) < _COLUMNS or not lines[1:]:
        return False
    if any(" " in cell.strip() or not cell or cell[:1].isdigit() for cell in cells):
        return False
    return all(line.count(",") == len(cells) - 1 for line in lines[:20])


def _is_named(name: str) -> bool:
    parts = name.casefold().split("/")
    return parts[-1].endswith(_ENDINGS) or any(
        word in part for part in parts[-2:] for word in _NAMED
    )


PLAIN_FORMATS: tuple[Format[LogLine], ...] = (
    Format("JSON lines", "logs", fits_json_lines, read_plain),
    Format("log lines", "logs", fits_text, read_plain),
)
