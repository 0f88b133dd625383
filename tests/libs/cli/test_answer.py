"""What `weft ask` prints, and the exit code that goes with it."""

import pytest

from weft.cli.answer import Answer, lines
from weft.core import JsonObject

RUN: JsonObject = {
    "run_id": "r", "thread_id": "t", "status": "completed", "success": True, "protocol": "p",
    "stop_reason": None, "error": None, "last_seq": 7, "created_at": "2026",
    "output": {"text": "because", "data": None},
}  # fmt: skip
REPORT: JsonObject = {
    "findings": [
        {
            "id": "f", "rank": 1, "kind": "cause", "statement": "s", "subject": "payment",
            "predicate": "root_cause", "claims": [], "supporters": ["log_analyst"], "score": 0.5,
        }
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("completed", 0),
        ("failed", 1),
        ("interrupted", 3),
        ("canceled", 4),
        ("expired", 4),
        ("running", 1),
    ],
)
def test_only_a_completed_run_is_a_success(status: str, code: int) -> None:
    assert Answer.of({**RUN, "status": status}).exit_code == code


def test_an_answer_is_the_run_as_the_gateway_shows_it() -> None:
    answer = Answer.of(RUN)

    assert (answer.text, answer.protocol, answer.last_seq) == ("because", "p", 7)
    assert (answer.report, answer.error) == (None, None)
    assert list(lines(answer)) == ["because"]


def test_a_failed_run_says_why_before_what_there_is() -> None:
    error: JsonObject = {"code": "no_capability", "detail": "nobody can"}
    failed = Answer.of({**RUN, "status": "failed", "success": False, "error": error})

    assert list(lines(failed)) == ["failed: no_capability: nobody can", "because"]


def test_a_run_without_output_says_its_status() -> None:
    assert list(lines(Answer.of({**RUN, "status": "interrupted", "output": None}))) == [
        "The run is interrupted."
    ]


def test_data_that_is_no_report_is_none() -> None:
    assert Answer.of({**RUN, "output": {"text": "", "data": {"findings": "no"}}}).report is None
    assert Answer.of({**RUN, "output": {"text": "", "data": [1]}}).report is None


def test_what_steers_a_terminal_does_not_reach_it() -> None:
    said = Answer.of({**RUN, "output": {"text": "a\x1b]0;owned\x07b\r\nc\td", "data": None}})

    assert list(lines(said)) == ["a�]0;owned�b\nc\td"]
