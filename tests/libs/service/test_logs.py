"""Log lines: one JSON object each, without secrets, prompts or stacks."""

import json
import logging

import pytest

from weft.core import TraceContext, logged_under
from weft.service.keys import new_key
from weft.service.logs import JsonLines


def line(
    message: str, *, traces: bool = False, error: Exception | None = None, **fields: object
) -> str:
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("weft", logging.INFO, __file__, 1, message, (), exc_info)
    vars(record).update(fields)
    return JsonLines("test", traces=traces).format(record)


def test_a_line_says_the_trace_it_was_written_under_and_its_own_word_goes_first() -> None:
    trace = TraceContext.begun()

    with logged_under(trace):
        inside = json.loads(line("said"))
        named = json.loads(line("said", trace_id="theirs"))

    assert (inside["trace_id"], named["trace_id"]) == (trace.trace_id, "theirs")
    assert "trace_id" not in json.loads(line("said"))


@pytest.mark.requirement("SEC-117")
def test_newlines_and_escapes_stay_within_one_line() -> None:
    text = line("said", words='a\nb\r\n{"level":"error"}\x1b[31m\u2028')

    assert "\n" not in text
    assert "\x1b" not in text
    assert json.loads(text)["words"].startswith("a\nb")


@pytest.mark.requirement("AUTH-1", "AUTH-11")
def test_credentials_are_taken_out_wherever_they_stand() -> None:
    key = new_key("x").text
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"

    text = line(
        f"called with {key}",
        header=f"Bearer {key}",
        nested={"authorization": "secret-1", "list": [f"Bearer {jwt}", ("postgres://u:pw@h/db",)]},
        api_key="secret-2",
        db_password="secret-3",  # noqa: S106 - made up
        prompt_tokens=12,
    )

    for secret in (key, key[-43:], jwt, "secret-1", "secret-2", "secret-3", "u:pw"):
        assert secret not in text
    assert json.loads(text)["prompt_tokens"] == 12


@pytest.mark.requirement("AUTH-11", "SEC-118")
def test_an_exception_is_a_type_and_a_place_unless_traces_are_asked_for() -> None:
    def fails() -> None:
        raise ValueError("SELECT secret FROM prompts")

    with pytest.raises(ValueError, match="SELECT") as caught:
        fails()

    plain = line("crashed", error=caught.value)
    traced = line("crashed", error=caught.value, traces=True)

    assert "SELECT" not in plain
    assert json.loads(plain)["error_type"] == "ValueError"
    assert json.loads(plain)["place"].startswith("test_logs.py:")
    assert "SELECT" in json.loads(traced)["traceback"]


def test_what_is_meant_for_a_terminal_stays_out() -> None:
    assert "color_message" not in json.loads(line("Started", color_message="\x1b[36m%d\x1b[0m"))
