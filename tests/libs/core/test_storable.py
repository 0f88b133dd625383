from hypothesis import given
from hypothesis import strategies as st

from weft.core import dumps
from weft.core.storable import NUL_SHOWN, SURROGATE_SHOWN, storable, storable_json

any_text = st.text(st.characters(exclude_categories=()))


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
