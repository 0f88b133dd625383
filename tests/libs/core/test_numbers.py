"""Whole numbers of requests."""

import pytest

from weft.core.numbers import whole_number


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("7", 7), ("007", 7), ("1000", 1000)])
def test_digits_are_a_number(text: str, number: int) -> None:
    assert whole_number(text, least=0, most=1000) == number


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "1.0", "1e2", " 1", "1_0", "0x1", "1001", "9" * 5000, "0" * 5000,
     "\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT THREE}"],
)  # fmt: skip
def test_anything_else_and_what_is_out_of_bounds_is_none(text: str) -> None:
    assert whole_number(text, least=0, most=1000) is None
