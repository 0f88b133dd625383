"""Streamed calls: however a server cuts them into pieces, the same calls come out."""

from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core import JsonObject, ToolCall, dumps
from weft.models import ModelUnavailableError
from weft.models.base import ModelRequest
from weft.models.errors import ErrorOrigin
from weft.models.openai.streaming import StreamReader

Entry = dict[str, Any]
Wanted = tuple[str, JsonObject]
NAMES = st.sampled_from(["rooms", "book", "cancel"])
VALUES = st.one_of(st.integers(0, 9), st.text('ab{}"\\,: é', max_size=6))
CALLS = st.lists(
    st.tuples(NAMES, st.dictionaries(st.sampled_from("abc"), VALUES, max_size=2)),
    min_size=1,
    max_size=4,
)


def read(pieces: list[list[Entry]]) -> tuple[ToolCall, ...]:
    """Return the calls of a stream that brings these entries, piece by piece."""
    reader = StreamReader(ModelRequest(messages=()), ErrorOrigin("openai"), "m", None)
    for entries in pieces:
        piece: JsonObject = {"choices": [{"delta": {"tool_calls": [*entries]}}]}
        reader.read(piece)
    reader.read({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    reader.joiner.add(reader.last())
    return reader.joiner.response().message.tool_calls


@dataclass(frozen=True)
class Dialect:
    """How a server tells one call from the next."""

    index: str
    """`own` for each call, `same` for all, or `none`."""
    ids: str
    """`once`, `always`, or `none`."""
    first: str
    """What comes before the arguments: name and id in one piece, or the id alone, or the name."""
    repeats_name: bool = False
    as_object: bool = False


def entry(dialect: Dialect, at: int, **fields: object) -> Entry:
    made: Entry = {name: value for name, value in fields.items() if value is not None}
    if dialect.index != "none":
        made["index"] = at if dialect.index == "own" else 0
    return made


def entries(dialect: Dialect, at: int, wanted: Wanted, cuts: list[int]) -> list[Entry]:
    """Return one call's entries in order, its arguments cut at `cuts`."""
    name, arguments = wanted
    given = None if dialect.ids == "none" else f"call-{at}"
    always = given if dialect.ids == "always" else None
    again = name if dialect.repeats_name else None
    if dialect.as_object:
        whole = {"name": name, "arguments": arguments}
        return [entry(dialect, at, id=given, function=whole)]
    text = dumps(arguments).decode()
    edges = [0, *sorted({cut % len(text) for cut in cuts} - {0}), len(text)]
    parts = [text[start:end] for start, end in pairwise(edges)]
    made: list[Entry] = []
    if dialect.first == "id alone":
        made.append(entry(dialect, at, id=given, function={"name": "", "arguments": ""}))
        made.append(entry(dialect, at, id=always, function={"name": name}))
    elif dialect.first == "name alone":
        made.append(entry(dialect, at, function={"name": name, "arguments": ""}))
        made.append(entry(dialect, at, id=given, function={"arguments": ""}))
    else:
        function = {"name": name, "arguments": parts.pop(0)}
        made.append(entry(dialect, at, id=given, function=function))
    for part in parts:
        function = {"arguments": part} if again is None else {"name": again, "arguments": part}
        made.append(entry(dialect, at, id=always, function=function))
    return made


INDEXES = st.sampled_from(["own", "same", "none"])
DIALECTS = st.builds(
    Dialect,
    index=INDEXES,
    ids=st.sampled_from(["once", "always", "none"]),
    first=st.sampled_from(["together", "id alone", "name alone"]),
    repeats_name=st.booleans(),
    as_object=st.booleans(),
).filter(lambda each: each.ids != "none" or each.first == "together")


def checked(found: tuple[ToolCall, ...], wanted: list[Wanted]) -> None:
    assert [(each.name, each.arguments) for each in found] == wanted
    assert all(each.malformed_arguments is None for each in found)
    assert len({each.id for each in found}) == len(found)
    assert all(each.id for each in found)


@pytest.mark.requirement("MOD-7")
@given(CALLS, DIALECTS, st.lists(st.integers(1, 40), max_size=4), st.data())
def test_calls_that_come_one_after_the_other_are_joined(
    wanted: list[Wanted], dialect: Dialect, cuts: list[int], data: st.DataObject
) -> None:
    in_order = [each for at, one in enumerate(wanted) for each in entries(dialect, at, one, cuts)]
    pieces: list[list[Entry]] = []
    while in_order:
        several = dialect.index == "own" and not dialect.repeats_name
        size = data.draw(st.integers(1, 3)) if several else 1
        pieces.append(in_order[:size])
        in_order = in_order[size:]

    checked(read(pieces), wanted)


@pytest.mark.requirement("MOD-7")
@given(CALLS, DIALECTS, st.lists(st.integers(1, 40), max_size=4), st.randoms())
def test_calls_that_come_together_are_told_apart_by_index_or_id(
    wanted: list[Wanted], dialect: Dialect, cuts: list[int], chance: Random
) -> None:
    if dialect.index != "own" and dialect.ids != "always":
        return
    if dialect.index != "own" and dialect.first == "name alone":
        return
    queues = [entries(dialect, at, one, cuts) for at, one in enumerate(wanted)]
    pieces = [[queue.pop(0)] for queue in queues]
    while any(queues):
        queue = chance.choice([queue for queue in queues if queue])
        pieces.append([queue.pop(0)])

    checked(read(pieces), wanted)


@pytest.mark.requirement("MOD-7")
@given(CALLS, DIALECTS.filter(lambda each: each.first == "together"))
def test_whole_calls_in_one_piece_are_each_a_call(wanted: list[Wanted], dialect: Dialect) -> None:
    piece = [each for at, one in enumerate(wanted) for each in entries(dialect, at, one, [])]

    checked(read([piece]), wanted)


@pytest.mark.parametrize("index", ["same", "none"])
def test_an_id_with_each_piece_makes_no_new_call(index: str) -> None:
    dialect = Dialect(index, "always", "together")
    pieces = [
        [entry(dialect, 0, id="r1", function={"name": "rooms", "arguments": ""})],
        [entry(dialect, 0, id="r2", function={"arguments": '{"a":'})],
        [entry(dialect, 0, id="r3", function={"arguments": "1}"})],
        [entry(dialect, 0, id="r4", function={"arguments": ""})],
    ]

    checked(read(pieces), [("rooms", {"a": 1})])


def test_calls_without_arguments_and_entries_that_say_nothing() -> None:
    pieces: list[list[Any]] = [
        [None, {"index": 0, "id": "a", "function": {"name": "rooms", "arguments": ""}}],
        [{"index": 0, "id": "a", "function": {"name": "rooms", "arguments": None}}],
        [{"index": 0, "id": "b", "function": {"name": "book", "arguments": ""}}],
        [{"index": 0, "id": "c", "function": None}],
    ]

    checked(read(pieces), [("rooms", {}), ("book", {})])


def test_a_name_that_comes_again_at_the_end_calls_nothing_again() -> None:
    pieces = [
        [{"index": 0, "function": {"name": "rooms", "arguments": "{}"}}],
        [{"index": 0, "function": {"name": "rooms", "arguments": ""}}],
    ]

    checked(read(pieces), [("rooms", {})])


def test_a_call_without_a_name_is_an_error_of_the_provider() -> None:
    with pytest.raises(ModelUnavailableError, match="without naming it"):
        read([[{"index": 0, "id": "a", "function": {"arguments": "{}"}}]])
