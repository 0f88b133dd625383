"""What a question asks of data: by the names in it, and by the data's own clock."""

from datetime import UTC, datetime

import pytest

from incidents import Bounds, Inquiry, facts_json, seen, split
from weft.core import Fact, JsonValue
from weft.core.errors import InputError

FIRST = datetime(2031, 2, 3, 13, 50, tzinfo=UTC).timestamp()
LAST = datetime(2031, 2, 3, 14, 20, tzinfo=UTC).timestamp()


def clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%d %H:%M")


@pytest.mark.requirement("DIAG-24")
@pytest.mark.parametrize(
    ("question", "window"),
    [
        ("what happened before 14:05?", "03 13:50-03 14:05"),
        ("any errors since 14:05?", "03 14:05-03 14:20"),
        ("what changed in the last 10 minutes?", "03 14:10-03 14:20"),
        ("errors between 2pm and 2:10 pm", "03 14:00-03 14:10"),
        ("what was it at 14:05", "03 14:04-03 14:07"),
        ("errors yesterday", "02 00:00-03 00:00"),
        ("what changed since yesterday?", "02 00:00-03 14:20"),
        ("anything on 2031-02-01?", "01 00:00-02 00:00"),
        ("what broke at 23:00", "02 22:59-02 23:02"),
        ("errors before 13:00", "03 13:00-03 13:00"),
    ],
)
def test_time_words_are_read_by_the_clock_of_the_data(question: str, window: str) -> None:
    asked = Inquiry.of(question).window(FIRST, LAST)

    assert asked is not None
    assert f"{clock(asked.start)}-{clock(asked.end)}" == window


def test_without_time_words_all_of_the_data_is_meant() -> None:
    assert Inquiry.of("is basket ok?").window(FIRST, LAST) is None


@pytest.mark.parametrize(
    ("question", "name", "is_meant"),
    [
        ("is basket ok?", "basket", True),
        ("are the baskets ok?", "basket", True),
        ("is basket ok?", "ts-basket-service", True),
        ("is basket ok?", "basketservice", True),
        ("is baskett ok?", "basket", True),
        ("is basket ok?", "ledger", False),
        ("is it ok?", "item", False),
    ],
)
def test_a_name_is_meant_in_whole_in_part_or_nearly(
    question: str,
    name: str,
    is_meant: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    assert Inquiry.of(question).concerns(name) is is_meant


def test_the_facts_are_of_the_time_asked_about_and_say_it() -> None:
    asked = Inquiry.of("errors in the last 10 minutes")
    rows = split(
        [FIRST, FIRST + 60], [LAST - 660, LAST], float, Bounds(window=asked.window(0, LAST))
    )

    during = seen(rows, asked)
    whole = seen(split([FIRST], [LAST - 60, LAST], float, Bounds()), Inquiry())

    assert (list(during.now), list(during.before)) == ([LAST], [FIRST, FIRST + 60])
    assert during.window is not None
    assert (during.window.value, during.window.what) == (1, "last 10 minutes")
    assert (list(whole.now), whole.window) == ([LAST - 60, LAST], None)


@pytest.mark.parametrize(
    ("value", "window"),
    [
        ({"start": 100, "end": "1970-01-01T00:05:00Z"}, (100.0, 300.0)),
        ({"start": 100}, (100.0, 900.0)),
        ({"end": 300}, (50.0, 300.0)),
    ],
)
def test_a_window_named_as_a_value_goes_before_words(
    value: JsonValue, window: tuple[float, float]
) -> None:
    asked = Inquiry.of("errors in the last minute", value).window(50, 900)

    assert asked is not None
    assert (asked.start, asked.end) == window


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("09:20", "an object with start and end"),
        ({}, "neither a start nor an end"),
        ({"start": "soon", "end": 5}, "a start that is no time"),
        ({"start": 9, "end": 5}, "end after its start"),
        ({"alert": "late"}, "alert_time is no time"),
    ],
)
def test_a_window_that_is_none_is_refused_with_what_it_should_be(
    value: JsonValue, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        Inquiry.of("why?", value)


def test_facts_are_bounded_and_what_is_asked_about_comes_first() -> None:
    facts = [Fact(predicate="errors", subject=f"s{number}", value=number) for number in range(500)]
    facts.append(Fact(predicate="errors", subject="basket", value=7, what="x" * 5000))
    facts.append(Fact(predicate="services", value=[f"s{number}" for number in range(999)]))

    listed = facts_json(facts, Inquiry.of("is basket ok?"))

    assert len(listed) <= 60
    assert {each["predicate"] for each in listed[:2] if isinstance(each, dict)} == {
        "errors", "services",
    }  # fmt: skip
    assert all(len(str(each.get("what", ""))) <= 160 for each in listed if isinstance(each, dict))
