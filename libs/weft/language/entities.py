"""The things a request names: services, metrics, ids, numbers, windows, quoted text."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from weft.core import JsonValue
from weft.language import lexicon
from weft.language.cues import Reading
from weft.language.text import SHORT, quotes

__all__ = ["Entity", "entities"]

_UNIT = (
    r"milliseconds?|ms|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|[smhdw]"
    r"|%|percent|[kmgt]i?b|bytes?|rps|qps|req/s"
)
_PAIR = re.compile(
    r"(?<![\w-])([\w-]++)\s?[=:]\s?(?:\"([^\"\n]++)\"|'([^'\n]++)'|([^\s,;]++))", re.IGNORECASE
)
_PAIR_NAME = re.compile(r"\b[a-z_]", re.IGNORECASE)
_URL = re.compile(r"\bhttps?://[^\s<>\"'`)\]]++", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w.-]++")
_PATH = re.compile(r"[\w./@-]++")
_EXTENSION = re.compile(r"(?<![./])\.[a-z]\w{0,4}+\b", re.IGNORECASE)
_TIME = re.compile(
    r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d++)?)?(?:Z|[+-]\d\d:?\d\d)?", re.IGNORECASE
)
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_CLOCK = re.compile(r"\b\d{1,2}:\d\d(?::\d\d)?(?:\s?[ap]m)?\b", re.IGNORECASE)
_UUID = re.compile(
    r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b[A-Z]{2,10}-\d++\b", re.IGNORECASE
)
_HEX = re.compile(r"\b(?=[a-f]*+\d)(?=\d*+[a-f])[0-9a-f]{8,64}+\b", re.IGNORECASE)
_WINDOW = re.compile(
    rf"\b(?:last|past|previous)\s(?:(\d++(?:\.\d++)?)\s?)?({_UNIT})\b", re.IGNORECASE
)
_PROPER = re.compile(r"(?<=[a-z,] )[A-Z][a-z]++\b(?: [A-Z][a-z]++\b)*")
_NUMBER = re.compile(rf"(?<![\w.])(-?\d++(?:\.\d++)?)\s?({_UNIT})?(?!\.*+\w)", re.IGNORECASE)
_WHOLE = re.compile(r"-?\d{1,15}")
_DECIMAL = re.compile(r"-?\d{1,15}\.\d{1,15}")
_SERVICE_AFTER = frozenset({"service", "app", "api", "pod", "deployment", "container", "team"})
_SERVICE_ENDINGS = ("-service", "-svc", "-api", "-db", "-worker", "-gateway", "-frontend")
_OPERATED = lexicon.words(
    """
    diagnose investigate debug troubleshoot restart reboot deploy redeploy rollback revert scale
    drain monitor watch inspect analyze analyse check examine fix repair restore
    """
)

_AILING = lexicon.words("slow sluggish failing broken degraded unavailable unresponsive")


@dataclass(frozen=True, slots=True)
class Entity:
    """One named thing, with its words as they stand in the text."""

    kind: str
    text: str
    value: JsonValue
    start: int
    name: str = ""
    """The name of a `name=value` pair, or the unit of a number."""

    @property
    def seconds(self) -> float | None:
        """The length of time it says, where it says one."""
        factor = lexicon.SECONDS.get(self.name) or lexicon.SECONDS.get(self.name.rstrip("s"))
        if factor is None or not isinstance(self.value, int | float):
            return None
        return self.value * factor


def entities(reading: Reading) -> tuple[Entity, ...]:
    """Return what the text names, in its order; no stretch of it is used twice."""
    return _of_short(reading.text) if len(reading.text) <= SHORT else _named(reading)


@lru_cache(maxsize=256)
def _of_short(text: str) -> tuple[Entity, ...]:
    return _named(Reading.through(text))


def _named(reading: Reading) -> tuple[Entity, ...]:
    things = [
        Entity("quoted", quote.text, quote.text, quote.start) for quote in quotes(reading.text)
    ]
    taken = bytearray(len(reading.text))
    for quote in quotes(reading.text):
        taken[quote.start : quote.end] = b"\1" * (quote.end - quote.start)
    things += [pair for pair in _pairs(reading.text) if not taken[pair.start]]
    for kind, pattern, meant in _KINDS:
        for match in pattern.finditer(reading.text):
            text = meant(match[0])
            start = match.start() + match[0].find(text)
            end = start + len(text)
            if text and not any(taken[start:end]):
                things.append(_entity(kind, text.strip(), start, match))
                taken[start:end] = b"\1" * len(text)
    things += _words(reading)
    return tuple(sorted(things, key=lambda entity: entity.start))


def _pairs(text: str) -> Iterator[Entity]:
    for match in _PAIR.finditer(text):
        name = _PAIR_NAME.search(match[1])
        quoted = match[2] or match[3]
        value = quoted or match[4].rstrip(".?!")
        if name is not None and (quoted or len(value) > 1):
            value = value.strip("\"'")
            start = match.start() + name.start()
            yield Entity("pair", value, _scalar(value), start, match[1][name.start() :].lower())


def _entity(kind: str, text: str, start: int, match: re.Match[str]) -> Entity:
    if kind == "number":
        return Entity(kind, text, _scalar(match[1]), start, _unit(match[2]))
    if kind == "window":
        return Entity(kind, text, _scalar(match[1] or "1"), start, _unit(match[2]))
    return Entity(kind, text, text, start)


def _all(stretch: str) -> str:
    return stretch


def _url(stretch: str) -> str:
    """Leave out the punctuation of the sentence around it."""
    url = stretch.rstrip(".,;:!?")
    return url if len(url.partition("://")[2]) > 1 else ""


def _mailbox(stretch: str) -> str:
    local, _, domain = stretch.partition("@")
    local, domain = local.lstrip(".+-"), domain.partition("..")[0].rstrip(".-")
    whole = local and "." in domain and not domain.startswith(".")
    return f"{local}@{domain}" if whole else ""


def _path(stretch: str) -> str:
    """Return `/a/b`, `./a`, `a/b.py` or `b.py`; a name without an extension is no path."""
    path = stretch.partition("//")[0].rstrip("./@-")
    first, slash, _ = path.partition("/")
    if slash and first in ("", ".", ".."):
        return path
    if "." not in path or "@" in path:
        return ""
    ends = [match for match in _EXTENSION.finditer(path) if match.start()]
    if not ends:
        return ""
    if slash and "." not in first:
        return path[: ends[-1].end()]
    return path[path.rfind(".", 0, ends[0].start()) + 1 : ends[0].end()]


_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], str]], ...] = (
    ("url", _URL, _url),
    ("email", _EMAIL, _mailbox),
    ("path", _PATH, _path),
    ("time", _TIME, _all),
    ("date", _DATE, _all),
    ("clock", _CLOCK, _all),
    ("id", _UUID, _all),
    ("id", _HEX, _all),
    ("window", _WINDOW, _all),
    ("proper", _PROPER, _all),
    ("number", _NUMBER, _all),
)
"""In this order, and what of each stretch is meant: a pattern takes it whole, at once."""


def _unit(unit: str | None) -> str:
    return (unit or "").lower()


def _scalar(text: str) -> JsonValue:
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def _words(reading: Reading) -> Iterator[Entity]:
    seen: set[str] = set()
    for index, word in enumerate(reading.words):
        if word.text in lexicon.METRICS:
            yield Entity("metric", word.text, word.text, word.start)
        if word.text in lexicon.ENVIRONMENTS:
            yield Entity("environment", word.text, word.text, word.start)
        if word.text not in seen and _is_service(reading, index):
            seen.add(word.text)
            original = reading.text[word.start : word.start + len(word.text)]
            yield Entity("service", original, original, word.start)


def _is_service(reading: Reading, index: int) -> bool:
    word = reading.words[index]
    if word.text.endswith(_SERVICE_ENDINGS):
        return True
    if not _may_be_a_name(word.text):
        return False
    before, after = _neighbour(reading, index, -1), _neighbour(reading, index, 1)
    if before == "the":
        before = _neighbour(reading, index, -2)
    if after in ("is", "was"):
        after = _neighbour(reading, index, 2)
    named_by = before in _OPERATED or before in _AILING
    return named_by or after in lexicon.SYMPTOMS or after in _SERVICE_AFTER


def _may_be_a_name(word: str) -> bool:
    return word[0].isalpha() and word not in _NEVER_A_NAME


_NEVER_A_NAME = frozenset().union(
    lexicon.COMMON, lexicon.NOT_A_SERVICE, lexicon.SYMPTOMS, lexicon.METRICS, _SERVICE_AFTER,
    lexicon.ENVIRONMENTS, lexicon.BREADTH, lexicon.VERB_LEADS, lexicon.ANSWERED_BY_FACTS,
    _OPERATED, {"logs", "log", "metrics", "traces", "spans", "alerts", "data", "files"},
)  # fmt: skip


def _neighbour(reading: Reading, index: int, step: int) -> str:
    at = index + step
    if not 0 <= at < len(reading.words):
        return ""
    word = reading.words[at]
    return word.text if word.clause == reading.words[index].clause else ""
