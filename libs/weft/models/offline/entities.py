"""The things a request names: services, metrics, ids, numbers, windows, quoted text."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from weft.core import JsonValue
from weft.models.offline import lexicon
from weft.models.offline.cues import Reading
from weft.models.offline.text import quotes

_UNIT = (
    r"milliseconds?|ms|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|[smhdw]"
    r"|%|percent|[kmgt]i?b|bytes?|rps|qps|req/s"
)
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, 0 if kind == "proper" else re.IGNORECASE))
    for kind, pattern in (
        ("pair", r"\b([a-z_][\w-]*)\s?[=:]\s?(\"[^\"\n]+\"|'[^'\n]+'|[^\s,;]+[^\s,;.?!])"),
        ("url", r"\bhttps?://[^\s<>\"'`)\]]+[^\s<>\"'`)\].,;:!?]"),
        ("email", r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"),
        (
            "path",
            r"(?<![\w/])(?:\.{0,2}/[\w.@-]+(?:/[\w.@-]+)*|[\w-]+(?:/[\w.-]+)*\.[a-z]\w{0,4})\b",
        ),
        ("time", r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"),
        ("date", r"\b\d{4}-\d\d-\d\d\b"),
        ("clock", r"\b\d{1,2}:\d\d(?::\d\d)?(?:\s?[ap]m)?\b"),
        ("id", r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b[A-Z]{2,10}-\d+\b"),
        ("id", r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,64}\b"),
        (
            "window",
            rf"\b(?:last|past|previous)\s(?:(\d+(?:\.\d+)?)\s?)?({_UNIT})\b",
        ),
        ("proper", r"(?<=[a-z,] )[A-Z][a-z]+(?: [A-Z][a-z]+)*\b"),
        ("number", rf"(?<![\w.])(-?\d+(?:\.\d+)?)\s?({_UNIT})?(?![\w.]*\w)"),
    )
)
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
    found = [Entity("quoted", each.text, each.text, each.start) for each in quotes(reading.text)]
    taken = bytearray(len(reading.text))
    for each in quotes(reading.text):
        taken[each.start : each.end] = b"\1" * (each.end - each.start)
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(reading.text):
            if kind == "pair":
                if not any(taken[match.start() : match.start(2)]):
                    found.append(_pair(match))
                continue
            if not any(taken[match.start() : match.end()]):
                found.append(_entity(kind, match))
                taken[match.start() : match.end()] = b"\1" * (match.end() - match.start())
    found += _words(reading)
    return tuple(sorted(found, key=lambda entity: entity.start))


def of_kind(found: Iterable[Entity], kind: str) -> Iterator[Entity]:
    return (entity for entity in found if entity.kind == kind)


def _pair(match: re.Match[str]) -> Entity:
    value = match.group(2).strip("\"'")
    return Entity("pair", value, _scalar(value), match.start(), match.group(1).lower())


def _entity(kind: str, match: re.Match[str]) -> Entity:
    text = match.group().strip()
    if kind == "number":
        return Entity(kind, text, _scalar(match.group(1)), match.start(), _unit(match.group(2)))
    if kind == "window":
        amount = _scalar(match.group(1) or "1")
        return Entity(kind, text, amount, match.start(), _unit(match.group(2)))
    return Entity(kind, text, text, match.start())


def _unit(unit: str | None) -> str:
    return (unit or "").lower()


def _scalar(text: str) -> JsonValue:
    if re.fullmatch(r"-?\d{1,15}", text):
        return int(text)
    if re.fullmatch(r"-?\d{1,15}\.\d{1,15}", text):
        return float(text)
    return text


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
