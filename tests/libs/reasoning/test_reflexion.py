"""Reflexion: arithmetic of confidence and novelty."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.errors import ConfigError
from weft.reasoning.reflexion import IterationCall, IterationEvidence, ReflexionConfig, reflect_on

FRESH = IterationCall(ok=True, novelty=1.0)
STALE = IterationCall(ok=True, novelty=0.0)
FAILED = IterationCall(ok=False, novelty=0.0)


@pytest.mark.requirement("RSN-1")
def test_one_fully_novel_success_each_reaches_85_at_12_and_90_at_15() -> None:
    confidence = 0.0
    reached: dict[float, int] = {}
    for iteration in range(1, 20):
        confidence = reflect_on(confidence, [FRESH], looping=False).confidence
        for level in (0.85, 0.90):
            if confidence >= level:
                reached.setdefault(level, iteration)

    assert reached == {0.85: 12, 0.90: 15}


@pytest.mark.requirement("RSN-1")
@given(st.lists(st.floats(0, 1), max_size=30))
def test_calls_in_one_batch_reach_what_they_reach_one_by_one(novelties: list[float]) -> None:
    one_by_one = 0.3
    for novelty in novelties:
        outcome = IterationCall(ok=True, novelty=novelty)
        one_by_one = reflect_on(one_by_one, [outcome], looping=False).confidence

    batch = reflect_on(
        0.3, [IterationCall(ok=True, novelty=each) for each in novelties], looping=False
    )

    if novelties:
        assert batch.confidence == pytest.approx(one_by_one)


@pytest.mark.parametrize(
    ("outcomes", "looping", "confidence", "assessment"),
    [
        ([], False, 0.525, "on_track"),
        ([FAILED], False, 0.3, "stuck"),
        ([FAILED, FRESH], False, 0.375, "new_findings"),
        ([STALE], False, 0.5, "on_track"),
        ([STALE], True, 0.2, "loop_detected"),
        ([FAILED, FAILED, FAILED], False, 0.0, "stuck"),
    ],
)
def test_what_an_iteration_is_worth(
    outcomes: list[IterationCall], *, looping: bool, confidence: float, assessment: str
) -> None:
    found = reflect_on(0.5, outcomes, looping=looping)

    assert found.confidence == pytest.approx(confidence)
    assert found.assessment == assessment
    assert bool(found.guidance) == (assessment in {"stuck", "loop_detected"})


def test_novelty_is_the_share_of_leaves_not_seen_before() -> None:
    evidence = IterationEvidence()

    first = evidence.novelty("", {"a": 1, "b": [2, 3]})
    again = evidence.novelty("", {"a": 1, "b": [2, 3]})
    partly = evidence.novelty("", {"a": 1, "b": [2, 4], "c": None})

    assert (first, again, partly) == (1.0, 0.0, 0.5)


def test_text_is_compared_by_three_words_at_a_time() -> None:
    evidence = IterationEvidence()

    assert evidence.novelty("the disk is full") == 1.0
    assert evidence.novelty("the disk is full") == 0.0
    assert evidence.novelty("the disk is slow") == 0.5
    assert evidence.novelty("ok") == 1.0
    assert evidence.novelty("") == 0.0


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
def test_an_impossible_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(ConfigError):
        ReflexionConfig(threshold=threshold)
