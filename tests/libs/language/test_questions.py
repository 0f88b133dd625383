"""What a question asks about recorded data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core import Message
from weft.language import EARLIER, Question, asked_before, in_context, points_back
from weft.language.periods import period_of


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("what did we deploy", "changes"),
        ("was anything rolled out before the trouble?", "changes"),
        ("any exceptions since 14:05?", "errors"),
        ("which endpoint has the most failures", "errors"),
        ("is the basket service behaving normally?", "health"),
        ("is the edge affected too?", "affected"),
        ("give me the three slowest operations", "slowest"),
        ("how long do requests to basket take?", "slowest"),
        ("since when is basket down", "moment"),
        ("when did latency begin to climb", "moment"),
        ("number of failed orders?", "count"),
        ("how many errors did basket log", "count"),
        ("what's the error rate of basket", "rate"),
        ("walk me through the sequence of events", "timeline"),
        ("what happened around 14:05?", "timeline"),
        ("why is basket slow?", "cause"),
        ("basket is slow", "cause"),
        ("who's the culprit", "cause"),
        ("investigate basket", "cause"),
        ("compare ledger with basket", "compare"),
        ("is it the ledger or the basket?", "compare"),
        ("what should we do about it", "fix"),
        ("how do you know?", "evidence"),
        ("which services are there?", "services"),
        ("cpu usage of ledger?", "metric"),
        ("fix it somehow", "cause"),
        ("how many services?", "services"),
        ("services?", "services"),
        ("which components exist in this environment?", "services"),
        ("Would you mind giving me a short summary of the situation?", "summary"),
        ("tldr", "summary"),
        ("just woke up, catch me up please", "summary"),
        ("how bad is it", "summary"),
        ("basket latency", "slowest"),
        ("how fast is basket these days", "slowest"),
        ("may I ask who calls the ledger?", "calls"),
        ("deps of basket", "calls"),
        ("consumers of ledger", "calls"),
        ("blast radius?", "affected"),
        ("alright, who else is suffering because of this", "affected"),
        ("so which one of these is the bad apple?", "worst"),
        ("which service have problem", "worst"),
        ("over yet?", "recovery"),
        ("is basket still slow?", "recovery"),
        ("Could somebody tell me whether the incident has been resolved?", "recovery"),
        ("are things okay again?", "recovery"),
        ("what service is more slow, basket or ledger", "compare"),
        ("first error?", "moment"),
        ("Could you tell me when things started to go wrong?", "moment"),
        ("please say me how much request fail", "count"),
        ("Please give me the list of all errors that occurred.", "errors"),
        ("stack traces please", "errors"),
        ("rollback what?", "fix"),
        ("how can repair this", "fix"),
        ("did someone ship something right before this blew up?", "changes"),
        ("what chnaged recently", "changes"),
        ("whats teh root casue", "cause"),
        ("show erors in basket", "errors"),
        ("sumarize the outage", "summary"),
        ("depedencies of edge", "calls"),
        ("ledger queue length", "metric"),
        ("what services rely upon ledger", "calls"),
        ("which services are unaffected?", "affected"),
        ("did we roll out anything new", "changes"),
        ("start of the incident?", "moment"),
        ("Wie schlimm ist es?", "summary"),
        ("top 3 heaviest operations", "slowest"),
        ("what is different compared to before", "changes"),
        ("if basket goes down, which services are affected", "calls"),
        ("are customers able to buy again?", "recovery"),
        ("what made basket slow", "cause"),
        ("percentage of failing orders?", "rate"),
        ("got any exception messages for basket", "errors"),
        ("how certain are you", "evidence"),
        ("what's your recommendation", "fix"),
        ("which component should I look at first", "worst"),
        ("average latency of basket", "slowest"),
        ("how many requests per second does basket get", "metric"),
        ("at which second did the first request fail", "moment"),
        ("is everything back to how it was", "recovery"),
        ("what came first, the errors or the slowdown", "timeline"),
        ("which services use the ledger", "calls"),
        ("what do you base this on", "evidence"),
    ],
)
def test_its_kind_is_read_from_its_words(text: str, kind: str) -> None:
    assert Question.of(text).kind == kind


@pytest.mark.parametrize(
    ("text", "subjects"),
    [
        ("Why is the search service down?", ("search",)),
        ("is basket ok?", ("basket",)),
        ("show me errors in ledger", ("ledger",)),
        ("compare ledger and basket", ("ledger", "basket")),
        ("alertname=Slow severity=critical service=basket firing", ("basket",)),
        ("users report 500s at basket", ("basket",)),
        ("top errors", ()),
        ("what changed?", ()),
        ("is the incident over?", ()),
        ("is it the database?", ()),
        ("is kafka the culprit?", ("kafka",)),
        ("what about the report service", ("report",)),
        ("error rate of basket in percent", ()),
    ],
)
def test_what_it_asks_about_stands_where_only_a_name_can(
    text: str, subjects: tuple[str, ...]
) -> None:
    assert Question.of(text).subjects == subjects


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("what happened before 09:20?", "before 09:20"),
        ("errors in the last half an hour", "last 30 minutes"),
        ("what changed in the past hour?", "last 1 hours"),
        ("since yesterday", "after yesterday"),
        ("between 9:10 and 9:20", "09:10 to 09:20"),
        ("09:10-09:20", "09:10 to 09:20"),
        ("ten minutes ago", "10 minutes ago"),
        ("after 2031-02-03T09:28:24Z", "after 2031-02-03 09:28:24"),
        ("at 9am", "around 09:00"),
        ("is it ok now?", ""),
        ("scale to 5 replicas", ""),
        ("at 31:00", "around "),
    ],
)
def test_its_time_words_are_brought_to_one_form(text: str, period: str) -> None:
    assert period_of(text) == period.rstrip() or (period == "around " and not period_of(text))


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("and inventory?", True),
        ("what about the ledger?", True),
        ("since when?", True),
        ("show the evidence", True),
        ("why?", True),
        ("is it still going on?", True),
        ("the same for basket", True),
        ("why is basket slow?", False),
        ("show the slowest operation of basket", False),
        ("Diagnose the basket slowdown", False),
        ("", False),
    ],
)
def test_a_follow_up_is_known_by_its_beginning(text: str, back: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert points_back(text) is back


def test_a_follow_up_takes_from_the_thread_what_it_does_not_say() -> None:
    asked = Question.of(in_context("and the ledger?", ["why is basket slow since 14:05?"]))
    when = Question.of(in_context("since when?", ["and the ledger?", "is basket healthy?"]))

    assert (asked.kind, asked.names, asked.period) == ("cause", ("ledger",), "after 14:05")
    assert (when.kind, when.names) == ("moment", ("ledger",))


def test_the_thread_is_followed_back_to_what_stands_for_itself() -> None:
    thread = [
        Message.user("greet Ada"),
        Message.assistant("Hello, Ada!"),
        Message.user("is basket ok?"),
        Message.assistant("No."),
        Message.user("and the ledger?"),
        Message.assistant("Yes."),
    ]

    assert asked_before(thread) == ("and the ledger?", "is basket ok?")
    assert asked_before([]) == ()


@given(st.text(max_size=300), st.lists(st.text(max_size=60), max_size=3))
def test_any_text_is_a_question(text: str, earlier: list[str]) -> None:
    question = Question.of(in_context(text, earlier))

    assert question.kind
    assert EARLIER not in " ".join(question.names)
