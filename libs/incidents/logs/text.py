"""One line of text: its time, its level, who wrote it, and what it says."""

import re

from incidents.dating import Dating
from incidents.logs.entry import (
    LEVELS,
    LogEntry,
    level_of,
    priority_of,
    status_level,
    worse,
)
from incidents.logs.records import identifier, read_json, read_pairs
from incidents.logs.stamps import Stamp, stamp
from incidents.names import short_name

_PRIORITY = re.compile(r"<(?P<number>\d{1,3}+)>(?P<version>1 )?")
_APP = re.compile(r"\s?+\S{1,128}+ (?P<app>\S{1,128}+) \S{1,128}+ \S{1,128}+ ")
"""RFC 5424: host, program, process and id of the message; structured data follows."""
_DATA = re.compile(r'-|\[(?:[^"\]]|"(?:[^"\\]|\\.)*+"?)*+\]?')
_PROGRAM = re.compile(
    r"\s?+(?P<host>[\w.:-]{1,128}+) (?P<program>[\w./@-]{1,128}+)(?:\([\w-]{1,64}+\))?+"
    r"(?:\[\d{1,10}+\])?+:(?:\s|\Z)"
)
_REQUEST = re.compile(
    r'"(?:(?P<method>[A-Z]{3,8}+) (?P<path>[^\s"]++)(?: HTTP/[\d.]{1,3}+)?+|-)" (?P<status>\d{3})\b'
    r"(?P<flags> (?:-|[A-Z]{2,5}+)(?= ))?"
)
_REQUEST_LAST = re.compile(r'"(?P<method>[A-Z]{3,8}+) (?P<path>[^\s"]++) HTTP/[\d.]{1,3}+"')
_STATUS_FIRST = re.compile(r" ([1-5]\d\d) (?:-|\d{1,12}+)(?= )")
"""Load balancers write the status before the request."""
_ORIGIN = re.compile(r"https?://[^/\s]{1,255}+(?=/)")
_WORD = re.compile(r"(?P<word>\[[^\]\n]{0,128}+\]|[^\s\[|]++|[\[|])")
_WORDS = 9
_MOST_BRACKETS = 3
_BASIC = re.compile(r"(?P<level>[A-Z]{3,9}+):(?P<logger>[\w.]{1,128}+):")
_LETTER = re.compile(
    r"\s{1,8}+\d{1,8}+\s{1,8}+\d{1,8}+ (?P<level>[VDIWEFA]) (?P<logger>[^\s:]{1,64}+)\s{0,32}+: "
)
_KLOG = re.compile(r"\s{1,8}+\d{1,10}+ (?P<logger>[\w./-]{1,128}+:\d{1,6}+)\] ?+")
_SLEUTH = re.compile(
    r"\s{0,8}+\[(?P<service>[\w.-]{1,64}+),(?P<trace>[0-9a-fA-F]{0,32}+),(?P<span>[0-9a-fA-F]{0,16}+)"
    r"(?:,(?:true|false)?+)?+\]"
)
_PROCESS = re.compile(r"\s{0,8}+\d{1,8}+ --- ")
_BRACKETED = re.compile(r"\s{0,8}+\[[^\]\n]{0,100}+\]\s{1,8}+")
_RUBY = re.compile(r"\s{0,8}+-- (?P<program>[^:\s]{0,64}+): ?+")
_REDIS = re.compile(r"\d{1,8}+:[XCSM] \Z")
_REDIS_MARKS = {".": "DEBUG", "-": "INFO", "*": "NOTICE", "#": "WARN"}
_IDS = re.compile(
    r"\b(?:trace[_.-]?id)[\"']?+\s*+[:=]\s*+[\"']?+(?P<trace>[0-9a-f]{8,32}+)\b[\"',;\s]*+"
    r"(?:span[_.-]?id[\"']?+\s*+[:=]\s*+[\"']?+(?P<span>[0-9a-f]{8,16}+)\b[\"',;\s]*+)?",
    re.IGNORECASE,
)
_TIME_ONLY = re.compile(r"\[?+\d\d:\d\d:\d\d(?:[.,]\d{1,9}+)?+\]?+\s")
"""Of what day, the line does not tell."""
_LOGGER = re.compile(r"(?:[\w$]{1,128}+|\[\.?+)\.[\w$\[]")
"""How the first word of a message begins if it names a logger: `shop.Cart`, `[.[.web]`."""
_HEAD = 4096
_SEARCHED = 1 << 16
_SEPARATORS = " \t|,;:-"
_OPENED = "[(<\"'"
_CLOSED = "])>\"'"
_FATAL_STARTS = {
    "Traceback (most recent call last)": "ERROR",
    "Exception in thread": "ERROR",
    "panic: ": "FATAL",
    "fatal error: ": "FATAL",
}
_NO_COLUMN: frozenset[int] | None = None


class TextLayout:
    """Reads lines of text; what the lines of one file have in common may be learned from some."""

    def __init__(self, columns: frozenset[int] | None = _NO_COLUMN) -> None:
        self._columns = columns
        """Before how many words a time may stand, besides none; None: that is not known."""

    def read(self, line: str, dating: Dating) -> LogEntry:
        """Return what a line says; a line may hold a record, or another line in an envelope."""
        if line.startswith("{"):
            record = read_json(line, dating, read_inner)
            if record is not None:
                return record
        pairs = read_pairs(line, dating, read_inner) if "=" in line[:72] else None
        if pairs is not None:
            return pairs
        # Syslog's priority and version stand before its time, which cannot be mistaken.
        mark = stamp(line, dating, None if line.startswith("<") else self._columns)
        return _undated(line, dating) if mark is None else _dated(line, mark, dating)


def read_inner(text: str, dating: Dating) -> LogEntry:
    """Return what the text inside a record or an envelope says."""
    return TextLayout().read(text, dating)


def _dated(line: str, mark: Stamp, dating: Dating) -> LogEntry:
    before, rest = line[: mark.start], line[mark.end :]
    entry = LogEntry("", mark.time, is_damaged=mark.time is None)
    priority = _PRIORITY.match(before)
    if priority and priority["version"]:
        return _syslog(entry, rest, priority, dating)
    if request := _request(line):
        return _access(entry, rest, *request)
    if lettered := _lettered(before, rest):
        letter, head = lettered
        entry.level, entry.logger = level_of(letter), short_name(head["logger"])
        return _worded(entry, rest[head.end() :])
    if program := _program(rest):
        entry.service = program["program"].rsplit("/", 1)[-1]
        entry.level = priority_of(int(priority["number"])) if priority else ""
        return entry.around(read_inner(rest[program.end() :].strip(), dating))
    return _levelled(entry, before, rest, dating)


def _lettered(before: str, rest: str) -> tuple[str, re.Match[str]] | None:
    """Return level and head of klog's and Android's lines, where the level is one letter."""
    if before.endswith(tuple("IWEFD")) and (klog := _KLOG.match(rest)):
        return before[-1], klog
    letter = _LETTER.match(rest)
    return (letter["level"], letter) if letter else None


def _program(rest: str) -> re.Match[str] | None:
    """Return host and program as syslog writes them; a level or a logger is no host."""
    program = _PROGRAM.match(rest)
    if program is None or program["host"].strip("-:").upper() in LEVELS or program["host"] == "-":
        return None
    if program["program"].upper() in LEVELS:
        return None
    return program


def _syslog(entry: LogEntry, rest: str, priority: re.Match[str], dating: Dating) -> LogEntry:
    entry.level = priority_of(int(priority["number"]))
    head = _APP.match(rest)
    if head is None:
        return _worded(entry, rest)
    entry.service = "" if head["app"] == "-" else head["app"]
    rest = rest[head.end() :]
    while data := _DATA.match(rest):
        rest = rest[data.end() :]
        if data[0] == "-":
            break
    return entry.around(read_inner(rest.strip().removeprefix("\ufeff"), dating))


def _request(line: str) -> tuple[re.Match[str], str] | None:
    """Return the request that a line of an access log tells of, and its status."""
    if '"' not in line:
        return None
    if request := _REQUEST.search(line, 0, _HEAD):
        return request, request["status"]
    request = _REQUEST_LAST.search(line, 0, _HEAD)
    status = _STATUS_FIRST.search(line, 0, request.start()) if request else None
    return (request, status[1]) if request and status else None


def _access(entry: LogEntry, rest: str, request: re.Match[str], status: str) -> LogEntry:
    parts = request.groupdict("")
    path = _ORIGIN.sub("", parts["path"], 1).split("?", 1)[0]
    words = (parts["method"], path, status, parts.get("flags", "").strip(" -"))
    entry.message = " ".join(word for word in words if word)
    entry.level = worse(status_level(status), _level_among(rest)[0])
    return entry


def _levelled(entry: LogEntry, before: str, rest: str, dating: Dating) -> LogEntry:
    rest = rest.lstrip(_CLOSED)
    if _REDIS.match(before) and rest[1:2] in _REDIS_MARKS and rest[2:3] == " ":
        entry.level = _REDIS_MARKS[rest[1]]
        return _worded(entry, rest[3:])
    level, end, named = _level_among(rest)
    if not level:
        level = _level_among(before)[0]
    entry.level = level
    rest = rest[end:]
    if sleuth := _SLEUTH.match(rest):
        entry.service, rest = sleuth["service"], rest[sleuth.end() :]
        entry.trace_id = identifier(sleuth["trace"] or "")
        entry.span_id = identifier(sleuth["span"] or "")
    if ruby := _RUBY.match(rest):
        entry.logger, rest = short_name(ruby["program"]), rest[ruby.end() :]
    inner = rest.strip(_SEPARATORS)
    if inner.startswith("{") or (not level and "=" in inner[:72]):
        record = read_json(inner, dating, read_inner) or read_pairs(inner, dating, read_inner)
        if record is not None:
            return entry.around(record)
    read = _worded(entry, rest)
    read.logger = read.logger or named
    return read


def _level_among(rest: str) -> tuple[str, int, str]:
    """Return the level among the first words, where it ends, and the one name before it."""
    at, prose, named = 0, 0, ""
    for number in range(_WORDS):
        while rest[at : at + 1].isspace():
            at += 1
        match = _WORD.match(rest, at)
        if match is None:
            break
        word = match["word"]
        is_tabbed = rest[match.end() : match.end() + 1] == "\t"
        if level := _level(word, first=number == 0, is_tabbed=is_tabbed):
            return level, match.end(), named
        at = match.end()
        if word.isalpha() and word.islower() and len(word) > 1:
            prose += 1
            if prose > 1:
                break
        if _LOGGER.match(word) or (word.isidentifier() and not named):
            named = short_name(word.rstrip(":"))
    return "", 0, ""


def _level(word: str, *, first: bool, is_tabbed: bool = False) -> str:
    """Return the level that a word of a line's head is; a word of its message is none."""
    bare = word.strip("[]()<>:,;|")
    if ":" in bare and word.startswith("["):
        bare = bare.rsplit(":", 1)[-1]  # Apache's `[module:level]`
    if "." in bare and word.endswith(":"):
        bare = bare.rsplit(".", 1)[-1]  # Laravel's `channel.LEVEL:`
    level = LEVELS.get(bare.upper(), "")
    if not level or bare.isupper():
        return level
    if word[0] in "[<(" or word.endswith(":") or is_tabbed:
        return level
    return level if first and bare.istitle() else ""


def _undated(line: str, dating: Dating) -> LogEntry:
    if request := _request(line):
        return _access(LogEntry(""), line, *request)
    fatal = next((_FATAL_STARTS[start] for start in _FATAL_STARTS if line.startswith(start)), "")
    return _worded(LogEntry("", level=fatal), line) if fatal else _headed(line, dating)


def _headed(line: str, dating: Dating) -> LogEntry:
    """Return what a line says that may begin with a level, or with the time of some day."""
    if (basic := _BASIC.match(line)) and basic["level"] in LEVELS:
        entry = LogEntry("", level=level_of(basic["level"]), logger=short_name(basic["logger"]))
        return _worded(entry, line[basic.end() :])
    if clock_only := _TIME_ONLY.match(line):
        return _levelled(LogEntry(""), "", line[clock_only.end() :].lstrip(), dating)
    head = _WORD.match(line)
    level = _level(head["word"], first=False) if head else ""
    if head and level:
        return _levelled(LogEntry("", level=level), "", line, dating)
    return _worded(LogEntry(""), line)


def _worded(entry: LogEntry, rest: str) -> LogEntry:
    """Return the entry with its message, the ids and the logger taken out of it."""
    rest = _without_thread(rest).lstrip(_SEPARATORS).rstrip()
    if ids := _IDS.search(rest, 0, _SEARCHED):
        entry.trace_id = entry.trace_id or identifier(ids["trace"])
        entry.span_id = entry.span_id or identifier(ids["span"] or "")
        rest = f"{rest[: ids.start()]}{rest[ids.end() :]}"
    words = rest.split(None, 1) if entry.level and _LOGGER.match(rest) else []
    if words[1:]:
        entry.logger, rest = short_name(words[0].rstrip(":")), words[1].lstrip(_SEPARATORS)
    entry.message = rest.strip()
    return entry


def _without_thread(rest: str) -> str:
    """Return the rest of a line without process and threads, where a logger stands behind them."""
    process = _PROCESS.match(rest)
    behind = rest[process.end() :] if process else rest
    for _ in range(_MOST_BRACKETS):
        bracketed = _BRACKETED.match(behind)
        if bracketed is None:
            break
        behind = behind[bracketed.end() :]
    return behind if process or _LOGGER.match(behind) else rest
