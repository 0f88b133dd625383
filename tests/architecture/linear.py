"""Tells whether a regular expression takes time in proportion to its text, and if not, why.

That one attempt is linear is not enough: a search makes an attempt at every place, so a repeat
without a bound must not walk over the same stretch from many of them. Each such repeat has to

- be possessive, so that it walks once in an attempt, or stand where nothing behind it can fail;
- and be entered once for a stretch: behind a character that the walk from there to the end of
  the repeat cannot pass (`://[^/]*+`, where the next walk begins at the next `/`), behind a
  lookbehind or word boundary that only the first place of a stretch satisfies
  (`(?<![\\w-])[\\w-]++`), behind `\\A`; or be unable to fail any more once it is entered, so that
  what it walked over is part of the match and never looked at again.

Repeats with a small bound count as constants, if they can be combined in few ways.
"""

from collections.abc import Iterable
from math import prod

from tests.architecture.regex_tree import (
    UNIVERSE,
    Characters,
    Choice,
    Group,
    Look,
    Node,
    Nodes,
    Odd,
    One,
    Place,
    Repeat,
    tree,
    walk,
)

SMALL = 128
"""A repeat with this bound at most is a constant."""
MOST_WAYS = 4096
"""In how many ways the small repeats of a pattern may be combined."""
_MANY = 10**9

Stops = frozenset[Characters]
"""Sets of characters, none of which was passed since a place that few attempts reach."""
Ways = frozenset[Stops]
"""One for each way to get to a node."""


def faults(pattern: str | bytes, flags: int = 0, *, whole: bool = False) -> list[str]:
    """Return why `pattern` may take more time than in proportion to its text; [] if it cannot.

    `whole` says that it is used with `fullmatch`: tried once, and even its end can fail.
    """
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    nodes = tree(rf"\A(?:{text})\Z" if whole else text, flags)
    examined = _Examined()
    examined.walk(nodes, frozenset({frozenset[Characters]()}), tail=True)
    if (ways := _combined(nodes)) > MOST_WAYS:
        examined.faults[f"its small repeats can be combined in {ways} ways"] = None
    named = frozenset().union(*(each.of for each in walk(nodes) if isinstance(each, One)))
    if unknown := named - UNIVERSE:
        examined.faults[f"add {sorted(unknown)} to the samples of the tree"] = None
    return list(examined.faults)


class _Examined:
    """Walks through a pattern and collects what is wrong with it."""

    def __init__(self) -> None:
        self.faults: dict[str, None] = {}

    def walk(self, nodes: Nodes, ways: Ways, *, tail: bool) -> Ways:
        """Return the ways to get behind `nodes`; `tail` says that nothing behind can fail."""
        for place, node in enumerate(nodes):
            free = tail and all(map(_cannot_fail, nodes[place + 1 :]))
            ways = self._behind(node, ways, tail=free)
        return ways

    def _behind(self, node: Node, ways: Ways, *, tail: bool) -> Ways:
        match node:
            case One():
                ways = frozenset(_passed(way, node.of) for way in ways)
            case Place():
                if node.stops is not None:
                    ways = frozenset(_standing(way, node) for way in ways)
            case Look():
                self.walk(node.body, ways, tail=False)
            case Group():
                ways = self.walk(node.body, ways, tail=tail)
            case Choice():
                each = (self.walk(branch, ways, tail=tail) for branch in node.branches)
                ways = frozenset().union(*each)
            case Repeat():
                ways = self._repeated(node, ways, tail=tail)
            case Odd():
                self.faults[f"{node.name} is not understood: write it without"] = None
        return ways

    def _repeated(self, repeat: Repeat, ways: Ways, *, tail: bool) -> Ways:
        if repeat.possessive and any(
            isinstance(x, Group) and x.captures for x in walk(repeat.body)
        ):
            self.faults["a possessive repeat holds a group: CPython 3.11 may crash"] = None
        if repeat.most > SMALL and not (tail and repeat.least <= SMALL):
            self._unbounded(repeat, ways)
        behind = self.walk(repeat.body, ways, tail=tail)
        for _ in range(min(repeat.most, 3) - 1):
            # Each time around may begin where the one before it ended.
            behind |= self.walk(repeat.body, behind, tail=tail)
        return behind if repeat.least else behind | ways

    def _unbounded(self, repeat: Repeat, ways: Ways) -> None:
        passed = _alphabet(repeat.body)
        shown = f"the repeat of {_shown(passed)}"
        if not repeat.possessive:
            self.faults[f"{shown} is not possessive, and something behind it can fail"] = None
        if not all(any(stop.isdisjoint(passed) for stop in way) for way in ways):
            self.faults[f"{shown} may walk over one stretch from many places of it"] = None


def _passed(way: Stops, characters: Characters) -> Stops:
    return frozenset({characters, *(stop for stop in way if stop.isdisjoint(characters))})


def _standing(way: Stops, place: Place) -> Stops:
    """Return what stops a walk from `place`; where it is the only one, nothing has to."""
    return way | {frozenset() if place.once else place.stops or frozenset()}


def _cannot_fail(node: Node) -> bool:
    match node:
        case Repeat():
            return node.least == 0
        case Group():
            return all(map(_cannot_fail, node.body))
        case Choice():
            return any(all(map(_cannot_fail, branch)) for branch in node.branches)
        case _:
            return False


def _alphabet(nodes: Iterable[Node]) -> Characters:
    """Return every character that `nodes` may pass."""
    inside = [node for node in nodes if not isinstance(node, Look)]
    singles = (node.of for node in walk(inside) if isinstance(node, One))
    return frozenset().union(*singles)


def _combined(nodes: Nodes) -> int:
    return min(prod(map(_choices, nodes)), _MANY)


def _choices(node: Node) -> int:
    """Return in how many ways the repeats with a small bound can be taken in `node`."""
    match node:
        case Repeat():
            inner = min(_combined(node.body), 10**3)
            if node.possessive or node.most > SMALL:
                return inner
            each = range(node.least, node.most + 1)
            return min(sum(int(inner**times) for times in each), _MANY)
        case Group() | Look():
            return _combined(node.body)
        case Choice():
            return max(map(_combined, node.branches))
        case _:
            return 1


def _shown(passed: Characters) -> str:
    return "[" + "".join(sorted(each for each in passed if each.isprintable()))[:40] + "]"
