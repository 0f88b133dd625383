"""`weft trace`: where the time of a run went, and who waited for whom, from its own log."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from weft.cli.run_tree import children, label
from weft.cli.text import one_line
from weft.core import JsonObject, JsonValue

BAR = 40
"""Characters of the whole run."""


@dataclass(frozen=True, slots=True)
class TraceSpan:
    """A node of a run that began and ended, in seconds from the run's acceptance."""

    name: str
    depth: int
    began: float
    ended: float
    below: tuple["TraceSpan", ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the critical path: while it went on, nothing else could have ended the run sooner."""

    name: str
    began: float
    ended: float


def trace_lines(tree: JsonObject, accepted: JsonValue) -> list[str]:
    """Return the timeline of a run, the path that took its time, and who waited for whom."""
    origin = _moment(accepted) or _moment(tree.get("started_at"))
    if origin is None:
        return ["The run has not begun."]
    root = _span(tree, origin, 0)
    if root is None:
        return ["The run has not ended: `weft runs tail` shows what it does."]
    return [one_line(line) for line in _lines(root)]


def critical_path(span: TraceSpan) -> list[Stretch]:
    """Return who took the time of `span`, in order: the child that ended last, and so on back."""
    stretches: list[Stretch] = []
    at = span.ended
    for child in sorted(span.below, key=lambda child: child.ended, reverse=True):
        if child.ended > at or child.began >= at or child.ended <= span.began:
            continue
        if at > child.ended:
            stretches.insert(0, Stretch(span.name, child.ended, at))
        stretches[:0] = critical_path(child)
        at = child.began
    if at > span.began:
        stretches.insert(0, Stretch(span.name, span.began, at))
    return stretches


def waits(span: TraceSpan) -> Iterator[tuple[str, float, str]]:
    """Yield who was done, for how long it was waited on, and the sibling that was still at work."""
    for child in span.below:
        yield from waits(child)
    together = [
        child for child in span.below if any(_overlap(child, other) for other in span.below)
    ]
    if len(together) < 2:  # noqa: PLR2004 - a wait takes two
        return
    last = max(together, key=lambda child: child.ended)
    for child in together:
        if child is not last:
            yield child.name, last.ended - child.ended, last.name


def _lines(root: TraceSpan) -> Iterator[str]:
    whole = max(root.ended, 0.001)
    yield f"{'began':>8}  {'took':>8}"
    if root.began > 0:
        yield f"{0:8.2f}  {root.began:8.2f}  {_bar(0, root.began, whole)}  waited to be begun"
    yield from _rows(root, whole)
    yield ""
    yield "What the end of it waited for:"
    for stretch in _joined(critical_path(root)):
        took = stretch.ended - stretch.began
        yield f"{stretch.began:8.2f}  {took:8.2f}  {took / whole:5.0%}  {stretch.name}"
    pauses = [f"{name} was done {took:.2f} s before {last}" for name, took, last in waits(root)]
    if pauses:
        yield ""
        yield "Who was waited for:"
        yield from (f"  {pause}" for pause in pauses)


def _rows(span: TraceSpan, whole: float) -> Iterator[str]:
    bar = _bar(span.began, span.ended, whole)
    took = span.ended - span.began
    yield f"{span.began:8.2f}  {took:8.2f}  {bar}  {'  ' * span.depth}{span.name}"
    for child in span.below:
        yield from _rows(child, whole)


def _bar(began: float, ended: float, whole: float) -> str:
    first = min(int(began / whole * BAR), BAR - 1)
    length = max(round((ended - began) / whole * BAR), 1)
    return (" " * first + "━" * length)[:BAR].ljust(BAR)


def _joined(path: list[Stretch]) -> Iterator[Stretch]:
    """Yield the path, what follows itself as one; what took no time that a person sees is left out."""
    held: Stretch | None = None
    for stretch in path:
        if held is not None and held.name == stretch.name:
            held = Stretch(held.name, held.began, stretch.ended)
            continue
        if held is not None:
            yield held
        held = stretch
    if held is not None:
        yield held


def _overlap(one: TraceSpan, other: TraceSpan) -> bool:
    return one is not other and one.began < other.ended and other.began < one.ended


def _span(node: JsonObject, origin: float, depth: int) -> TraceSpan | None:
    began, ended = _moment(node.get("started_at")), _moment(node.get("ended_at"))
    if began is None or ended is None:
        return None
    below = [_span(child, origin, depth + 1) for child in children(node)]
    there = sorted((span for span in below if span is not None), key=lambda span: span.began)
    return TraceSpan(label(node), depth, began - origin, max(ended, began) - origin, tuple(there))


def _moment(text: JsonValue) -> float | None:
    return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
