"""What the traces show: requests, failures and times by service, operations, and the slowest request."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from statistics import quantiles

from incidents import Inquiry, Span, Split, seen
from services.trace_analyst.trees import Node, critical_path, roots, self_time, trees
from weft.core import Fact, JsonValue

_MOST_OPERATIONS = 20
_MOST_CALLS = 40
_MILLI = 1000.0
_SLOWER, _ADDED = 1.5, 5.0
"""So many times as long as usual, and so many milliseconds longer, is slower."""
_FEW = 2
_MOSTLY = 0.3
_CLEARLY = 3.0
_PERCENTILES = 100


def trace_facts(spans: Split[Span], inquiry: Inquiry) -> list[Fact]:
    """Return what `spans` show of what `inquiry` asks."""
    rows = seen(_in_trees(spans), inquiry)
    everybody = {span.service for span in (*spans.normal, *spans.onset, *spans.incident)}
    names: list[JsonValue] = [*sorted(everybody)]
    now, usual, since = rows.now, rows.before, rows.since
    facts = [Fact(predicate="services", value=names)]
    facts += [] if rows.window is None else [rows.window]
    facts += [*_began(since, usual), *_slowest(now)]
    facts += _calls(now, usual) if inquiry.about_calls else []
    facts += [*_requests(now, usual), *_operations(now, usual)]
    return facts


def _in_trees(spans: Split[Span]) -> Split[Node]:
    """Link the spans before any is left out for its time: a call is no request of its own."""
    onset = {id(span) for span in spans.onset}
    since = trees([*spans.onset, *spans.incident])
    return Split(
        trees(spans.normal),
        [node for node in since if id(node.span) not in onset],
        spans.window,
        [node for node in since if id(node.span) in onset],
        spans.normal_seconds,
        asked=spans.asked,
    )


def _requests(now: Sequence[Node], usual: Sequence[Node]) -> Iterator[Fact]:
    """Yield what came in from outside, and what came to each service from another."""
    yield from _answered("", roots(now), roots(usual))
    asked, asked_before = _entries(now), _entries(usual)
    for service in sorted({*asked, *asked_before}):
        yield from _answered(service, asked[service], asked_before[service])


def _answered(service: str, now: Sequence[Node], usual: Sequence[Node]) -> Iterator[Fact]:
    if not now:
        return
    failed, failed_before = _failures(now), _failures(usual)
    compared = bool(usual)
    expected = failed_before * len(now) / len(usual) if compared else 0.0
    yield Fact(
        predicate="requests",
        subject=service,
        value=failed,
        total=len(now),
        before=failed_before if compared else None,
        total_before=len(usual) if compared else None,
        unit="failed",
        departs=compared and failed > expected + _CLEARLY * (expected + 1) ** 0.5,
    )
    late, late_before = _p95(now, _duration), _p95(usual, _duration) if compared else None
    yield Fact(
        predicate="latency",
        subject=service,
        what="p95",
        value=late,
        before=late_before,
        total=len(now),
        unit="ms",
        departs=_is_slower(late, late_before),
    )


def _entries(nodes: Sequence[Node]) -> dict[str, list[Node]]:
    """Return by service the spans with which it answers somebody else."""
    found: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        if node.parent is None or node.parent.span.service != node.span.service:
            found[node.span.service].append(node)
    return found


def _calls(now: Sequence[Node], usual: Sequence[Node]) -> list[Fact]:
    """Return who calls whom, the most frequent first."""
    pairs, before = _pairs(now), _pairs(usual)
    order = sorted({*pairs, *before}, key=lambda pair: (-pairs[pair], pair))
    return [
        Fact(
            predicate="calls",
            subject=caller,
            what=called,
            value=pairs[caller, called],
            before=before[caller, called] if usual else None,
            unit="calls",
        )
        for caller, called in order[:_MOST_CALLS]
    ]


def _pairs(nodes: Sequence[Node]) -> Counter[tuple[str, str]]:
    return Counter(
        (node.parent.span.service, node.span.service)
        for node in nodes
        if node.parent is not None and node.parent.span.service != node.span.service
    )


def _operations(now: Sequence[Node], usual: Sequence[Node]) -> Iterator[Fact]:
    """Yield the operations by the time they spend themselves, the longest first."""
    by_operation, before = _grouped(now), _grouped(usual)
    late = {key: _p95(nodes, self_time) for key, nodes in by_operation.items()}
    order = sorted(late, key=lambda key: (-late[key], key))
    for key in order[:_MOST_OPERATIONS]:
        usually = _p95(before[key], self_time) if key in before else None
        longest = max(by_operation[key], key=self_time)
        yield Fact(
            predicate="operation",
            subject=key[0],
            what=key[1],
            value=late[key],
            before=usually,
            total=len(by_operation[key]),
            unit="ms",
            at=longest.span.start,
            place=f"{longest.span.file}:{longest.span.line}",
            departs=_is_slower(late[key], usually),
        )


def _grouped(nodes: Sequence[Node]) -> dict[tuple[str, str], list[Node]]:
    grouped: dict[tuple[str, str], list[Node]] = defaultdict(list)
    for node in nodes:
        grouped[node.operation].append(node)
    return grouped


def _slowest(now: Sequence[Node]) -> Iterator[Fact]:
    top = max(roots(now), key=lambda node: (_duration(node), node.span.trace_id), default=None)
    if top is None:
        return
    worst = max(critical_path(top), key=lambda node: (self_time(node), node.span.span_id))
    spent = ""
    if self_time(worst) > _MOSTLY * _duration(top):
        place, own = " ".join(worst.operation), self_time(worst) * _MILLI
        spent = f", {own:.1f} ms of it in {place} itself"
    yield Fact(
        predicate="slowest_request",
        subject=top.span.service,
        what=f"{top.span.operation} (trace {top.span.trace_id}){spent}",
        value=_milliseconds(_duration(top)),
        unit="ms",
        at=top.span.start,
        place=f"{top.span.file}:{top.span.line}",
    )


def _began(since: Sequence[Node], usual: Sequence[Node]) -> Iterator[Fact]:
    """Yield the first request that failed, or took longer than any normal one by far."""
    longest: dict[str, float] = defaultdict(float)
    for node in roots(usual):
        longest[node.span.operation] = max(longest[node.span.operation], _duration(node))
    signs = [
        node
        for node in roots(since)
        if node.span.operation in longest
        and (
            (node.span.error and not _failures(roots(usual)))
            or _duration(node) > _FEW * longest[node.span.operation] + _ADDED / _MILLI
        )
    ]
    if len(signs) < _FEW:
        return
    first = min(signs, key=lambda node: node.span.start)
    state = "failed" if first.span.error else f"took {_milliseconds(_duration(first))} ms"
    yield Fact(
        predicate="began",
        subject=first.span.service,
        what=f"{first.span.operation} {state}",
        at=first.span.start,
        until=max(node.span.end for node in signs),
        place=f"{first.span.file}:{first.span.line}",
    )


def _failures(nodes: Sequence[Node]) -> int:
    return sum(node.span.error for node in nodes)


def _duration(node: Node) -> float:
    return node.span.duration


def _p95(nodes: Sequence[Node], length: Callable[[Node], float]) -> float:
    lengths = sorted(length(node) for node in nodes)
    if len(lengths) < _FEW:
        return _milliseconds(lengths[-1]) if lengths else 0.0
    return _milliseconds(quantiles(lengths, n=_PERCENTILES, method="inclusive")[94])


def _is_slower(now: float, before: float | None) -> bool:
    return before is not None and now > _SLOWER * before and now > before + _ADDED


def _milliseconds(seconds: float) -> float:
    return round(seconds * _MILLI, 2)
