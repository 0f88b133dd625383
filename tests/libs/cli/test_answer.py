"""What `weft ask` prints, and the exit code that goes with it."""

import json

import pytest

from tests.conftest import ROOT
from weft.cli.answer import Answer, lines
from weft.cli.client import UnreachableError
from weft.cli.text import json_text, printable
from weft.core import Coverage, FileCoverage, JsonObject, Window

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


STEERING = "a\x1b]0;owned\x07b\r\nc\td\x9b31m \u202eexe.txt\u2066\u200f"


def test_what_steers_a_terminal_is_shown_and_not_done() -> None:
    said = Answer.of({**RUN, "output": {"text": STEERING, "data": None}})

    assert list(lines(said)) == ["a\\x1b]0;owned\\x07b\nc\td\\x9b31m \\u202eexe.txt\\u2066\\u200f"]


def test_the_json_document_says_the_same_and_steers_nothing() -> None:
    document: JsonObject = {"text": STEERING, STEERING: [STEERING]}

    text = json_text(document)

    assert json.loads(text) == document
    assert text == printable(text)
    assert all(letter in "\n\t" or letter.isprintable() for letter in text)


APPROVAL: JsonObject = {
    "id": "i1", "reason": "approval", "message": "Restart\nnow\x1b[2J?", "agent": None,
    "options": ["approve", "refuse"], "expires_at": "2026-01-01T00:00:00.000Z",
}  # fmt: skip
DOUBT: JsonObject = {
    "id": "i2", "reason": "effect_unknown", "message": "Did it?", "agent": "bank",
    "options": ["done", "not_done"],
    "response_schema": {"type": "object", "required": ["outcome"]},
}  # fmt: skip


def test_a_run_that_waits_says_what_for_and_how_to_answer() -> None:
    waiting = Answer.of(
        {**RUN, "status": "interrupted", "output": None, "interrupts": [APPROVAL, DOUBT]}
    )

    assert list(lines(waiting)) == [
        "The run waits for you (approval, until 2026-01-01T00:00:00.000Z):",
        "  Restart\n  now\\x1b[2J?",
        "  options    approve, refuse",
        "  approve    weft approve r --interrupt i1",
        "  refuse     weft approve r --interrupt i1 --no",
        "  over HTTP  POST /v1/runs/r/resume",
        "The run waits for you (effect_unknown, asked by bank):",
        "  Did it?",
        "  options    done, not_done",
        """  answer     weft approve r --interrupt i2 --payload '{"outcome":"done"}'""",
        "  over HTTP  POST /v1/runs/r/resume",
    ]


@pytest.mark.parametrize("odd", [{}, {"run_id": 5, "status": []}, {**RUN, "interrupts": [{}]}])
def test_what_is_no_run_is_no_traceback(odd: JsonObject) -> None:
    with pytest.raises(UnreachableError, match="is it a gateway of this version"):
        Answer.of(odd)


def test_the_published_schema_is_the_answers_own() -> None:
    published = (ROOT / "deploy" / "schemas" / "answer.json").read_text(encoding="utf-8")

    assert json.loads(published) == Answer.model_json_schema()


@pytest.mark.requirement("DIAG-29")
def test_a_long_answer_takes_one_page_and_says_how_to_see_the_rest() -> None:
    text = "\n".join(f"line {number}" for number in range(200))
    coverage = [
        Coverage(
            source=name,
            verdict="found",
            files=(FileCoverage(name="a", rows=1234), FileCoverage(name="b", reason="is empty")),
            window=Window(start=0, end=60),
        ).to_json()
        for name in ("logs", "traces")
    ]
    report: JsonObject = {
        **REPORT, "coverage": [*coverage], "summary": "", "score": 1.0,
        "decision": "proceed", "decision_unvetoed": "proceed",
    }  # fmt: skip
    answer = Answer.of({**RUN, "output": {"text": text, "data": report}})

    shown = list(lines(answer))

    assert len(shown) <= 60
    assert "... and 148 lines more: weft runs tail r --json" in shown
    assert shown[-4:] == [
        "What was read:",
        "  source  verdict  files   rows   window",
        "  logs    found    1 of 2  1,234  1970-01-01T00:00:00.000Z to 1970-01-01T00:01:00.000Z",
        "  traces  found    1 of 2  1,234  1970-01-01T00:00:00.000Z to 1970-01-01T00:01:00.000Z",
    ]
