"""A regular expression as a tree, read by the parser of `re` itself: what it sees is what runs."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

op: Any = import_module("re._constants")
parser: Any = import_module("re._parser")

Parsed = tuple[Any, Any]
Said = tuple[Any, ...]
Characters = frozenset[str]

SAMPLES = (
    "\x85\xa0ªµßéñ²½İΣЖ٣अ一ー\u017f\u0131\u07c0\u2013\u2019\u201c\u201d\u2022\u2026\u2028€"
    "\u061c\u200e\u200f\u202e\u2066\u2069"
)
UNIVERSE: Characters = frozenset(map(chr, range(128))) | frozenset(SAMPLES)
"""Sets of characters are told apart by these: one of each sort, and all that patterns name."""


@dataclass(frozen=True, slots=True)
class One:
    """Exactly one of these characters."""

    of: Characters


@dataclass(frozen=True, slots=True)
class Repeat:
    """Its body, so many times; a possessive one never gives back."""

    body: "Nodes"
    least: int
    most: int
    possessive: bool


@dataclass(frozen=True, slots=True)
class Group:
    body: "Nodes"
    captures: bool


@dataclass(frozen=True, slots=True)
class Choice:
    branches: "tuple[Nodes, ...]"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something can only begin: no walk on from here passes one of `stops`."""

    stops: Characters | None
    once: bool = False
    """There is one such place in a text."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look ahead, or behind at more than one character."""

    body: "Nodes"


@dataclass(frozen=True, slots=True)
class Odd:
    """What this tree has no name for."""

    name: str


Node = One | Repeat | Group | Choice | Place | Look | Odd
Nodes = tuple[Node, ...]


def tree(pattern: str, flags: int = 0) -> Nodes:
    """Return what `pattern` consists of."""
    parsed = parser.parse(pattern, flags)
    return _Reader(parsed.state.flags).nodes(parsed)


def walk(nodes: Iterable[Node]) -> Iterator[Node]:
    """Yield every node, and those inside it."""
    for node in nodes:
        yield node
        match node:
            case Repeat() | Group() | Look():
                yield from walk(node.body)
            case Choice():
                yield from walk(each for branch in node.branches for each in branch)
            case _:
                pass


def _of(category: str) -> Characters:
    return frozenset(each for each in UNIVERSE if re.fullmatch(category, each))


_WORD = _of(r"\w")
_CATEGORIES: Mapping[Any, Characters] = {
    op.CATEGORY_DIGIT: _of(r"\d"), op.CATEGORY_NOT_DIGIT: _of(r"\D"),
    op.CATEGORY_SPACE: _of(r"\s"), op.CATEGORY_NOT_SPACE: _of(r"\S"),
    op.CATEGORY_WORD: _WORD, op.CATEGORY_NOT_WORD: _of(r"\W"),
}  # fmt: skip


class _Reader:
    def __init__(self, flags: int) -> None:
        self._flags = flags
        self._makers: Mapping[Any, Callable[[Any], Node]] = {
            op.LITERAL: lambda code: One(self._cased(frozenset({chr(code)}))),
            op.NOT_LITERAL: lambda code: One(UNIVERSE - self._cased(frozenset({chr(code)}))),
            op.ANY: lambda _: One(UNIVERSE if flags & re.DOTALL else UNIVERSE - {"\n"}),
            op.IN: lambda members: One(self._set(members)),
            op.AT: self._place,
            op.ASSERT: lambda said: self._look(said, wanted=True),
            op.ASSERT_NOT: lambda said: self._look(said, wanted=False),
            op.MAX_REPEAT: lambda said: self._repeat(said, possessive=False),
            op.MIN_REPEAT: lambda said: self._repeat(said, possessive=False),
            op.POSSESSIVE_REPEAT: lambda said: self._repeat(said, possessive=True),
            op.SUBPATTERN: self._group,
            op.ATOMIC_GROUP: lambda body: Group(self.nodes(body), captures=False),
            op.BRANCH: lambda said: Choice(tuple(map(self.nodes, said[1]))),
        }

    def nodes(self, items: Iterable[Parsed]) -> Nodes:
        return tuple(map(self._node, items))

    def _node(self, item: Parsed) -> Node:
        code, argument = item
        make = self._makers.get(code)
        return Odd(str(code).lower()) if make is None else make(argument)

    def _repeat(self, said: Said, *, possessive: bool) -> Node:
        least, most, body = said
        return Repeat(self.nodes(body), int(least), int(most), possessive)

    def _group(self, said: Said) -> Node:
        number, added, removed, body = said
        if added or removed:
            return Odd("a flag inside a pattern")
        return Group(self.nodes(body), captures=number is not None)

    def _place(self, at: object) -> Node:
        if at is op.AT_BEGINNING_STRING:
            return Place(frozenset(), once=True)
        if at is op.AT_BEGINNING:
            return Place(frozenset("\n"), once=not self._flags & re.MULTILINE)
        # Where a word begins, what stands before is no part of one.
        return Place(UNIVERSE - _WORD if at is op.AT_BOUNDARY else None)

    def _look(self, said: Said, *, wanted: bool) -> Node:
        direction, parsed = said
        body = self.nodes(parsed)
        if direction < 0 and len(body) == 1 and isinstance(body[0], One):
            before = body[0].of
            return Place(before if wanted else UNIVERSE - before)
        return Look(body)

    def _set(self, members: Iterable[Parsed]) -> Characters:
        listed = list(members)
        negated = bool(listed) and listed[0][0] is op.NEGATE
        found = self._cased(frozenset().union(*map(self._member, listed[negated:])))
        return UNIVERSE - found if negated else found

    def _member(self, member: Parsed) -> Characters:
        code, argument = member
        if code is op.LITERAL:
            return frozenset({chr(argument)})
        if code is op.RANGE:
            return frozenset(x for x in UNIVERSE if argument[0] <= ord(x) <= argument[1])
        return _CATEGORIES[argument]

    def _cased(self, found: Characters) -> Characters:
        if not self._flags & re.IGNORECASE:
            return found
        return found | {x for x in UNIVERSE if {x.lower(), x.upper()} & found}
