"""Which calls are missing from traces, or new in them, and where in its trace that began."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.trace_analyst.trees import Node, Operation, by_trace

_KNOWN = 5
_SURE = 4.0
_CHANGED = 0.1
_EXCESS = 0.5
"""So large a part of what a change is seen in must be more than usual to show where it begins."""
_DEPTH = 4
_SLOW = 2.0
_MOMENT = 0.005


@dataclass(slots=True)
class Change:
    """A child operation that a parent operation no longer has, or has only now."""

    parent: Operation
    child: Operation
    missing: bool
    normal: tuple[int, int]
    """In how many of how many parents the child was."""
    incident: tuple[int, int]
    gain: float
    places: list[Node] = field(default_factory=list)
    """The parents that show it."""
    reaches: str = ""
    """The other service that the child usually reaches first, itself or by calling it."""
    first: int = 0
    """In how many traces it is where the trouble began."""
    traces: int = 0
    asked: float = 0.0
    """How much less, or more, its service is called by another one, whose doing this may be."""
    blamed: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """In how many traces each service is to blame; shared doubt counts in parts."""

    @property
    def excess(self) -> float:
        """Which part of the parents that show it would not in normal times."""
        before, now = (had / max(of, 1) for had, of in (self.normal, self.incident))
        usual, shown = (1 - before, 1 - now) if self.missing else (before, now)
        return (shown - usual) / shown if shown > 0 else 0.0

    @property
    def lead(self) -> float:
        return self.first / self.traces if self.traces else 0.0

    @property
    def change(self) -> float:
        (had, normal), (has, incident) = self.normal, self.incident
        return abs(has / max(incident, 1) - had / max(normal, 1))


class Shapes(NamedTuple):
    """What changed, among how many calls between operations that were compared."""

    changes: list[Change]
    compared: int


def changes(normal: Sequence[Node], incident: Sequence[Node]) -> Shapes:
    """Compare which children each operation has, of all that have each of theirs, by its name."""
    normal = [node for node in normal if _is_whole(node)]
    incident = [node for node in incident if _is_whole(node)]
    usual, known = _children(normal)
    now, total = _children(incident)
    doing: dict[Operation, list[Node]] = defaultdict(list)
    for node in incident:
        doing[node.operation].append(node)
    found: list[Change] = []
    reach = _reach(incident)
    for pair in {**usual, **now}:
        parent, child = pair
        if known[parent] >= _KNOWN and total[parent]:
            until = reach.get(child[0], math.inf)
            had, having = usual.get(pair, {}), now.get(pair, {})
            lacking = [
                node for node in doing[parent] if node not in having and node.span.start <= until
            ]
            seen = len(having) + len(lacking)
            fewer = len(having) * known[parent] < len(had) * seen
            found += _kept(
                pair, (len(had), known[parent]), (len(having), seen),
                places=lacking if fewer else list(having), missing=fewer,
            )  # fmt: skip
    usually = _reached(normal)
    for change in found:
        change.reaches = usually.get((change.parent, change.child), "")
    for change in found:
        callers = [one.change for one in found if one.reaches == change.parent[0]]
        change.asked = max(callers, default=0.0)
    _blame(found, incident, _limits(normal))
    return Shapes(found, len({**usual, **now}))


def _is_whole(node: Node) -> bool:
    return not node.torn and not any(child.span.is_nameless for child in node.children)


def _reach(incident: Sequence[Node]) -> dict[str, float]:
    """Return until when the files that tell of each service go on: beyond it nobody looked.

    One that is not heard of at all was to be heard of in files that are there.
    """
    ends: dict[str, float] = {}
    files: dict[str, set[str]] = defaultdict(set)
    for node in incident:
        span = node.span
        files[span.service].add(span.file)
        ends[span.file] = max(ends.get(span.file, -math.inf), span.start)
    return {service: max(ends[file] for file in names) for service, names in files.items()}


def _reached(normal: Sequence[Node]) -> dict[tuple[Operation, Operation], str]:
    """Return for each call between operations which other service it reaches most often first."""
    counts: dict[tuple[Operation, Operation], Counter[str]] = defaultdict(Counter)
    for node in normal:
        seen: set[Operation] = set()
        for child in node.children:
            called = [child, *child.children]
            others = (one.span.service for one in called if one.span.service != node.span.service)
            other = next(others, None)
            if other is not None and child.operation not in seen:
                counts[node.operation, child.operation][other] += 1
            seen.add(child.operation)
    return {pair: max(sorted(each), key=each.__getitem__) for pair, each in counts.items()}


def _limits(normal: Sequence[Node]) -> dict[Operation, float]:
    """Return how long each operation took at the longest, with room to spare."""
    longest: dict[Operation, float] = defaultdict(float)
    for node in normal:
        longest[node.operation] = max(longest[node.operation], node.span.duration)
    return {operation: _SLOW * seconds + _MOMENT for operation, seconds in longest.items()}


Children = dict[tuple[Operation, Operation], dict[Node, None]]


def _children(nodes: Sequence[Node]) -> tuple[Children, Counter[Operation]]:
    seen: Children = defaultdict(dict)
    known: Counter[Operation] = Counter()
    for node in nodes:
        if node.children:
            for child in node.children:
                seen[node.operation, child.operation][node] = None
        known[node.operation] += 1
    return seen, known


def _kept(
    pair: tuple[Operation, Operation],
    normal: tuple[int, int],
    incident: tuple[int, int],
    *,
    places: list[Node],
    missing: bool,
) -> list[Change]:
    made = Change(*pair, missing, normal, incident, _gain(normal, incident), places)
    clear = made.gain >= _SURE and made.change >= _CHANGED and made.excess >= _EXCESS
    return [made] if places and clear else []


def _blame(
    found: Sequence[Change], incident: Sequence[Node], limits: dict[Operation, float]
) -> None:
    """Per trace, blame the deepest node that changed; what stands above it only follows."""
    changed: dict[Node, list[Change]] = defaultdict(list)
    for change in found:
        for node in change.places:
            changed[node].append(change)
    for nodes in by_trace(incident).values():
        places = [node for node in nodes if node in changed]
        if not places:
            continue
        start = _beginning(places)
        blamed = _blamed(start, changed[start], limits)
        for change in {id(one): one for node in places for one in changed[node]}.values():
            change.traces += 1
            if any(one is change for one in changed[start]):
                change.first += 1
                for service, share in blamed.items():
                    change.blamed[service] += share


def _beginning(places: list[Node]) -> Node:
    above = {id(up) for node in places for up in _above(node)}
    deepest = [node for node in places if id(node) not in above]
    return min(deepest, key=lambda node: (node.span.start, node.span.span_id))


def _blamed(
    node: Node, found: Sequence[Change], limits: dict[Operation, float]
) -> dict[str, float]:
    """A service that stops is blamed, or what it called last: more so if that was slow or failed.

    What the called one called last may have failed it in turn, and so on down. Where nothing was
    called, it tells who left no span: the caller, who did not try, or the called, who did not hear.
    """
    own = node.span.service
    missing = [one for one in found if one.missing]
    last = _last_called(node) if missing else None
    if last is None:
        unseen = sorted({one.reaches for one in missing if one.reaches})
        if not unseen:
            return {own: 1.0}
        tried = all(one.child[0] != own for one in missing)
        return {own: 0.4 if tried else 0.6, unseen[0]: 0.4}
    suspect = last.span.error or last.span.duration > limits.get(last.operation, math.inf)
    shares = {own: 0.3 if suspect else 0.6}
    while last is not None and len(shares) < _DEPTH:
        shares.setdefault(last.span.service, 0.7 if suspect else 0.4)
        last = _last_called(last)
    return shares


def _last_called(node: Node) -> Node | None:
    waiting = list(node.children)
    called: list[Node] = []
    while waiting:
        one = waiting.pop()
        if one.span.service != node.span.service:
            called.append(one)
        else:
            waiting += one.children
    return max(called, key=lambda one: (one.span.end, one.span.span_id), default=None)


def _above(node: Node) -> list[Node]:
    chain = []
    while node.parent is not None:
        node = node.parent
        chain.append(node)
    return chain


def _gain(normal: tuple[int, int], incident: tuple[int, int]) -> float:
    p0 = (normal[0] + 0.5) / (normal[1] + 1)
    p1 = (incident[0] + 0.5) / (incident[1] + 1)
    return incident[1] * (p1 * math.log(p1 / p0) + (1 - p1) * math.log((1 - p1) / (1 - p0)))
