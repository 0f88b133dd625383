"""From words to a frame."""

import pytest

from tests.libs.routing.frames import (
    FOUR,
    compiler,
    frame,
)
from weft.core import JsonObject
from weft.core.messages import MAX_PROMPT
from weft.routing import (
    CapabilityIndex,
    FrameInvalidError,
    Level,
    TaskType,
    UnknownCapabilityError,
    extract,
)


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


@pytest.mark.parametrize("text", ["", "  \n", "x" * (MAX_PROMPT + 1)])
def test_nothing_or_too_much_to_read_is_an_invalid_frame(text: str) -> None:
    with pytest.raises(FrameInvalidError) as caught:
        extract(text, CapabilityIndex())

    assert caught.value.code == "frame_invalid"


def test_a_wrong_given_field_is_named() -> None:
    with pytest.raises(FrameInvalidError) as caught:
        extract("look", CapabilityIndex(), given={"complexity": "huge", "colour": 1})

    assert set(caught.value.fields) == {"complexity", "colour"}
