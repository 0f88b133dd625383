import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core import JsonValue, dumps
from weft.core.storable import NUL_SHOWN, received, storable, storable_json

any_text = st.text(st.characters(exclude_categories=()))

SURROGATE_SHOWN = "\N{REPLACEMENT CHARACTER}"


@given(any_text)
def test_what_comes_back_can_be_kept_and_is_as_long(text: str) -> None:
    kept = storable(text)

    assert "\0" not in kept
    assert storable(kept) is kept
    assert len(kept.encode("utf-16-le")) == len(text.encode("utf-16-le", "surrogatepass"))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_text_that_can_be_kept_is_not_touched(text: str) -> None:
    assert storable(text) is text


def test_what_cannot_be_kept_is_shown() -> None:
    assert storable("a\0b\ud800c") == f"a{NUL_SHOWN}b{SURROGATE_SHOWN}c"


def test_a_json_value_is_cleaned_to_its_last_name() -> None:
    value = storable_json({"a\0": ["\udfff", {"b": "\0", "n": 1.5, "none": None, "yes": True}]})

    assert dumps(value).decode() == (
        f'{{"a{NUL_SHOWN}":["{SURROGATE_SHOWN}",'
        f'{{"b":"{NUL_SHOWN}","n":1.5,"none":null,"yes":true}}]}}'
    )


@given(st.recursive(any_text, lambda inner: st.lists(inner) | st.dictionaries(any_text, inner)))
def test_any_json_from_outside_is_received_storable(value: JsonValue) -> None:
    assert received(json.dumps(value)) == storable_json(value)
    assert received(json.dumps(value).encode()) == storable_json(value)
    dumps(received(json.dumps(value)))


@pytest.mark.parametrize(
    "text", ["{", '{"a": NaN}', '["\\ud800", NaN]', "", '"\\ud800" x', b"\xff"]
)
def test_what_is_no_json_is_not_received(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        received(text)


def test_what_is_nested_without_end_is_refused_and_no_crash() -> None:
    with pytest.raises(ValueError, match="nested"):
        received('["\\ud800",' + "[" * 100_000 + "]" * 100_001)


@pytest.mark.parametrize("leaf", ["1", '"\\u0000"', '"\\ud800"', '"x", "y"'])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":[1,', "]}")])
def test_what_is_nested_deeper_than_can_be_written_again_is_refused(
    leaf: str, opening: str, closing: str
) -> None:
    levels = opening.count("[") + opening.count("{")

    for depth in (98, 300, 600, 1000):
        text = opening * (depth // levels) + f"[{leaf}]" + closing * (depth // levels)
        if depth > 100:
            with pytest.raises(ValueError, match=r"nest|JSON|[Rr]ecursion"):
                received(text.encode())
        else:
            assert dumps(received(text.encode()))
