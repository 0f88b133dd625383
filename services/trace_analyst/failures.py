"""Which services fail by themselves, and which only because something below them failed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from incidents import Span
from services.trace_analyst.trees import Node

_EXAMPLES = 5
_NOTABLE = 0.02


@dataclass(frozen=True, slots=True)
class Failing:
    """A service whose spans fail more often with nothing below them failing."""

    service: str
    normal: tuple[int, int]
    incident: tuple[int, int]
    examples: tuple[Span, ...]


def failures(normal: Sequence[Node], incident: Sequence[Node]) -> list[Failing]:
    """Compare how often each service's spans are where an error began."""
    before, spans_before = _origins(normal), _spans(normal)
    now, spans_now = _origins(incident), _spans(incident)
    found = []
    for service, nodes in sorted(now.items()):
        was = len(before.get(service, ()))
        share, share_before = len(nodes) / spans_now[service], was / max(spans_before[service], 1)
        if share - share_before >= _NOTABLE:
            examples = tuple(node.span for node in nodes[:_EXAMPLES])
            counts = (was, spans_before[service]), (len(nodes), spans_now[service])
            found.append(Failing(service, *counts, examples))
    return found


def _origins(nodes: Sequence[Node]) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in nodes:
        if node.torn:
            continue
        if node.span.error and not any(child.span.error for child in node.children):
            found.setdefault(_failed(node), []).append(node)
    return found


def _failed(node: Node) -> str:
    """A call that fails although the called reports nothing: the called was too slow, or away.

    A call is a span below another one of its service that does nothing but wait; what answers a
    call fails by itself.
    """
    above = node.parent
    is_call = above is not None and above.span.service == node.span.service
    if is_call and node.called is not None:
        return node.called.span.service
    return node.span.service


def _spans(nodes: Sequence[Node]) -> Counter[str]:
    return Counter(node.span.service for node in nodes)
