"""A result crosses the wire and comes back the same."""

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.a2a.wire.outcomes import (
    artifacts_of,
    interrupts_of,
    metadata_of,
    question_parts,
    result_of,
)
from weft.a2a.wire.parts import to_wire
from weft.core import (
    Artifact,
    Claim,
    Interrupt,
    JsonObject,
    JsonValue,
    Reason,
    Result,
    Usage,
    Verdict,
    Window,
)

TASK = "0" * 32


def is_unicode(text: str) -> bool:
    """Lone surrogates are no text that JSON can carry."""
    return text.isascii() or not any("\ud800" <= each <= "\udfff" for each in text)


texts = st.sampled_from(["", "a", "\n", "ü 数\U0001f600", '"{}', TASK]) | st.text(
    max_size=3
).filter(is_unicode)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=3,
)
objects = st.dictionaries(texts, json_values, max_size=3)
paths = st.lists(texts, max_size=3).map(tuple)
claims = st.builds(
    Claim,
    text=texts,
    type=st.sampled_from(["tool_match", "inference", "neg_evidence"]),
    kind=st.sampled_from(["cause", "symptom", "fact"]),
    strength=st.floats(0, 1),
    evidence_refs=st.lists(texts, max_size=2).map(tuple),
    value=json_values,
    polarity=st.booleans(),
    window=st.none() | st.builds(Window, start=st.floats(0, 1e9), end=st.floats(0, 1e9)),
)
artifacts = st.builds(
    Artifact,
    id=texts.filter(bool) | st.just(TASK),
    name=texts,
    text=st.none() | texts,
    data=json_values,
    media_type=st.none() | st.sampled_from(["text/plain", "application/json"]),
)
interrupts = st.builds(
    Interrupt,
    id=texts.filter(bool),
    reason=st.sampled_from(["approval", "question", "credentials", "effect_unknown"]),
    message=texts,
    path=paths,
    tool_call_id=st.none() | texts,
    response_schema=st.none() | objects,
    options=st.lists(texts, max_size=2).map(tuple),
    url=st.none() | texts,
    approver_scope=st.none() | texts,
    expires_in=st.floats(0.001, 1e6),
    metadata=objects,
)
results = st.builds(
    Result,
    status=st.sampled_from(["completed", "failed", "canceled"]),
    text=texts,
    data=json_values,
    artifacts=st.lists(artifacts, max_size=3).map(tuple),
    claims=st.lists(claims, max_size=2).map(tuple),
    verdict=st.none()
    | st.builds(
        Verdict,
        choice=texts,
        reasons=texts,
        per_criterion=st.dictionaries(texts, texts, max_size=2),
    ),
    usage=st.builds(
        Usage, total_tokens=st.integers(0, 10**9), cost_usd=st.none() | st.floats(0, 1e6)
    ),
    reasons=st.lists(st.builds(Reason, code=texts, message=texts, path=paths), max_size=2).map(
        tuple
    ),
    partial=st.booleans(),
    generated_by=st.none() | st.sampled_from(["model", "rules"]),
    stop_reason=st.none() | texts.filter(bool),
)


def over_the_wire(value: object) -> JsonObject:
    found: JsonObject = orjson.loads(orjson.dumps({"it": value}))
    return found


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(results)
def test_nothing_of_a_result_is_lost_on_its_way(result: Result) -> None:
    shown = over_the_wire(artifacts_of(result, TASK))["it"]
    metadata = over_the_wire(metadata_of(result))["it"]
    assert isinstance(shown, list)
    assert isinstance(metadata, dict)

    read = result_of("TASK_STATE_COMPLETED", shown, metadata)  # type: ignore[arg-type]

    assert read == result


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(results)
def test_every_artifact_on_the_wire_has_a_part_with_one_content(result: Result) -> None:
    for artifact in artifacts_of(result, TASK):
        parts = artifact["parts"]
        assert isinstance(parts, list)
        assert parts
        for part in parts:
            assert isinstance(part, dict)
            assert len({"text", "raw", "url", "data"} & set(part)) == 1


@given(st.lists(interrupts, min_size=1, max_size=3).map(tuple))
def test_a_question_keeps_its_id_and_all_else(asked: tuple[Interrupt, ...]) -> None:
    parts = over_the_wire(to_wire(question_parts(asked, extended=True)))["it"]
    assert isinstance(parts, list)

    assert interrupts_of(parts) == asked


@pytest.mark.requirement("A2A-33")
def test_of_a_foreign_agent_all_text_is_the_answer_and_data_stands_apart() -> None:
    foreign: list[JsonObject] = [
        {"artifactId": "a", "parts": [{"text": "one"}, {"data": {"n": 1}}]},
        {"artifactId": "b", "name": "more", "parts": [{"text": "two"}]},
    ]

    result = result_of("TASK_STATE_COMPLETED", foreign, {})

    assert result.text == "one\ntwo"
    assert result.data == {"n": 1}
    assert result.usage.unknown
    assert [artifact.id for artifact in result.artifacts] == ["a", "b"]
