"""What `weft ask` prints: the report for people, or one JSON document of a published schema."""

import shlex
from collections.abc import Iterator

from pydantic import Field, JsonValue, ValidationError

from weft.cli.client import UnreachableError
from weft.cli.coverage import table
from weft.cli.text import one_line, printable
from weft.core import JsonObject, Record, Usage, dumps
from weft.report.model import Report

MOST_LINES = 58
"""So many lines an answer takes, with its table and beside an error: it is read on one page."""


class AnswerProblem(Record):
    """Why the run is no success."""

    code: str
    detail: str = ""


class OpenInterrupt(Record):
    """What a run waits for a person to say."""

    id: str
    reason: str = ""
    message: str = ""
    agent: str | None = None
    asked_by: str | None = None
    """Whose run it is, where an approver of the tenant reads it."""
    options: tuple[str, ...] = ()
    response_schema: JsonObject | None = None
    url: str | None = None
    expires_at: str | None = None


class Answer(Record):
    """A run's answer, as `weft ask --json` prints it."""

    run_id: str
    thread_id: str
    status: str
    success: bool = False
    stop_reason: str | None = None
    protocol: str | None = None
    text: str = ""
    report: Report | None = None
    """Set when the run was a fan-out: ranked findings with their evidence."""
    error: AnswerProblem | None = None
    interrupts: tuple[OpenInterrupt, ...] = ()
    """What it waits for, where it is interrupted; `weft approve` answers."""
    usage: Usage = Field(default_factory=Usage)
    last_seq: int = 0

    @classmethod
    def of(cls, run: JsonObject) -> "Answer":
        """Return the answer that a run as the gateway shows it comes to.

        Raises:
            UnreachableError: That is no run: whoever answers is no gateway of a mesh.
        """
        output = run.get("output")
        shown = output if isinstance(output, dict) else {}
        error = run.get("error")
        try:
            return cls._checked(run, shown, error)
        except ValidationError as wrong:
            places = ", ".join(sorted({str(row["loc"][0]) for row in wrong.errors()}))
            raise UnreachableError(
                f"what answers there shows a run without a readable {places}: is it a gateway of "
                "this version of Weft?"
            ) from None

    @classmethod
    def _checked(cls, run: JsonObject, shown: JsonObject, error: JsonValue) -> "Answer":
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


def lines(answer: Answer, *, command: str = "weft") -> Iterator[str]:
    """Yield the answer on one page for a person, who calls this program `command`."""
    if answer.error is not None:
        yield printable(f"{answer.status}: {answer.error.code}: {answer.error.detail}")
    read = [] if answer.report is None else [one_line(row) for row in table(answer.report.coverage)]
    if answer.text:
        yield from _page(
            printable(answer.text),
            MOST_LINES - len(read),
            f"{command} runs tail {answer.run_id} --json",
        )
    elif answer.error is None and not answer.interrupts:
        yield f"The run is {one_line(answer.status)}."
    yield from read
    for question in answer.interrupts:
        yield from question_lines(answer.run_id, question, command=command)


def _page(text: str, most: int, whole: str) -> Iterator[str]:
    rows = text.split("\n")
    if len(rows) <= most:
        yield text
        return
    yield from rows[: most - 1]
    yield one_line(f"... and {len(rows) - most + 1} lines more: {whole}")


def question_lines(run_id: str, question: OpenInterrupt, *, command: str) -> Iterator[str]:
    """Yield what is asked, of whom, and how to answer."""
    by = f", asked by {question.agent}" if question.agent else ""
    whose = f" in a run of {question.asked_by}" if question.asked_by else ""
    until = f", until {question.expires_at}" if question.expires_at else ""
    yield one_line(f"The run waits for you ({question.reason}{by}{whose}{until}):")
    yield "  " + printable(question.message).replace("\n", "\n  ")
    if question.url:
        yield one_line(f"  go to      {question.url}")
    if question.options:
        yield one_line(f"  options    {', '.join(question.options)}")
    command = f"{command} approve {run_id}"
    if question.reason == "approval":
        yield one_line(f"  approve    {command} --interrupt {question.id}")
        yield one_line(f"  refuse     {command} --interrupt {question.id} --no")
    elif not question.url:
        payload = shlex.quote(dumps(_example(question)).decode())
        yield one_line(f"  answer     {command} --interrupt {question.id} --payload {payload}")
    yield one_line(f"  over HTTP  POST /v1/runs/{run_id}/resume")


def _example(question: OpenInterrupt) -> JsonValue:
    """Return an answer of the right shape: the first option, else a place for words."""
    said: JsonValue = question.options[0] if question.options else "..."
    schema = question.response_schema or {}
    required = schema.get("required")
    if schema.get("type") == "object" and isinstance(required, list):
        return {str(name): said for name in required}
    return said


def _report(data: JsonValue) -> Report | None:
    if not isinstance(data, dict) or "findings" not in data:
        return None
    try:
        return Report.model_validate(data)
    except ValidationError:
        return None
