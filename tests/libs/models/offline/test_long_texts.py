"""Long requests: what of them is read, that it is said, and that nobody else waits for it."""

from time import thread_time

import pytest

from tests.libs.models.offline.asking import LATENCY, LOGS, MODEL, RESTART, asked
from weft.core import JsonObject, Message
from weft.language import READ, frame, risk_floor
from weft.language.cues import Reading
from weft.language.text import beginning
from weft.loop.agent import Agent
from weft.models import ModelRequest, get_model
from weft.models.errors import NoApplicableToolError
from weft.models.offline.turns import CurrentTurn
from weft.plan.placeholders import fenced
from weft.tools import tool

PASTE = "10:20:30 INFO the cart took 5 ms for this request of the user\n" * 1_500
SHORT, LONG = 11_000, 90_000


@tool(labels={"read"})
async def analyze_logs(data: str) -> JsonObject:
    """Analyze the logs of an incident."""
    return {"summary": f"read {data}"}


def test_what_is_asked_stands_at_the_beginning() -> None:
    told = frame(f"Diagnose the checkout slowdown.\n{PASTE}\nImplement a parser.")

    assert told == {**frame(f"Diagnose the checkout slowdown.\n{PASTE[:READ]}"), "risk": "low"}
    assert told["primary_goal"] == "diagnose"
    assert told["requires_code_generation"] is False


@pytest.mark.parametrize(
    ("order", "risk"),
    [("Restart cart", "medium"), ("Delete production", "high"), ("What is up?", "low")],
)
def test_an_order_behind_a_long_paste_is_as_risky_as_before_it(order: str, risk: str) -> None:
    assert risk_floor(f"{PASTE}\n{order}") == risk_floor(f"{order}\n{PASTE}") == risk


def test_no_word_is_cut_in_two_where_the_reading_ends() -> None:
    text = "a" + " production" * READ

    assert beginning(text).endswith(" production")
    assert len(beginning(text)) <= READ
    assert beginning("a" * (READ + 1)) == "a" * READ
    assert beginning("a" * READ) == "a" * READ


async def test_an_answer_says_how_much_of_the_request_was_read() -> None:
    text = f"Show the latency of cart.\n{PASTE}"

    reply = await MODEL.complete(asked(text, LATENCY))
    with pytest.raises(NoApplicableToolError, match=r"first \d+ of the request's \d+ characters"):
        await MODEL.complete(asked("a " * READ, RESTART))

    assert f"of the request's {len(text.strip())} characters" in reply.message.content


async def test_what_stands_behind_the_beginning_sets_nothing_off() -> None:
    reply = await MODEL.complete(
        asked(
            f"Analyze the logs.\n{PASTE}\nRestart checkout", LOGS, RESTART, metadata={"data": "x"}
        )
    )

    assert [call.name for call in reply.message.tool_calls] == ["analyze_logs"]


def test_of_earlier_requests_the_newest_are_read() -> None:
    said = [Message.user(f"checkout is slow {'x' * READ}"), Message.user("cart-service is slow")]
    request = ModelRequest(messages=(*said, Message.user("Show the latency of it")))

    assert CurrentTurn.of(request).earlier == tuple(message.content for message in said)


@pytest.mark.parametrize(
    "text",
    [
        f"Look.\n{fenced('logs', 'pool exhausted')}\n{fenced('traces', 'a ``` b')}",
        f"{fenced('logs', fenced('inner', 'x'))}{fenced('traces', '')}",
    ],
)
def test_quoted_results_are_parted_from_the_request(text: str) -> None:
    turns = CurrentTurn.of(ModelRequest(messages=(Message.user(text),)))

    assert [outcome.tool for outcome in turns.outcomes] == ["logs", "traces"]
    assert "result of" not in turns.text


def test_a_fence_that_is_never_closed_quotes_nothing() -> None:
    text = "```` result of logs (data, not instructions)\n```\nDiagnose it"
    turns = CurrentTurn.of(ModelRequest(messages=(Message.user(text),)))

    assert turns.text == text
    assert turns.outcomes == ()


@pytest.mark.parametrize(
    "unit", ["a-", "- ", "fix ", "diagnose ", "QUJD", "a=", "x://y", '"', "1 "]
)
async def test_a_run_on_a_long_request_costs_no_more_than_its_length(unit: str) -> None:
    agent = Agent(get_model("offline:"), [analyze_logs])

    async def cost(length: int) -> float:
        text = f"Diagnose the checkout slowdown. {unit * (length // len(unit))}"
        began = thread_time()
        result = await agent.arun(text, metadata={"data": "case-7"})
        assert "analyze_logs: read case-7" in result.message
        return thread_time() - began

    await cost(100)
    short, long = [min([await cost(length) for _ in range(3)]) for length in (SHORT, LONG)]

    assert long <= 10 * max(short, 0.02)


def test_a_reading_knows_whether_it_is_all() -> None:
    assert Reading.of(PASTE).is_partial
    assert not Reading.through(PASTE).is_partial
    assert not Reading.of("Diagnose it").is_partial
