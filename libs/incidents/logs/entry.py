"""One entry of a log, in whatever layout it was written, and what its level means."""

from dataclasses import dataclass

from incidents.names import short_name
from weft.core import JsonValue

_WORDS: dict[str, tuple[str, ...]] = {
    "TRACE": ("TRACE", "TRC", "TRCE", "FINEST", "FINER", "VERBOSE", "VRB", "SILLY"),
    "DEBUG": ("DEBUG", "DBG", "DBUG", "FINE", "DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5"),
    "INFO": ("INFO", "INF", "INFORMATION", "INFORMATIONAL", "CONFIG", "LOG", "STATEMENT"),
    "NOTICE": ("NOTICE",),
    "WARN": ("WARN", "WARNING", "WRN"),
    "ERROR": ("ERROR", "ERR", "EROR", "SEVERE", "FAIL", "FAILURE"),
    "FATAL": ("FATAL", "FTL", "CRITICAL", "CRIT", "ALERT", "EMERG", "EMERGENCY", "PANIC", "DPANIC"),
}
LEVELS = {word: level for level, words in _WORDS.items() for word in words}
_SYSLOG = ("FATAL", "FATAL", "FATAL", "ERROR", "WARN", "NOTICE", "INFO", "DEBUG")
_LETTERS = {
    "V": "TRACE", "T": "TRACE", "D": "DEBUG", "I": "INFO", "N": "NOTICE", "W": "WARN",
    "E": "ERROR", "F": "FATAL", "C": "FATAL", "A": "FATAL",
}  # fmt: skip
_TENS = {1: "TRACE", 2: "DEBUG", 3: "INFO", 4: "WARN", 5: "ERROR", 6: "FATAL"}
_OTEL = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_RANKS = {level: rank for rank, level in enumerate(("", *_WORDS))}
_SERVER_ERROR, _CLIENT_ERROR = 500, 400
_STATUSES = range(100, 600)


@dataclass(slots=True)
class LogEntry:
    """What one line, or one record, says; what it does not say is empty."""

    message: str
    time: float | None = None
    level: str = ""
    logger: str = ""
    service: str = ""
    trace_id: str = ""
    span_id: str = ""
    is_damaged: bool = False
    """A time is there, but cannot be read."""
    is_record: bool = False
    """It says by itself where it begins and ends, as JSON does."""

    def around(self, inner: "LogEntry") -> "LogEntry":
        """Return what `inner`, the text inside this envelope, says; what it lacks is the envelope's.

        The dating of the envelope is right: it has a zone, and reads every line.
        """
        return LogEntry(
            inner.message,
            self.time if self.time is not None else inner.time,
            inner.level or self.level,
            inner.logger or self.logger,
            self.service or inner.service,
            inner.trace_id or self.trace_id,
            inner.span_id or self.span_id,
            is_damaged=self.is_damaged or (self.time is None and inner.is_damaged),
            is_record=self.is_record,
        )


def level_of(value: JsonValue) -> str:
    """Return the level that a word, a letter or a number stands for; a word of others as it is."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return _numbered(int(value)) if value == value // 1 else ""
    if not isinstance(value, str):
        return ""
    word = value.strip().upper()
    if word.isascii() and word.isdigit():
        return _numbered(int(word[:4]))
    return LEVELS.get(word) or _LETTERS.get(word) or short_name(word)


def _numbered(number: int) -> str:
    """Read the numbers of syslog (0 to 7), and of bunyan and pino (10 to 60)."""
    if 0 <= number < len(_SYSLOG):
        return _SYSLOG[number]
    return _TENS.get(number // 10, "")


def severity_of(number: JsonValue) -> str:
    """Return the level of an OpenTelemetry severity number (1 to 24)."""
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= 4 * len(_OTEL):
        return ""
    return _OTEL[(number - 1) // 4]


def priority_of(number: int) -> str:
    """Return the level of a syslog priority, which holds the facility too."""
    return _SYSLOG[number % 8]


def status_level(status: JsonValue) -> str:
    """Return the level of an answer with this HTTP status, or that a status is; empty if neither."""
    if isinstance(status, str) and not status.isdigit():
        return LEVELS.get(status.upper(), "")
    if isinstance(status, str) and status.isascii() and status.isdigit():
        status = int(status[:4])
    if isinstance(status, bool) or not isinstance(status, int) or status not in _STATUSES:
        return ""
    if status >= _SERVER_ERROR:
        return "ERROR"
    return "WARN" if status >= _CLIENT_ERROR else "INFO"


def worse(one: str, other: str) -> str:
    """Return the worse of two levels."""
    return other if _RANKS.get(other, 0) > _RANKS.get(one, 0) else one
