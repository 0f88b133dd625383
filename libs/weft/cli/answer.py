"""What `weft ask` prints: the report for people, or one JSON document of a published schema."""

from collections.abc import Iterator

from pydantic import Field, JsonValue, ValidationError

from weft.core import JsonObject, Record, Usage
from weft.plan.report import Finding, Report

MAX_SHOWN = 5
MAX_EVIDENCE = 4
MAX_VALUE = 200


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
        yield f"{answer.status}: {answer.error.code}: {answer.error.detail}"
    if answer.text:
        yield answer.text
    elif answer.error is None:
        yield f"The run is {answer.status}."
    if answer.report is not None and answer.report.findings:
        yield ""
        yield "Findings"
        for finding in answer.report.findings[:MAX_SHOWN]:
            yield from _finding(finding)


def _finding(finding: Finding) -> Iterator[str]:
    who = ", ".join(finding.supporters)
    yield f"{finding.rank:>3}. [{finding.kind}] {finding.statement}"
    yield f"     score {finding.score:.2f}, from {who}"
    for evidence in finding.evidence[:MAX_EVIDENCE]:
        yield f"     · {evidence.peer} {evidence.ref}: {_short(evidence.value)}"


def _short(value: JsonValue) -> str:
    if isinstance(value, dict):
        text = ", ".join(f"{name}={_scalar(item)}" for name, item in value.items())
    else:
        text = _scalar(value)
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"


def _scalar(value: JsonValue) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return f"[{len(value)}]" if len(value) > 3 else str(value)  # noqa: PLR2004 - short lists say more
    return str(value)


def _report(data: JsonValue) -> Report | None:
    if not isinstance(data, dict) or "findings" not in data:
        return None
    try:
        return Report.model_validate(data)
    except ValidationError:
        return None
