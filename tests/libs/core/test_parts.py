"""Parts: one content each, any value of JSON among them, and the same after a round trip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from weft.core import (
    Artifact,
    JsonObject,
    JsonValue,
    Message,
    Part,
    Result,
    data_of,
    parts_of,
    says_nothing,
    text_of,
)

VALUES: list[JsonValue] = [None, False, 0, "", [], {}, [1, {"a": None}], {"a": [True]}]


@pytest.mark.parametrize("value", VALUES)
def test_any_value_of_json_is_a_content_and_comes_back(value: JsonValue) -> None:
    part = Part(data=value)

    assert (part.kind, part.to_json()) == ("data", {"data": value})
    assert Part.model_validate(part.to_json()) == part
    assert not says_nothing((part,))


@pytest.mark.parametrize(
    "contents",
    [
        {},
        {"text": None},
        {"text": "a", "url": "b"},
        {"text": "a", "data": 1},
        {"media_type": "a/b"},
    ],
)
def test_a_part_has_exactly_one_content(contents: JsonObject) -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        Part.model_validate(contents)


@given(
    st.sampled_from(["text", "bytes", "url"]),
    st.text(max_size=3),
    st.none() | st.just("text/plain"),
    st.none() | st.just("a.txt"),
    st.sampled_from([{}, {"a": 1}]),
)
def test_a_file_keeps_its_type_name_and_metadata(
    kind: str, content: str, media: str | None, name: str | None, metadata: JsonObject
) -> None:
    part = Part.model_validate(
        {kind: content, "media_type": media, "filename": name, "metadata": metadata}
    )

    assert part.kind == kind
    assert Part.model_validate_json(part.model_dump_json()) == part


def test_what_was_written_before_there_were_parts_is_read() -> None:
    gaps: JsonObject = {"text": "a", "data": None, "url": None, "bytes": None, "filename": None}

    assert Part.model_validate(gaps) == Part(text="a")
    assert Result.model_validate({"status": "completed", "text": "a", "data": [1]}).parts == (
        parts_of("a", [1])
    )
    assert Result.model_validate({"status": "completed", "text": "", "data": None}).parts == ()
    old: JsonObject = {"role": "user", "content": "a", "parts": [{**gaps, "text": "b"}]}
    assert Message.model_validate(old).parts == (Part(text="a"), Part(text="b"))
    artifact: JsonObject = {"id": "i", "text": "a", "data": {"n": 1}, "media_type": "text/x"}
    assert Artifact.model_validate(artifact).parts == (
        Part(text="a", media_type="text/x"),
        Part(data={"n": 1}),
    )
    assert Artifact.model_validate({"id": "i", "text": None}).parts == (Part(data=None),)


def test_words_and_values_are_told_apart() -> None:
    parts = (*parts_of("one", {"n": 1}), Part(url="https://x/"), Part(text="two"), Part(data=2))

    assert (text_of(parts), data_of(parts)) == ("one\ntwo", {"n": 1})
    assert says_nothing(parts_of(" \n"))
    assert Result(status="completed", parts=parts).with_text("three").parts == (
        Part(text="three"), Part(data={"n": 1}), Part(url="https://x/"), Part(data=2),
    )  # fmt: skip
