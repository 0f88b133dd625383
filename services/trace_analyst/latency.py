"""Where time was added, and to whom it belongs.

Time inside a span belongs to its service. Time between the two ends of a call may belong to the
network, to the caller or to the called; it goes to the side whose other measurements slowed too.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

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
    usually: float
    """The share that is beyond it in normal times."""
    limit: float
    """What is beyond normal, in seconds, without the margin of measuring."""
    added: float
    """Seconds beyond normal, summed over the incident."""
    examples: tuple[Span, ...]

    @property
    def is_notable(self) -> bool:
        return self.gain >= _NOTABLE

    @property
    def gain(self) -> float:
        """How unlikely it is that so many are slower by chance, in nats."""
        share = min(self.slower, 1 - 0.5 / (self.count + 1))
        if share <= self.usually:
            return 0.0
        rest = (1 - share) * math.log((1 - share) / (1 - self.usually))
        return self.count * (share * math.log(share / self.usually) + rest)


Times = npt.NDArray[np.float64]
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
    """Return what got slower than usual; by how sure a sign, each tells."""
    edges = [value for key, seen in normal.items() if key.kind == "edge" for value, _ in seen]
    slower = []
    for key, seen in incident.items():
        usual = [value for value, _ in normal.get(key, ())]
        if len(usual) < _FEW and key.kind == "edge":
            usual = edges
        if len(usual) < _FEW or not seen:
            continue
        one = _compared(key, np.asarray(usual), seen)
        if one.gain > 0 and one.added > 0:
            slower.append(one)
    return slower


class _Limit(NamedTuple):
    """What is held against, in seconds; beyond the margin of measuring too, something is slower."""

    seconds: float
    margin: float
    share: float
    """How many samples are slower in normal times."""


def _compared(key: Key, usual: Times, seen: list[tuple[float, Span]]) -> Slowdown:
    """Hold against what a twentieth of normal samples exceed.

    Of fewer than twenty, one that was slow by chance would hide whatever is not slower still: then
    the middle is the limit, and how many were beyond it in normal times is counted.
    """
    middle, high = (float(part) for part in np.quantile(usual, (0.5, 0.95)))
    margin = max(_FLOOR, 0.5 * middle)
    one = _beyond(key, usual, seen, _Limit(high, margin, _BEYOND))
    if len(usual) * _BEYOND >= 1:
        return one
    slow = int((usual > middle + margin).sum())
    share = max((slow + 0.5) / (len(usual) + 1), _BEYOND)
    other = _beyond(key, usual, seen, _Limit(middle, margin, share))
    return max((one, other), key=lambda slowdown: slowdown.gain)


def _beyond(key: Key, usual: Times, seen: list[tuple[float, Span]], limit: _Limit) -> Slowdown:
    values = np.asarray([value for value, _ in seen])
    middle, high = (float(each) for each in np.quantile(usual, (0.5, 0.95)))
    beyond = values > limit.seconds + limit.margin
    worst = sorted(seen, key=lambda one: -one[0])[:_EXAMPLES]
    return Slowdown(
        key, middle, high, len(usual),
        float(np.median(values)), float(np.quantile(values, 0.95)), len(values),
        float(beyond.mean()), limit.share, limit.seconds,
        float((values[beyond] - middle).sum()),
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
