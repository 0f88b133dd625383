"""What may be said to a question, and how it is read."""

import pytest

from weft.core import DECLINED, Interrupt, JsonObject, JsonValue, approves, check_answer, option_of
from weft.core.errors import InputError

CHOICE: JsonObject = {
    "type": "object",
    "properties": {"outcome": {"enum": ["done", "abandon"]}, "value": {}},
    "required": ["outcome"],
    "additionalProperties": False,
}


def asked(reason: str = "question", **more: object) -> Interrupt:
    return Interrupt.model_validate({"id": "q", "reason": reason, "message": "?", **more})


UNKNOWN = asked("effect_unknown", options=("done", "abandon"), response_schema=CHOICE)
CLOSED = asked(options=("eu", "us"), response_schema={"type": "string", "enum": ["eu", "us"]})
LISTED = asked(options=("eu", "us"))
FORM = asked(
    response_schema={
        "type": "object",
        "properties": {
            "n": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "note": {"type": ["string", "null"]},
        },
        "required": ["n"],
    }
)
OPEN = asked()
APPROVAL = asked("approval", options=("approve", "refuse"))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (UNKNOWN, "done"),
        (UNKNOWN, " abandon\n"),
        (UNKNOWN, {"outcome": "done"}),
        (UNKNOWN, {"outcome": "done", "value": [1, {"a": None}]}),
        (CLOSED, "eu"),
        (LISTED, {"outcome": "us"}),
        (FORM, {"n": 1, "tags": ["a"], "note": None, "more": 5}),
        (OPEN, None),
        (OPEN, {"any": ["thing"]}),
        (APPROVAL, True),
        (APPROVAL, "Yes"),
        (APPROVAL, "refuse"),
        (APPROVAL, {"approved": False, "comment": "not today"}),
        (APPROVAL, DECLINED),
    ],
)
def test_what_was_asked_for_is_taken(question: Interrupt, answer: JsonValue) -> None:
    check_answer(question, answer)


@pytest.mark.parametrize(
    ("question", "answer", "wanted"),
    [
        (UNKNOWN, "maybe", "'done', 'abandon'"),
        (UNKNOWN, "Done", "'done', 'abandon'"),
        (UNKNOWN, {"status": "resolved", "payload": "done"}, "'done', 'abandon'"),
        (UNKNOWN, {"outcome": "done", "result": 1}, "'done', 'abandon'"),
        (UNKNOWN, {"outcome": ["done"]}, "'done', 'abandon'"),
        (UNKNOWN, DECLINED, "'done', 'abandon'"),
        (UNKNOWN, None, "'done', 'abandon'"),
        (UNKNOWN, 1, "'done', 'abandon'"),
        (CLOSED, "asia", "'eu', 'us'"),
        (CLOSED, {"outcome": "eu"}, "'eu', 'us'"),
        (LISTED, {"outcome": "asia"}, "'eu', 'us'"),
        (FORM, {}, "n, tags, note"),
        (FORM, {"n": "1"}, "n, tags, note"),
        (FORM, {"n": True}, "n, tags, note"),
        (FORM, {"n": 1, "tags": ["a", 2]}, "n, tags, note"),
        (FORM, "text", "n, tags, note"),
        (APPROVAL, "perhaps", "'approve' or 'refuse'"),
        (APPROVAL, None, "'approve' or 'refuse'"),
        (APPROVAL, {"approved": "yes"}, "'approve' or 'refuse'"),
        (APPROVAL, {"ok": True}, "'approve' or 'refuse'"),
    ],
)
def test_anything_else_is_refused_and_told_what_is_taken(
    question: Interrupt, answer: JsonValue, wanted: str
) -> None:
    with pytest.raises(InputError, match="does not take this answer") as caught:
        check_answer(question, answer)

    assert wanted in str(caught.value)
    assert caught.value.field == "responses"


def test_an_option_is_the_answer_or_its_outcome_and_nothing_else() -> None:
    said: list[JsonValue] = ["a", {"outcome": "a"}, {"option": "a"}, ["a"], None, 1, {"outcome": 1}]

    assert [option_of(each) for each in said] == ["a", "a", None, None, None, None, None]


def test_only_a_clear_word_approves() -> None:
    said: list[JsonValue] = [True, "approve", {"approved": True}, False, "no", "maybe", 1, None, {}]

    assert [approves(each) for each in said] == [True] * 3 + [False] * 2 + [None] * 4
