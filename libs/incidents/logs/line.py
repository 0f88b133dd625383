"""One log line as analyses see it, and how an entry becomes one."""

import math
from dataclasses import dataclass

from incidents.files import SourceFile
from incidents.logs.entry import LogEntry
from incidents.names import service_of, short_name

_HEAD = 4096
_MOST_KNOWN = 1000


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry of a log; ids are empty where it has none."""

    time: float
    """Unix seconds: its own, or of the line before; NaN where its file has none."""
    service: str
    level: str
    logger: str
    message: str
    trace_id: str
    span_id: str
    file: str
    line: int
    of: int = 1
    """So many lines were there for each that was kept."""

    @property
    def is_dated(self) -> bool:
        return not math.isnan(self.time)

    @property
    def head(self) -> str:
        """The part of the message that is searched for what it tells of."""
        return self.message[:_HEAD]


class Lines:
    """Makes lines of one file's entries, and counts what they have of their own."""

    def __init__(self, source: SourceFile, service: str) -> None:
        self._source = source
        self._service = service
        self._services: dict[str, str] = {}

    def made(self, number: int, entry: LogEntry, time: float = math.nan) -> LogLine:
        """Return the line of an entry, which has `time` where it tells none itself."""
        self._source.keep(entry.time, level=entry.level)
        written = entry.service or self._service
        service = self._services.get(written)
        if service is None:
            if len(self._services) >= _MOST_KNOWN:
                self._services.clear()
            service = self._services[written] = service_of(written)
        return LogLine(
            time if entry.time is None else entry.time,
            service,
            entry.level,
            entry.logger,
            entry.message,
            short_name(entry.trace_id),
            short_name(entry.span_id),
            self._source.file.name,
            number,
        )
