"""Spans as trees: who called whom, and what time each span spent itself."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from incidents import Span

Operation = tuple[str, str]
_DEEPEST = 300
_SIBLINGS = 50


@dataclass(slots=True, eq=False)
class Node:
    """A span in its tree; `children` are in the order of their start."""

    span: Span
    parent: "Node | None" = None
    children: list["Node"] = field(default_factory=list)
    place: int = 0
    """Its index among its parent's children."""
    torn: bool = False
    """Whether a span that names an absent parent lies within it: it may be its child."""

    @property
    def operation(self) -> Operation:
        return self.span.service, self.span.operation

    @property
    def called(self) -> "Node | None":
        """What another service does for this very span, if it does nothing but wait for that."""
        if self.span.side == "server" or len(self.children) != 1:
            return (
                None  # a server's time is its own where no client's span tells what it waited for
            )
        return self.children[0] if self.children[0].span.service != self.span.service else None


def trees(spans: Iterable[Span]) -> list[Node]:
    """Link spans, given in the order of their start; return all nodes.

    A span whose parent is absent, or that stands too deep, is a root. Which one lost it is not
    known, so whatever it may have belonged to is torn: what that did meanwhile says nothing.
    """
    nodes = [Node(span) for span in spans]
    by_id = {(node.span.trace_id, node.span.span_id): node for node in nodes}
    below: dict[Node, list[Node]] = defaultdict(list)
    tops = []
    lost: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        parent = by_id.get((node.span.trace_id, node.span.parent_id))
        if parent is None and node.span.parent_id:
            lost[node.span.trace_id].append(node)
        if parent is None or parent is node:
            tops.append(node)
        else:
            below[parent].append(node)
    _grow(tops, below)
    if lost:
        _tear(nodes, lost)
    return nodes


def _tear(nodes: Sequence[Node], lost: Mapping[str, Sequence[Node]]) -> None:
    """Mark every node within whose time a lost one of its trace lies; `lost` is by start."""
    begins = {trace: [one.span.start for one in some] for trace, some in lost.items()}
    soonest = {trace: _soonest(some) for trace, some in lost.items()}
    for node in nodes:
        span = node.span
        if span.trace_id not in lost:
            continue
        at = bisect_left(begins[span.trace_id], span.start)
        first, second = soonest[span.trace_id][at]
        end = first.span.end if first is not None and first is not node else None
        if first is node and second is not None:
            end = second.span.end
        node.torn = end is not None and end <= span.end


def _soonest(lost: Sequence[Node]) -> list[tuple[Node | None, Node | None]]:
    """Return which two of the nodes from each index on end first."""
    ends: list[tuple[Node | None, Node | None]] = [(None, None)]
    for node in reversed(lost):
        some = sorted(
            (one for one in (*ends[-1], node) if one is not None), key=lambda one: one.span.end
        )
        ends.append((some[0], some[1] if len(some) > 1 else None))
    return ends[::-1]


def _grow(tops: list[Node], below: dict[Node, list[Node]]) -> None:
    """Hang nodes below the roots; damaged ids that form a circle never come to hang."""
    level, depth = tops, 0
    while level and depth < _DEEPEST:
        for node in level:
            for place, child in enumerate(below.get(node, ())):
                child.parent, child.place = node, place
                node.children.append(child)
        level = [child for node in level for child in node.children]
        depth += 1


def self_time(node: Node) -> float:
    """Return the seconds in which neither a child nor a sibling that began later was at work.

    A sibling counts because an asynchronous server answers in one span while another, beside it,
    does the waiting.
    """
    span = node.span
    others = list(node.children)
    if node.parent is not None:
        later = node.parent.children[node.place + 1 : node.place + 1 + _SIBLINGS]
        others += takewhile(lambda one: one.span.start < span.end, later)
    covered, reached = 0.0, span.start
    for other in sorted(others, key=lambda one: one.span.start):
        begin, end = max(other.span.start, reached), min(other.span.end, span.end)
        if end > begin:
            covered += end - begin
            reached = end
    return span.duration - covered


def critical_path(root: Node) -> list[Node]:
    """Return the chain of spans that ended last, from the root down: what the caller waited for."""
    path = [root]
    while path[-1].children:
        path.append(max(path[-1].children, key=lambda node: (node.span.end, node.span.start)))
    return path


def roots(nodes: Sequence[Node]) -> list[Node]:
    return [node for node in nodes if node.parent is None]


def by_trace(nodes: Iterable[Node]) -> dict[str, list[Node]]:
    grouped: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        grouped[node.span.trace_id].append(node)
    return grouped
