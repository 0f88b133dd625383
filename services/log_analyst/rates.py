"""How often templates come: new, vanished and shifted ones, and bursts of errors."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from incidents import LogLine
from services.log_analyst.templates import Template

Event = tuple[LogLine, Template]
_SURE = 3.0
_BUCKET = 10.0
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Shift:
    """A template whose share of its service's lines changed."""

    template: Template
    normal: int
    expected: float
    """How many lines there should have been, had the service spoken as usual."""
    incident: int
    gain: float
    """How unlikely that is by chance, in nats; what comes of one request counts once."""
    requests: int
    """In how many requests that shows: those of the incident, or of normal times if it is gone."""
    examples: tuple[LogLine, ...]
    """Lines of the incident, or of normal times if it has none."""


@dataclass(frozen=True, slots=True)
class Burst:
    """The interval in which a service told of most errors."""

    service: str
    start: float
    end: float
    errors: int
    usual: float
    """Errors in such an interval of the normal time."""
    examples: tuple[LogLine, ...]


class Rates(NamedTuple):
    """What came more or less often, among how many templates: all of them, and those of errors."""

    shifts: list[Shift]
    slight: list[Shift]
    """Those that chance explains."""
    compared: int
    errors: int


def shifts(normal: Sequence[Event], incident: Sequence[Event]) -> Rates:
    """Compare shares within each service, so that more work alone changes nothing."""
    before, now = _lines(normal), _lines(incident)
    spoken_before = Counter(line.service for line, _ in normal)
    spoken_now = Counter(line.service for line, _ in incident)
    said = _said(normal)
    found: list[Shift] = []
    slight: list[Shift] = []
    for template in sorted(before.keys() | now.keys(), key=_order):
        service = template.service
        if not spoken_before[service] and not template.is_error:
            continue
        scale = spoken_now[service] / spoken_before[service] if spoken_before[service] else 0.0
        was, seen = len(before.get(template, ())), len(now.get(template, ()))
        shown = now.get(template) or before[template]
        expected = was * scale
        if not was:
            expected = said[template.level, template.logger, template.text] * spoken_now[service]
        gain = _gain(expected, seen) * _single(shown)
        clear = gain >= _SURE or (not was and template.is_error)
        if clear or gain > 0:
            requests = len({line.trace_id for line in shown if line.trace_id})
            examples = tuple(shown[:_EXAMPLES])
            shift = Shift(template, was, was * scale, seen, gain, requests, examples)
            (found if clear else slight).append(shift)
    templates = before.keys() | now.keys()
    return Rates(found, slight, len(templates), sum(template.is_error for template in templates))


def _said(events: Sequence[Event]) -> dict[tuple[str, str, str], float]:
    """Return of all that is said which part is this, whoever says it.

    What a service says for the first time is no news where others say it all the time.
    """
    said = Counter((each.level, each.logger, each.text) for _, each in events)
    return defaultdict(float, {words: n / len(events) for words, n in said.items()})


def _lines(events: Sequence[Event]) -> dict[Template, list[LogLine]]:
    lines: dict[Template, list[LogLine]] = defaultdict(list)
    for line, template in events:
        lines[template].append(line)
    return lines


def bursts(
    normal: Sequence[Event], incident: Sequence[Event], *, normal_seconds: float
) -> list[Burst]:
    """Return per service the interval with most errors, if it is far from usual."""
    usual: Counter[str] = Counter()
    for line, template in normal:
        usual[line.service] += line.of if template.is_error else 0
    errors: dict[str, dict[int, list[LogLine]]] = defaultdict(lambda: defaultdict(list))
    for line, template in incident:
        if template.is_error and line.is_dated:
            errors[line.service][int(line.time // _BUCKET)].append(line)
    found = []
    for service, buckets in sorted(errors.items()):
        bucket, lines = max(buckets.items(), key=lambda item: (len(item[1]), -item[0]))
        # Where a share of the lines was read, so many are expected in it.
        seconds = normal_seconds * lines[0].of
        expected = usual[service] * _BUCKET / seconds if seconds else 0.0
        if _gain(expected, len(lines)) >= _SURE:
            start = bucket * _BUCKET
            examples = tuple(lines[:_EXAMPLES])
            found.append(Burst(service, start, start + _BUCKET, len(lines), expected, examples))
    return found


def _single(lines: Sequence[LogLine]) -> float:
    """Return how many requests there are to a line: lines of one request do not come by themselves."""
    if any(not line.trace_id for line in lines):
        return 1.0
    return len({line.trace_id for line in lines}) / len(lines)


def _gain(expected: float, seen: int) -> float:
    """Return the Poisson log likelihood ratio, with half a line of doubt on both sides."""
    calm, now = expected + 0.5, seen + 0.5
    return now * math.log(now / calm) - (now - calm)


def _order(template: Template) -> tuple[str, str, str, str]:
    return template.service, template.level, template.logger, template.text
