"""Whom a complaint is about: a caller that gives up on another service names it."""

import re
from collections.abc import Iterable, Iterator

from incidents import LogLine
from services.log_analyst.templates import Template

_GAVE_UP = re.compile(
    r"time(?:d)?[ -]?out|no answer|no response|refused|reset by|unreachable|unavailable"
    r"|connection|deadline|bad gateway|circuit|\b50[234]\b|peer|upstream",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\w-]++")
_MOST_WORDS = 6
"""A service may be called `shop.eu/cart`; more parts than these has no name."""


class Peers:
    """The services that speak in the same logs."""

    def __init__(self, services: Iterable[str]) -> None:
        self._names = frozenset(services)

    def blamed(self, template: Template, line: LogLine) -> str:
        """Return the service `line` complains of: its own, unless it gave up on one it names."""
        complains = template.is_error or template.is_warning
        if not complains or not _GAVE_UP.search(line.head):
            return line.service
        return next(self._named(line.head, without=line.service), line.service)

    def _named(self, text: str, *, without: str) -> Iterator[str]:
        """Yield the services that `text` names, each time the longest name that begins there."""
        words = list(_WORD.finditer(text))
        passed = 0
        for at, word in enumerate(words):
            if word.start() < passed:
                continue
            for last in reversed(words[at : at + _MOST_WORDS]):
                name = text[word.start() : last.end()]
                if name in self._names:
                    passed = last.end()
                    if name != without:
                        yield name
                    break
