"""Answers against the schema of their question."""

import pytest

from weft.core import JsonObject, JsonValue
from weft.core.misfits import misfits

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "outcome": {"enum": ["done", "not_done"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 3},
        "names": {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 2},
        "note": {"type": ["string", "null"]},
        "fixed": {"const": True},
    },
    "required": ["outcome"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "value",
    [
        {"outcome": "done"},
        {"outcome": "done", "count": 3, "names": ["a", "abc"], "note": None, "fixed": True},
        {"outcome": "not_done", "count": 2.0, "note": "x"},
    ],
)
def test_what_fits_has_no_fault(value: JsonValue) -> None:
    assert list(misfits(value, SCHEMA)) == []
    assert list(misfits(value, {})) == []


@pytest.mark.parametrize(
    ("value", "pointers"),
    [
        (None, [""]),
        ([], [""]),
        ({}, ["/outcome"]),
        ({"outcome": "maybe"}, ["/outcome"]),
        ({"outcome": "done", "count": True}, ["/count"]),
        ({"outcome": "done", "count": 1.5}, ["/count"]),
        ({"outcome": "done", "count": 0}, ["/count"]),
        ({"outcome": "done", "count": 4}, ["/count"]),
        ({"outcome": "done", "names": ["a", 1]}, ["/names/1"]),
        ({"outcome": "done", "names": ["abcd", "b", "c"]}, ["/names", "/names/0"]),
        ({"outcome": "done", "note": 1, "fixed": 1}, ["/note", "/fixed"]),
        ({"outcome": "done", "a/b~c": 1}, ["/a~1b~0c"]),
    ],
)
def test_every_fault_has_its_place(value: JsonValue, pointers: list[str]) -> None:
    assert [pointer for pointer, _ in misfits(value, SCHEMA)] == pointers


def test_a_number_is_no_truth() -> None:
    assert list(misfits(1, {"enum": [True]}))
    assert list(misfits(value=True, schema={"const": 1}))
    assert list(misfits(0, {"const": False}))
