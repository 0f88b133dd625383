"""Records of values that were checked before."""

import pytest
from pydantic import Field

from weft.core import Record, unchecked


class Point(Record):
    """Has a field of each sort."""

    x: int
    y: int = 2
    names: list[str] = Field(default_factory=list)


def test_a_record_that_was_not_checked_equals_one_that_was() -> None:
    point, other = unchecked(Point, x=1), unchecked(Point, x=1)

    assert point == Point(x=1)
    assert point.to_json() == Point(x=1).to_json()
    assert list(point.__dict__) == ["x", "y", "names"]
    assert point.model_dump(exclude_unset=True) == {"x": 1}
    assert point.names is not other.names
    assert point.model_copy(update={"y": 3}) == Point(x=1, y=3)


def test_its_values_are_taken_as_they_are() -> None:
    names = ["a"]

    assert unchecked(Point, x=1, names=names).names is names


def test_one_without_a_field_that_it_needs_is_none() -> None:
    with pytest.raises(TypeError, match="Point needs the field 'x'"):
        unchecked(Point, y=1)
