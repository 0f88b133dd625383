"""Where time was added, and to whom it belongs.

Time inside a span belongs to its service. Time between the two ends of a call may belong to the
network, to the caller or to the called; it goes to the side whose other measurements slowed too.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from incidents import Span
from services.trace_analyst.trees import Node, self_time

Kind = Literal["self", "edge"]
_FEW = 3
_FLOOR = 0.002
_NOTABLE = 3.0
_BEYOND = 0.05
"""Such a share of samples may be slower than usual by chance."""
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Key:
    """What is measured: the self time of an operation, or the gap of a call between services."""

    kind: Kind
    service: str
    other: str
    """The operation of a self time, the called service of an edge."""


@dataclass(frozen=True, slots=True)
class Slowdown:
    """One measurement that got slower; times in seconds."""

    key: Key
    normal_median: float
    normal_p95: float
    normal_count: int
    median: float
    p95: float
    count: int
    slower: float
    """Share of the incident's samples beyond what was normal."""
    added: float
    """Seconds beyond normal, summed over the incident."""
    examples: tuple[Span, ...]

    @property
    def gain(self) -> float:
        """How unlikely it is that so many are slower by chance, in nats."""
        share = min(self.slower, 1 - 0.5 / (self.count + 1))
        if share <= _BEYOND:
            return 0.0
        rest = (1 - share) * math.log((1 - share) / (1 - _BEYOND))
        return self.count * (share * math.log(share / _BEYOND) + rest)


Samples = dict[Key, list[tuple[float, Span]]]


def measured(nodes: Sequence[Node]) -> Samples:
    """Measure every operation and edge; a span that only waits for another service is an edge."""
    samples: Samples = defaultdict(list)
    for node in nodes:
        if node.torn:
            continue
        called = node.called
        if called is None:
            key, seconds = Key("self", *node.operation), self_time(node)
        else:
            key = Key("edge", node.span.service, called.span.service)
            seconds = node.span.duration - called.span.duration
        samples[key].append((seconds, node.span))
    return samples


def slowdowns(normal: Samples, incident: Samples) -> list[Slowdown]:
    """Return what got slower than it ever usually was, and by a time that matters."""
    edges = [value for key, seen in normal.items() if key.kind == "edge" for value, _ in seen]
    found = []
    for key, seen in incident.items():
        usual = [value for value, _ in normal.get(key, ())]
        if len(usual) < _FEW and key.kind == "edge":
            usual = edges
        if len(usual) < _FEW or not seen:
            continue
        one = _compared(key, np.asarray(usual), seen)
        if one.gain >= _NOTABLE and one.added > 0:
            found.append(one)
    return found


def _compared(key: Key, usual: npt.NDArray[np.float64], seen: list[tuple[float, Span]]) -> Slowdown:
    values = np.asarray([value for value, _ in seen])
    middle, high = (float(each) for each in np.quantile(usual, (0.5, 0.95)))
    limit = high + max(_FLOOR, 0.5 * middle)
    beyond = values > limit
    worst = sorted(seen, key=lambda one: -one[0])[:_EXAMPLES]
    return Slowdown(
        key, middle, high, len(usual),
        float(np.median(values)), float(np.quantile(values, 0.95)), len(values),
        float(beyond.mean()), float((values[beyond] - middle).sum()),
        tuple(span for _, span in worst),
    )  # fmt: skip


def blamed(found: Sequence[Slowdown], incident: Samples) -> dict[str, float]:
    """Divide the added time among services; the shares add up to 1 where any time was added."""
    weights = _Weights(found, incident)
    seconds: dict[str, float] = defaultdict(float)
    for one in found:
        for service, share in weights.shares(one.key).items():
            seconds[service] += one.added * one.slower * share
    total = sum(seconds.values())
    return {service: value / total for service, value in seconds.items() if total > 0}


class _Weights:
    """How much of what touches a service has slowed, apart from one edge in question."""

    def __init__(self, found: Sequence[Slowdown], incident: Samples) -> None:
        self._inner = {one.key.service for one in found if one.key.kind == "self"}
        slow = {one.key: one.slower for one in found}
        edges = [key for key, seen in incident.items() if key.kind == "edge" and len(seen) >= 1]
        self._out: dict[str, dict[Key, float]] = defaultdict(dict)
        self._in: dict[str, dict[Key, float]] = defaultdict(dict)
        for key in edges:
            self._out[key.service][key] = slow.get(key, 0.0)
            self._in[key.other][key] = slow.get(key, 0.0)

    def shares(self, key: Key) -> dict[str, float]:
        if key.kind == "self":
            return {key.service: 1.0}
        # Waiting without further signs is blamed on the called: a caller slow by itself shows it
        # in its other calls, a slow way to one service shows in that service's calls only.
        caller = 0.1 + self._mean(self._out[key.service], key) + self._slow_inside(key.service)
        called = 0.4 + self._mean(self._in[key.other], key) + self._slow_inside(key.other)
        total = caller**2 + called**2
        return {key.service: caller**2 / total, key.other: called**2 / total}

    def _slow_inside(self, service: str) -> float:
        return 0.5 if service in self._inner else 0.0

    @staticmethod
    def _mean(edges: dict[Key, float], key: Key) -> float:
        others = [share for edge, share in edges.items() if edge != key]
        return sum(others) / len(others) if others else 0.0
