"""What follows what within a span and a trace, and where an incident leaves the usual course.

A break in one place makes everything after it in the same trace missing too. So each trace
blames the first place only: a departure that is never the first in its trace is an effect.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from incidents import LogLine
from services.log_analyst.templates import Template

Event = tuple[LogLine, Template]
Unit = list[Event]
_KNOWN = 5
_ALWAYS = 0.6
_NEVER = 0.35
_CHANGED = 0.2
_SURE = 5.0
_LONGEST = 80


@dataclass(slots=True)
class Departure:
    """A usual course that an incident leaves: `after` is there, `then` is not, or is new."""

    after: Template
    then: Template
    missing: bool
    normal: tuple[int, int]
    """In how many of how many units `then` follows `after`."""
    incident: tuple[int, int]
    gain: float
    """Log likelihood ratio of the change, in nats; what happens within one request counts once."""
    places: list[tuple[LogLine, float]] = field(default_factory=list)
    """The line that shows it, and when it happened."""
    first: int = 0
    """In how many traces nothing else departed earlier."""
    traces: int = 0

    @property
    def lead(self) -> float:
        return self.first / self.traces if self.traces else 0.0

    @property
    def change(self) -> float:
        """How much more, or less, often `then` follows."""
        return abs(_ratio(self.incident) - _ratio(self.normal))


class Courses(NamedTuple):
    """Where the usual course is left, among how many steps of it that were compared."""

    departures: list[Departure]
    compared: int


def departures(normal: Sequence[Event], incident: Sequence[Event]) -> Courses:
    """Compare the courses of both; lines without a trace say nothing here."""
    found: list[Departure] = []
    compared = 0
    reach = _reach(incident)
    for units in (_spans, _entries):
        some, steps = _missing(units(normal), units(incident), reach)
        found, compared = found + some, compared + steps
    some, steps = _new(_spans(normal), _spans(incident))
    found, compared = found + some, compared + steps
    _blame_first(found)
    return Courses(found, compared)


def _spans(events: Iterable[Event]) -> list[Unit]:
    units: dict[tuple[str, str, str], Unit] = defaultdict(list)
    for line, template in events:
        if line.trace_id and line.span_id and line.is_dated:
            units[line.trace_id, line.span_id, line.service].append((line, template))
    return [unit[:_LONGEST] for unit in units.values()]


def _entries(events: Iterable[Event]) -> list[Unit]:
    """Per trace, the first line of each span: which service was reached after which."""
    seen: set[tuple[str, str, str]] = set()
    units: dict[str, Unit] = defaultdict(list)
    for line, template in events:
        span = (line.trace_id, line.span_id, line.service)
        if line.trace_id and line.is_dated and span not in seen:
            seen.add(span)
            units[line.trace_id].append((line, template))
    return [unit[:_LONGEST] for unit in units.values()]


def _reach(incident: Sequence[Event]) -> dict[str, tuple[float, float]]:
    """Return from when to when the files go on that tell of each service: beyond, nobody looked.

    A service that is not heard of at all was to be heard of in files that are there.
    """
    spans: dict[str, tuple[float, float]] = {}
    files: dict[str, set[str]] = defaultdict(set)
    for line, _ in incident:
        first, last = spans.get(line.file, (line.time, line.time))
        spans[line.file] = min(first, line.time), max(last, line.time)
        files[line.service].add(line.file)
    return {
        service: (min(spans[name][0] for name in names), max(spans[name][1] for name in names))
        for service, names in files.items()
    }


def _missing(
    normal: Sequence[Unit], incident: Sequence[Unit], reach: Mapping[str, tuple[float, float]]
) -> tuple[list[Departure], int]:
    partners = _partners(normal)
    starting: dict[Template, list[tuple[LogLine, int, dict[Template, int]]]] = defaultdict(list)
    for unit in incident:
        last = _lasts(unit)
        for template, at in _firsts(unit).items():
            starting[template].append((unit[at][0], at, last))
    found: list[Departure] = []
    for then, (after, delay, followed, known) in partners.items():
        if then.is_error or then.is_warning:
            continue  # that it no longer complains is no harm
        since, until = reach.get(then.service, (-math.inf, math.inf))
        begun = [
            start for start in starting.get(after, ()) if since <= start[0].time + delay <= until
        ]
        total = len(begun)
        places = [(line, line.time + delay) for line, at, last in begun if last.get(then, -1) < at]
        found += _departure(
            (after, then), missing=True, normal=(followed, known),
            incident=(total - len(places), total), places=places,
            requests=len({line.trace_id for line, _, _ in begun}),
        )  # fmt: skip
    return found, len(partners)


def _partners(units: Sequence[Unit]) -> dict[Template, tuple[Template, float, int, int]]:
    """Per template the nearest earlier one that it always follows, with the usual delay."""
    known: Counter[Template] = Counter()
    delays: dict[tuple[Template, Template], list[float]] = defaultdict(list)
    for unit in units:
        first, last = _firsts(unit), _lasts(unit)
        known.update(first.keys())
        for after, start in first.items():
            for then, end in last.items():
                if end > start and then is not after:
                    delays[after, then].append(unit[end][0].time - unit[start][0].time)
    best: dict[Template, tuple[float, Template]] = {}
    for (after, then), seen in delays.items():
        if known[after] >= _KNOWN and len(seen) >= _ALWAYS * known[after]:
            offer = (median(seen), after)
            if then not in best or offer[0] < best[then][0]:
                best[then] = offer
    return {
        then: (after, delay, len(delays[after, then]), known[after])
        for then, (delay, after) in best.items()
    }


def _new(normal: Sequence[Unit], incident: Sequence[Unit]) -> tuple[list[Departure], int]:
    usual, known, _ = _steps(normal)
    now, total, traces = _steps(incident)
    found: list[Departure] = []
    for (after, then), places in now.items():
        was = len(usual.get((after, then), ()))
        if known[after] >= _KNOWN and was <= _NEVER * known[after]:
            found += _departure(
                (after, then), missing=False, normal=(was, known[after]),
                incident=(len(places), total[after]), places=places,
                requests=len(traces[after]),
            )  # fmt: skip
    return found, len(usual.keys() | now.keys())


class _Steps(NamedTuple):
    places: dict[tuple[Template, Template], list[tuple[LogLine, float]]]
    known: Counter[Template]
    traces: dict[Template, set[str]]


def _steps(
    units: Sequence[Unit],
) -> _Steps:
    steps: dict[tuple[Template, Template], list[tuple[LogLine, float]]] = defaultdict(list)
    known: Counter[Template] = Counter()
    traces: dict[Template, set[str]] = defaultdict(set)
    for unit in units:
        for line, template in unit:
            known[template] += 1
            traces[template].add(line.trace_id)
        for (_, after), (line, then) in pairwise(unit):
            steps[after, then].append((line, line.time))
    return _Steps(steps, known, traces)


def _departure(
    pair: tuple[Template, Template],
    *,
    missing: bool,
    normal: tuple[int, int],
    incident: tuple[int, int],
    places: list[tuple[LogLine, float]],
    requests: int,
) -> list[Departure]:
    gain = _gain(normal, incident) * requests / max(incident[1], 1)
    made = Departure(*pair, missing, normal, incident, gain, places)
    return [made] if places and gain >= _SURE and made.change >= _CHANGED else []


def _blame_first(found: Sequence[Departure]) -> None:
    by_trace: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for index, departure in enumerate(found):
        for line, time in departure.places:
            by_trace[line.trace_id].append((time, index))
    for times in by_trace.values():
        first = min(times)[1]
        blamed = found[first].then.service
        for index in {index for _, index in times}:
            found[index].traces += 1
            found[index].first += found[index].then.service == blamed


def _firsts(unit: Unit) -> dict[Template, int]:
    return {template: index for index, (_, template) in reversed(list(enumerate(unit)))}


def _lasts(unit: Unit) -> dict[Template, int]:
    return {template: index for index, (_, template) in enumerate(unit)}


def _gain(normal: tuple[int, int], incident: tuple[int, int]) -> float:
    p0 = (normal[0] + 0.5) / (normal[1] + 1)
    p1 = (incident[0] + 0.5) / (incident[1] + 1)
    return incident[1] * (p1 * math.log(p1 / p0) + (1 - p1) * math.log((1 - p1) / (1 - p0)))


def _ratio(counts: tuple[int, int]) -> float:
    return counts[0] / counts[1] if counts[1] else 0.0
