"""How often templates come: new, vanished and shifted ones, and bursts of errors."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from incidents import LogLine
from services.log_analyst.templates import Template

Event = tuple[LogLine, Template]
_SURE = 5.0
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


def shifts(normal: Sequence[Event], incident: Sequence[Event]) -> list[Shift]:
    """Compare shares within each service, so that more work alone changes nothing."""
    before, now = _lines(normal), _lines(incident)
    spoken_before = Counter(line.service for line, _ in normal)
    spoken_now = Counter(line.service for line, _ in incident)
    found = []
    for template in sorted(before.keys() | now.keys(), key=_order):
        service = template.service
        if not spoken_before[service] and not template.is_error:
            continue
        scale = spoken_now[service] / spoken_before[service] if spoken_before[service] else 0.0
        was, seen = len(before.get(template, ())), len(now.get(template, ()))
        gain = _gain(was * scale, seen)
        if gain >= _SURE or (not was and template.is_error):
            examples = tuple((now.get(template) or before[template])[:_EXAMPLES])
            found.append(Shift(template, was, was * scale, seen, gain, examples))
    return found


def _lines(events: Sequence[Event]) -> dict[Template, list[LogLine]]:
    lines: dict[Template, list[LogLine]] = defaultdict(list)
    for line, template in events:
        lines[template].append(line)
    return lines


def bursts(
    normal: Sequence[Event], incident: Sequence[Event], *, normal_seconds: float
) -> list[Burst]:
    """Return per service the interval with most errors, if it is far from usual."""
    usual = Counter(line.service for line, template in normal if template.is_error)
    errors: dict[str, dict[int, list[LogLine]]] = defaultdict(lambda: defaultdict(list))
    for line, template in incident:
        if template.is_error:
            errors[line.service][int(line.time // _BUCKET)].append(line)
    found = []
    for service, buckets in sorted(errors.items()):
        bucket, lines = max(buckets.items(), key=lambda item: (len(item[1]), -item[0]))
        expected = usual[service] * _BUCKET / normal_seconds if normal_seconds else 0.0
        if _gain(expected, len(lines)) >= _SURE:
            start = bucket * _BUCKET
            examples = tuple(lines[:_EXAMPLES])
            found.append(Burst(service, start, start + _BUCKET, len(lines), expected, examples))
    return found


def _gain(expected: float, seen: int) -> float:
    """Return the Poisson log likelihood ratio, with half a line of doubt on both sides."""
    calm, now = expected + 0.5, seen + 0.5
    return now * math.log(now / calm) - (now - calm)


def _order(template: Template) -> tuple[str, str, str, str]:
    return template.service, template.level, template.logger, template.text
