"""Items of JSON documents of any size, one at a time: what is damaged costs itself.

A reader that gives up where a value is damaged would lose all behind it; so each item is read by
itself, and behind one that cannot be, reading goes on where its brackets close.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from weft.core import JsonObject, JsonValue
from weft.core.record import loads
from weft.core.storable import storable_json

_MOST_CHARACTERS = 1 << 25
"""One item that is longer is damaged, or takes too much memory."""
_MOST_LINE = 1 << 18
"""A line of at most so many characters is read whole, if it is an object."""
_MOST_DIGITS = 400
_NEAR = 64
_BLANK = re.compile(r"[ \t\r\n,]*+")
_MARKS = re.compile(r'"(?:[^"\\\n]|\\.)*+["\n]?|[{}\[\]]')
_DEPTH = {"{": 1, "[": 1, "}": -1, "]": -1}
_PLAIN_VALUE = re.compile(r"[^,}\]\n]*+")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _MOST_DIGITS else math.inf


_DECODER = json.JSONDecoder(strict=False, parse_int=_integer)


class Item(NamedTuple):
    """One item of an array; `value` is None where it is damaged, or neither object nor array."""

    array: str
    """The path of its array, as it was asked for."""
    value: JsonObject | list[JsonValue] | None
    context: JsonObject
    """The values, arrays left out, of the objects around the array, by their paths.

    Items below one outermost object share it, and it goes on being filled: when the next items have
    another, it holds what stands behind their array too.
    """

    @property
    def record(self) -> JsonObject | None:
        """The item where it is an object."""
        return self.value if isinstance(self.value, dict) else None


class _Wanted(NamedTuple):
    """Which arrays' items are wanted, and the paths that lead to them."""

    arrays: frozenset[str]
    ways: frozenset[str]

    @classmethod
    def of(cls, arrays: Iterable[str]) -> "_Wanted":
        paths = frozenset(arrays)
        parts = [path.split(".") for path in paths]
        ways = {".".join(names[:end]) for names in parts for end in range(1, len(names))}
        return cls(paths, frozenset(ways))


class _DamagedError(Exception):
    """What stands here is no JSON."""


class JsonStream:
    """The JSON values of a text that comes in pieces; one of many lines, or many of one."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = iter(texts)
        self._text = ""
        self._at = 0
        self._ended = False
        self._reached = False
        self.is_cut = False
        """Whether the text ended, as far as it was read, in the midst of a value."""

    def items(self, arrays: Iterable[str]) -> Iterator[Item]:
        """Yield the items of the arrays at these dotted paths; "" is an array at the top.

        A `*` in a path stands for each object of an array, as in `data.*.spans`.
        An object that has none of them is an item of its own at the path "*", with what is plain.
        """
        wanted = _Wanted.of(arrays)
        while self._ahead():
            yield from self._top(wanted)

    def _top(self, wanted: _Wanted) -> Iterator[Item]:
        line = self._line()
        if line is not None:
            yield from _Whole(wanted).items(line)
            return
        try:
            if self._text[self._at] == "[" and "" in wanted.arrays:
                yield from self._array("", wanted, {})
            else:
                yield from self._whole(wanted)
        except _DamagedError:
            yield Item("*", None, {})
            self.is_cut = self._at >= len(self._text) or not self._skip_line()

    def _line(self) -> JsonObject | None:
        """Take the line that begins here, if it is an object: whole ones are read much faster."""
        if self._text[self._at] != "{":
            return None
        while (end := self._text.find("\n", self._at)) < 0:
            if len(self._text) - self._at > _MOST_LINE or not self._more():
                end = len(self._text)
                break
        text = self._text[self._at : end]
        if len(text) > _MOST_LINE or not text.rstrip().endswith("}"):
            return None
        try:
            value = loads(text)
        except ValueError:
            return None
        self._at = end
        if "\\u" in text:
            value = storable_json(value)
        return value if isinstance(value, dict) else None

    def _whole(self, wanted: _Wanted) -> Iterator[Item]:
        if self._text[self._at] != "{":
            raise _DamagedError
        context: JsonObject = {}
        self._reached = False
        yield from self._object("", wanted, context)
        if not self._reached:
            yield Item("*", context, context)

    def _object(self, path: str, wanted: _Wanted, context: JsonObject) -> Iterator[Item]:
        self._at += 1
        while self._expect() != "}":
            key = self._value()
            if not isinstance(key, str) or self._expect() != ":":
                raise _DamagedError
            self._at += 1
            below = f"{path}.{key}" if path else key
            opening = self._expect()
            if opening == "[" and (below in wanted.arrays or f"{below}.*" in wanted.ways):
                yield from self._array(below, wanted, context)
            elif opening == "{" and below in wanted.ways:
                yield from self._object(below, wanted, context)
            else:
                value = self._value()
                if not isinstance(value, list):
                    context[below] = value
        self._at += 1

    def _array(self, path: str, wanted: _Wanted, context: JsonObject) -> Iterator[Item]:
        below = f"{path}.*"
        is_way = below in wanted.ways
        self._reached = True
        self._at += 1
        while (opening := self._expect()) != "]":
            if opening in "}:":
                raise _DamagedError
            if is_way and opening == "{":
                yield from self._object(below, wanted, _context_of(below, context))
                continue
            try:
                value = self._value()
            except _DamagedError:
                value = None
                self._skip_value()
            yield Item(path, value if isinstance(value, dict | list) else None, context)
        self._at += 1

    def _expect(self) -> str:
        """Return the next character that is neither blank nor a comma."""
        if not self._ahead():
            raise _DamagedError
        return self._text[self._at]

    def _value(self) -> JsonValue:
        """Return the value that begins here, and stand behind it."""
        while True:
            value, end, why = self._tried()
            if why is None and (end < len(self._text) or self._ended):
                self._at = end
                return value
            if why is not None and why < len(self._text) - _NEAR:
                raise _DamagedError
            if len(self._text) - self._at > _MOST_CHARACTERS or not self._more():
                if why is None:
                    self._at = end
                    return value
                raise _DamagedError

    def _tried(self) -> tuple[JsonValue, int, int | None]:
        """Return what was read, where it ends, and where it is damaged: None if it is not."""
        try:
            value, end = _DECODER.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            # A text that does not end begins far before the end of what is there.
            cut = error.msg.startswith("Unterminated")
            return None, self._at, len(self._text) if cut else error.pos
        except RecursionError:
            raise _DamagedError from None
        if "\\u" in self._text[self._at : end]:
            value = storable_json(value)
        return value, end, None

    def _skip_value(self) -> None:
        """Go behind a value that is damaged: where its brackets close, or its line ends."""
        if self._text[self._at] in "{[":
            self._skip_brackets()
            return
        self._at = _match_end(_PLAIN_VALUE, self._text, self._at)
        if self._text.startswith("\n", self._at):
            self._at += 1

    def _skip_brackets(self) -> None:
        depth = 0
        while True:
            for mark in _MARKS.finditer(self._text, self._at):
                if mark.end() == len(self._text) and mark[0][0] == '"' and not self._ended:
                    self._at = mark.start()  # it may go on in what is still to come
                    break
                depth += _DEPTH.get(mark[0], 0)
                if depth == 0:
                    self._at = mark.end()
                    return
            else:
                self._at = len(self._text)
            if not self._more():
                raise _DamagedError

    def _skip_line(self) -> bool:
        """Go behind the line at hand; tell whether it has an end."""
        while (end := self._text.find("\n", self._at)) < 0:
            self._at = len(self._text)
            if not self._more():
                return False
        self._at = end + 1
        return True

    def _ahead(self) -> bool:
        """Pass blanks and commas; tell whether anything stands behind them."""
        while True:
            self._at = _match_end(_BLANK, self._text, self._at)
            if self._at < len(self._text):
                return True
            if not self._more():
                return False

    def _more(self) -> bool:
        """Take the next piece, or as much as there is already: what is long is read few times."""
        self._text = self._text[self._at :]
        self._at = 0
        pieces, length = [self._text], 0
        while length <= len(self._text):
            piece = next(self._texts, None)
            if piece is None:
                self._ended = True
                break
            pieces.append(piece)
            length += len(piece)
        self._text = "".join(pieces)
        return length > 0


def _context_of(path: str, context: JsonObject) -> JsonObject:
    """Return what an object at `path` adds its values to: the outermost in an array has its own."""
    if path.count("*") == 1:
        return dict(context)
    for key in [key for key in context if key.startswith(f"{path}.")]:
        del context[key]
    return context


def _match_end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


class _Whole:
    """An object that was read whole; its items are those that `JsonStream` finds in a text."""

    def __init__(self, wanted: _Wanted) -> None:
        self._wanted = wanted
        self._reached = False

    def items(self, value: JsonObject) -> Iterator[Item]:
        context: JsonObject = {}
        yield from self._object(value, "", context)
        if not self._reached:
            yield Item("*", context, context)

    def _object(self, value: JsonObject, path: str, context: JsonObject) -> Iterator[Item]:
        arrays, ways = self._wanted
        for key, member in value.items():
            below = f"{path}.{key}" if path else key
            if isinstance(member, list):
                if below in arrays or f"{below}.*" in ways:
                    yield from self._array(member, below, context)
            elif isinstance(member, dict) and below in ways:
                yield from self._object(member, below, context)
            else:
                context[below] = member

    def _array(self, values: list[JsonValue], path: str, context: JsonObject) -> Iterator[Item]:
        below = f"{path}.*"
        is_way = below in self._wanted.ways
        self._reached = True
        for value in values:
            if is_way and isinstance(value, dict):
                yield from self._object(value, below, _context_of(below, context))
            else:
                yield Item(path, value if isinstance(value, dict | list) else None, context)
