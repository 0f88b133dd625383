"""Log lines as JSON objects, without secrets."""

import logging
import sys
import traceback
from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

import orjson

from weft.core import logged_trace_id, rfc3339
from weft.events import REDACTED, is_secret, redact

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "taskName",
    "color_message",  # uvicorn's own, with controls for a terminal
}  # fmt: skip


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, event name, the trace it belongs to, then the fields.

    Of an exception it says type and place: what it says itself may hold a prompt or SQL, and
    comes with its stack only where `traces` asks for it.
    """

    def __init__(self, service: str, *, traces: bool = False) -> None:
        super().__init__()
        self._service = service
        self._traces = traces

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": rfc3339(record.created),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "event": redact(record.getMessage()),
        }
        if (trace_id := logged_trace_id()) is not None:
            line["trace_id"] = trace_id
        for name, value in vars(record).items():
            if name not in _STANDARD:
                line[name] = _plain(value, secret=is_secret(name))
        if record.exc_info and record.exc_info[1] is not None:
            line |= _origin(record.exc_info[1])
            if self._traces:
                line["traceback"] = redact(self.formatException(record.exc_info))
        return orjson.dumps(line, default=str).decode()


def configure_logs(service: str, level: str = "INFO") -> None:
    """Send every log line of this process to standard error as JSON; stacks at DEBUG only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service, traces=level.upper() == "DEBUG"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "nats", "openai", "uvicorn.access", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _origin(error: BaseException) -> dict[str, object]:
    """Return the type of an exception and where it was raised."""
    line: dict[str, object] = {"error_type": type(error).__name__}
    for frame in traceback.extract_tb(error.__traceback__)[-1:]:
        line["place"] = f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}"
    return line


def _plain(value: object, *, secret: bool) -> object:
    if isinstance(value, str):
        return REDACTED if secret else redact(value)
    if isinstance(value, Mapping):
        return {
            str(name): _plain(member, secret=secret or is_secret(str(name)))
            for name, member in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(member, secret=secret) for member in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return REDACTED if secret else redact(str(value))
