"""What a question asks of data: by the names in it, and by the data's own clock."""

from datetime import UTC, datetime

import pytest

from incidents import Inquiry, Split, facts_json, seen
from weft.core import Fact

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


def test_the_time_asked_about_is_compared_only_where_it_is_of_the_incident() -> None:
    rows = Split(
        normal=[FIRST, FIRST + 60], incident=[LAST - 60, LAST], window=None, onset=[],
        normal_seconds=60,
    )  # fmt: skip
    during = seen(rows, float, Inquiry.of("errors in the last 10 minutes"))
    before = seen(rows, float, Inquiry.of("errors before 14:00"))
    whole = seen(rows, float, Inquiry())

    assert (list(during.now), list(during.before)) == ([LAST - 60, LAST], [FIRST, FIRST + 60])
    assert (list(before.now), list(before.before)) == ([FIRST, FIRST + 60], [])
    assert before.window is not None
    assert (before.window.value, before.window.what) == (2, "before 14:00")
    assert (list(whole.now), whole.window) == ([LAST - 60, LAST], None)


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
