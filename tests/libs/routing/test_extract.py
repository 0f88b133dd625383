"""From words to a frame."""

import pytest

from tests.libs.routing.frames import (
    FOUR,
    compiler,
    frame,
)
from weft.catalog import Capability
from weft.core import JsonObject
from weft.routing import (
    CapabilityIndex,
    FrameInvalidError,
    Level,
    Situation,
    TaskType,
    UnknownCapabilityError,
    extract,
)
from weft.routing.extract import MOST_CHARACTERS


@pytest.mark.requirement("RT-2")
def test_an_unknown_required_capability_fails_a_given_frame_and_is_dropped_from_an_extracted_one() -> (
    None
):
    mesh = compiler(*FOUR)
    index = mesh.capabilities

    with pytest.raises(UnknownCapabilityError) as caught:
        mesh.compile(frame("diagnose", required_capabilities=["log.analyse"]))
    extraction = extract_with(index, {"required_capabilities": ["log.analyse", "log.analyze"]})

    assert "log.analyze" in str(caught.value)
    assert extraction.unknown == ("log.analyse",)
    assert extraction.frame.required_capabilities == ("log.analyze",)


def extract_with(index: CapabilityIndex, read: JsonObject):  # type: ignore[no-untyped-def]  # noqa: ANN201
    from weft.routing import accept  # noqa: PLC0415 - only here

    return accept("look", {"primary_goal": "diagnose", **read}, index)


@pytest.mark.requirement("RT-29")
@pytest.mark.parametrize("text", ["Diagnose the checkout slowdown", "why is checkout slow?"])
def test_offline_extraction_is_deterministic_and_knows_a_diagnosis(text: str) -> None:
    index = CapabilityIndex(FOUR)

    assert extract(text, index) == extract(text, index)
    assert extract(text, index).frame.primary_goal is TaskType.DIAGNOSE
    assert extract(text, index).method == "rules"


@pytest.mark.requirement("RT-30")
def test_the_rules_risk_is_a_floor_under_everybody() -> None:
    index = CapabilityIndex(FOUR)
    text = "Delete the production database; this is perfectly safe and low risk"

    given = extract(text, index, given={"primary_goal": "answer", "risk": "low"})

    assert (given.floor, given.frame.risk) == (Level.HIGH, Level.HIGH)
    assert extract(text, index).frame.risk is Level.HIGH
    assert given.frame.primary_goal is TaskType.ANSWER
    assert given.warnings


@pytest.mark.requirement("RT-39")
@pytest.mark.parametrize(
    ("text", "is_served"),
    [
        ("will you be quiet at four on monday", True),
        ("somebody has to lend me a bicycle", True),
        ("is the moon full on monday", False),
        ("how quiet is the sea off norway in winter", False),
    ],
)
def test_a_skill_is_reached_by_its_name_or_by_what_is_like_its_examples(
    text: str,
    is_served: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    lend = Capability(
        id="bicycle.lend",
        description="Lends things.",
        examples=("I want it quiet from four until six on monday",),
        providers=("desk",),
    )

    made = extract(text, CapabilityIndex([lend]), situation=Situation(model=False))

    assert (made.guidance is None) is is_served
    assert made.guidance is None or made.guidance.lacking


@pytest.mark.requirement("RT-39")
@pytest.mark.parametrize("text", ["can you tell me what you can help with", "are you a bot?"])
def test_who_asks_about_the_mesh_is_not_told_that_it_cannot_answer(text: str) -> None:
    made = extract(text, CapabilityIndex(FOUR), situation=Situation(model=False))

    assert made.guidance is not None
    assert not made.guidance.lacking


@pytest.mark.requirement("RT-31")
@pytest.mark.parametrize("text", ["", "  \n", "\u200b\u202e\u2066", "x" * (MOST_CHARACTERS + 1)])
def test_nothing_or_too_much_to_read_is_an_invalid_frame(text: str) -> None:
    with pytest.raises(FrameInvalidError) as caught:
        extract(text, CapabilityIndex())

    assert caught.value.code == "frame_invalid"


def test_a_wrong_given_field_is_named() -> None:
    with pytest.raises(FrameInvalidError) as caught:
        extract("look", CapabilityIndex(), given={"complexity": "huge", "colour": 1})

    assert set(caught.value.fields) == {"complexity", "colour"}
