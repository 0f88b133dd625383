"""Whom a complaint is about: a caller that gives up on another service names it."""

import re
from collections.abc import Iterable

from services.log_analyst.templates import Template
from weft.tools.dataset_logs import LogLine

_GAVE_UP = re.compile(
    r"time(?:d)?[ -]?out|no answer|no response|refused|reset by|unreachable|unavailable"
    r"|connection|deadline|bad gateway|circuit|\b50[234]\b|peer|upstream",
    re.IGNORECASE,
)


class Peers:
    """The services that speak in the same logs."""

    def __init__(self, services: Iterable[str]) -> None:
        names = sorted(set(services), key=lambda name: (-len(name), name))
        joined = "|".join(re.escape(name) for name in names if name)
        self._names = re.compile(rf"(?<![\w-])(?:{joined})(?![\w-])") if joined else None

    def blamed(self, template: Template, line: LogLine) -> str:
        """Return the service `line` complains of: its own, unless it gave up on one it names."""
        complains = template.is_error or template.is_warning
        if self._names is None or not complains or not _GAVE_UP.search(line.message):
            return line.service
        named = (found[0] for found in self._names.finditer(line.message))
        return next((name for name in named if name != line.service), line.service)
