"""What `weft ask` prints: the report for people, or one JSON document of a published schema."""

import re
from collections.abc import Iterator

from pydantic import Field, JsonValue, ValidationError

from weft.core import JsonObject, Record, Usage
from weft.plan.report import Report

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Problem(Record):
    """Why the run is no success."""

    code: str
    detail: str = ""


class Answer(Record):
    """A run's answer, as `weft ask --json` prints it."""

    run_id: str
    thread_id: str
    status: str
    success: bool
    stop_reason: str | None = None
    protocol: str | None = None
    text: str = ""
    report: Report | None = None
    """Set when the run was a fan-out: ranked findings with their evidence."""
    error: Problem | None = None
    usage: Usage = Field(default_factory=Usage)
    last_seq: int = 0

    @classmethod
    def of(cls, run: JsonObject) -> "Answer":
        """Return the answer that a run as the gateway shows it comes to."""
        output = run.get("output")
        shown = output if isinstance(output, dict) else {}
        error = run.get("error")
        return cls.model_validate(
            {
                **{name: run.get(name) for name in cls.model_fields if run.get(name) is not None},
                "text": shown.get("text") or "",
                "report": _report(shown.get("data")),
                "error": error if isinstance(error, dict) else None,
            }
        )

    @property
    def exit_code(self) -> int:
        """0 completed, 1 failed, 3 waits for a person, 4 canceled or expired."""
        codes = {"completed": 0, "failed": 1, "interrupted": 3, "canceled": 4, "expired": 4}
        return codes.get(self.status, 1)


def lines(answer: Answer) -> Iterator[str]:
    """Yield the answer for a person."""
    if answer.error is not None:
        yield printable(f"{answer.status}: {answer.error.code}: {answer.error.detail}")
    if answer.text:
        yield printable(answer.text)
    elif answer.error is None:
        yield f"The run is {answer.status}."


def printable(text: str) -> str:
    """Return `text` without what steers a terminal: models and tools wrote it."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def _report(data: JsonValue) -> Report | None:
    if not isinstance(data, dict) or "findings" not in data:
        return None
    try:
        return Report.model_validate(data)
    except ValidationError:
        return None
