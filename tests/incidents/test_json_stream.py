"""Items of a JSON document come one at a time, and a damaged one costs itself."""

import json
import math
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.json_stream import Item, JsonStream


def pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def items(text: str, *arrays: str, size: int = 7) -> list[Item]:
    return [
        Item(item.array, item.value, dict(item.context))
        for item in JsonStream(pieces(text, size)).items(arrays)
    ]


def values(text: str, *arrays: str, size: int = 7) -> list[object]:
    return [item.value for item in items(text, *arrays, size=size)]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_items_of_an_array_come_with_what_stands_before_it(size: int) -> None:
    text = '{"status":"ok","data":{"type":"matrix","result":[{"a":[1,{}]},{"b":2}],"x":1}}'

    read = items(text, "data.result", size=size)

    assert [item.value for item in read] == [{"a": [1, {}]}, {"b": 2}]
    assert read[0].context.items() >= {"status": "ok", "data.type": "matrix"}.items()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_arrays_below_arrays_are_reached_and_share_what_stands_around_them(size: int) -> None:
    text = (
        '{"n":1,"of":[{"who":{"a":1},"in":[{"x":1,"all":[{"b":1},[2]]},{"all":[{"b":3}]}]},'
        '{"in":[{"all":[{"b":4}]}],"who":{"a":2}}],"all":[{"b":9}]}'
    )

    read = list(JsonStream(pieces(text, size)).items(["of.*.in.*.all"]))

    assert [item.value for item in read] == [{"b": 1}, [2], {"b": 3}, {"b": 4}]
    assert [item.context["of.*.who"] for item in read] == [{"a": 1}] * 3 + [{"a": 2}]
    assert read[0].context is read[2].context is not read[3].context
    assert read[0].context["n"] == read[3].context["n"] == 1
    assert "of.*.in.*.x" not in read[0].context


ODD: list[object] = [
    {"of": [{"who": {"a": 1}, "in": [{"all": [{"b": 1}, [2], 3]}]}, 7], "n": 1, "rest": [1]},
    {"of": [{"in": [{"all": []}, {"all": [{"b": "\ud800 \0"}]}], "who": 2}]},
    {"n": {"x": 1}, "rest": []},
    {"of": {"in": 1}},
]


@pytest.mark.parametrize("value", ODD)
def test_a_line_gives_the_same_items_as_a_document_of_many_lines(value: object) -> None:
    line, many = json.dumps(value), json.dumps(value, indent=1)

    assert items(line, "of.*.in.*.all", "n.x") == items(many, "of.*.in.*.all", "n.x")
    assert items(f"{line}\n{line}\n", "of", size=1000) == items(many, "of") * 2


def test_values_in_a_row_are_read_one_after_the_other() -> None:
    assert values('[{"a":1},{"b":2}]\n[{"c":3}]', "") == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert values('{"x":[{"a":1}]}{"x":[]}\n\n{"y":[{"b":1}]}', "x", "y") == [{"a": 1}, {"b": 1}]


def test_a_damaged_line_costs_itself() -> None:
    assert values('{"x":[{"a":1}]}\n{broken\n{"x":[{"a":2}]}\n', "x") == [{"a": 1}, None, {"a": 2}]


@pytest.mark.parametrize(
    "odd",
    [
        '{"a":[1,}, "b":"}]"}', '{"a" 1}', "7", '"text"', "nul", '{"a":{"b":tru}}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 1000])
def test_an_odd_item_costs_no_other(odd: str, size: int) -> None:
    read = values(f'{{"x":[{{"a":1}},{odd},{{"a":2}}]}}', "x", size=size)

    assert read[0] == {"a": 1}
    assert read[-1] == {"a": 2}
    assert None in read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e999", math.inf), ("9" * 5000, math.inf), ("-Infinity", -math.inf),
        ('"\\ud800"', "\ufffd"), ('"\\u0000"', "\u2400"), ('"\t"', "\t"),
    ],
)  # fmt: skip
def test_a_value_that_is_strictly_no_json_is_shown(text: str, value: object) -> None:
    assert values(f'{{"x":[{{"a":{text}}}]}}', "x") == [{"a": value}]


@pytest.mark.parametrize("text", ['{"x":[{"a":1},{"a":2', '{"x":[{"a":1}', '{"x":[{"a":1},"ab'])
def test_what_stands_before_a_cut_is_read(text: str) -> None:
    assert values(text, "x")[0] == {"a": 1}
    assert values(text, "x")[-1] is None


@pytest.mark.parametrize("text", ["nonsense", "5", '{"x": 5', "[1", '{"x":[', "}", '{"x":]'])
def test_what_is_no_document_gives_no_item(text: str) -> None:
    assert [value for value in values(text, "x") if value] == []


def test_an_object_without_the_array_is_an_item_of_its_own() -> None:
    assert items('{"a":1,"b":[2]}\n{"x":[]}', "x") == [Item("*", {"a": 1}, {"a": 1})]


def test_a_long_document_takes_no_memory() -> None:
    item = json.dumps({"a": "b" * 100})
    text = f'{{"x":[{",".join([item] * 50_000)}]}}'

    tracemalloc.start()
    count = sum(1 for _ in JsonStream(pieces(text, 1 << 16)).items(["x"]))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 50_000
    assert most < 1 << 20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=3)), st.integers(1, 60))
def test_any_items_come_back_whatever_the_pieces(given_items: list[object], size: int) -> None:
    text = json.dumps({"before": {"x": [1]}, "x": given_items, "behind": []}, ensure_ascii=False)

    assert values(text, "x", size=size) == json.loads(
        json.dumps(given_items).replace("\\u0000", "\u2400")
    )


@given(st.text(alphabet='{}[]",:\\x1 \n'), st.integers(1, 20))
def test_no_text_makes_it_fail(text: str, size: int) -> None:
    values(text, "x", "", size=size)


@given(st.text(alphabet='{}":,x1 '), st.integers(1, 20))
def test_a_good_line_is_read_beside_any_other(text: str, size: int) -> None:
    good = '{"x":[{"good":1}]}'

    read = values(f"{good}\n{text}\n\n{good}\n", "x", size=size)

    assert read[0] == {"good": 1}
