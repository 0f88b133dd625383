"""A result as a task shows it, and back: artifacts, status message, metadata, losing nothing.

The answer is the first artifact, under the task's own id: its parts, then, marked as such, one with
the claims and the verdict. Evidence follows, one artifact each. What plain A2A has no place for
stands in the metadata, for callers that asked for our extensions.
"""

from collections.abc import Sequence

from weft.a2a.wire.models import OWN_METADATA, TaskState
from weft.a2a.wire.parts import from_wire, to_wire
from weft.core import (
    Artifact,
    Interrupt,
    JsonObject,
    JsonValue,
    Part,
    Parts,
    Result,
    Usage,
    parts_of,
)

RESULT = "result"
"""The metadata member for what neither artifacts nor state can say."""
ANSWER = "answer"
"""The name of the artifact with the answer."""
_FINDINGS = "findings"
"""Marks the part with claims and verdict, and says in our metadata that there is one."""
MAX_SPENT = 10**15
_REST = ("partial", "generated_by", "stop_reason")


def artifacts_of(result: Result, task_id: str) -> list[JsonObject]:
    """Return the answer, where there is any, then the evidence."""
    evidence = [to_wire_artifact(artifact) for artifact in result.artifacts]
    parts = to_wire(result.parts)
    if findings := _findings(result):
        parts.append({"data": findings, "metadata": {OWN_METADATA: _FINDINGS}})
    if not parts:
        return evidence
    return [{"artifactId": task_id, "name": ANSWER, "parts": parts}, *evidence]


def metadata_of(result: Result) -> JsonObject:
    """Return the members `usage` and `result` of a terminal state's metadata."""
    rest: JsonObject = {"status": result.status}
    if result.parts:
        rest[ANSWER] = True
    if _findings(result):
        rest[_FINDINGS] = True
    if result.reasons:
        rest["reasons"] = [reason.to_json() for reason in result.reasons]
    if result.interrupts:
        rest["interrupts"] = [interrupt.to_json() for interrupt in result.interrupts]
    for name in _REST:
        if value := getattr(result, name):
            rest[name] = value
    return {"usage": result.usage.to_json(), RESULT: rest}


def result_of(state: str, artifacts: Sequence[JsonObject], metadata: JsonObject) -> Result:
    """Return the result that a task shows; without our metadata, what plain A2A says.

    Raises:
        ValueError: Something of it has not the form it must have.
    """
    rest = metadata.get(RESULT)
    common: JsonObject = {
        "status": _STATUS.get(state, "failed"),
        "usage": _usage(metadata.get("usage")),
    }
    if not isinstance(rest, dict):
        return _foreign(artifacts, common)
    answer, evidence = _split(artifacts, rest)
    listed = answer.get("parts")
    shown = listed if isinstance(listed, list) else []
    findings: JsonObject = {}
    if rest.get(_FINDINGS) is True and shown:
        *shown, last = shown
        data = last.get("data") if isinstance(last, dict) else None
        findings = data if isinstance(data, dict) else {}
    return Result.model_validate(
        {
            **common,
            "status": rest.get("status") or common["status"],
            "parts": from_wire(shown),
            "artifacts": [read_artifact(artifact) for artifact in evidence],
            "claims": findings.get("claims", ()),
            "verdict": findings.get("verdict"),
            "reasons": rest.get("reasons", ()),
            "interrupts": rest.get("interrupts", ()),
            **{name: rest[name] for name in _REST if name in rest},
        }
    )


def to_wire_artifact(artifact: Artifact) -> JsonObject:
    """Return the artifact as it is shown."""
    shown: JsonObject = {"artifactId": artifact.id}
    if artifact.name:
        shown["name"] = artifact.name
    shown["parts"] = to_wire(artifact.parts)
    if artifact.metadata:
        shown["metadata"] = artifact.metadata
    return shown


def read_artifact(shown: JsonObject) -> Artifact:
    """Return an artifact as it was shown.

    Raises:
        ValueError: It has not the form it must have.
    """
    metadata = shown.get("metadata")
    return Artifact.model_validate(
        {
            "id": shown.get("artifactId"),
            "name": shown.get("name") or "",
            "parts": from_wire(shown.get("parts")),
            "metadata": metadata if isinstance(metadata, dict) else {},
        }
    )


def _usage(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        return Usage(unknown=True).to_json()
    # Summed up with those of others, larger ones could no longer be written down.
    if any(isinstance(amount, int | float) and amount > MAX_SPENT for amount in value.values()):
        raise ValueError(f"nobody spends more than {MAX_SPENT} of anything")
    return value


def question_parts(interrupts: Sequence[Interrupt], *, extended: bool) -> Parts:
    """Return what a task that waits for somebody says; `extended` adds the questions as data."""
    text = "\n".join(interrupt.message for interrupt in interrupts) or "an answer is needed"
    if not extended:
        return (Part(text=text),)
    questions: JsonObject = {"interrupts": [_camel(interrupt) for interrupt in interrupts]}
    return parts_of(text, questions)


def interrupts_of(parts: Sequence[JsonValue]) -> tuple[Interrupt, ...]:
    """Return the questions of a status message, or () where it has none of ours.

    Raises:
        ValueError: One of them has not the form it must have.
    """
    for part in parts:
        data = part.get("data") if isinstance(part, dict) else None
        listed = data.get("interrupts") if isinstance(data, dict) else None
        if isinstance(listed, list):
            return tuple(_uncamel(question) for question in listed if isinstance(question, dict))
    return ()


_STATUS: dict[TaskState | str, str] = {
    "TASK_STATE_COMPLETED": "completed",
    "TASK_STATE_CANCELED": "canceled",
    "TASK_STATE_INPUT_REQUIRED": "interrupted",
    "TASK_STATE_AUTH_REQUIRED": "interrupted",
}

_CAMEL = {
    "tool_call_id": "toolCallId",
    "response_schema": "responseSchema",
    "approver_scope": "approverScope",
    "expires_in": "expiresIn",
}
_SNAKE = {camel: snake for snake, camel in _CAMEL.items()}


def _camel(interrupt: Interrupt) -> JsonValue:
    return {_CAMEL.get(name, name): value for name, value in interrupt.to_json().items()}


def _uncamel(value: JsonObject) -> Interrupt:
    return Interrupt.model_validate({_SNAKE.get(name, name): value[name] for name in value})


def _findings(result: Result) -> JsonObject:
    findings: JsonObject = {}
    if result.claims:
        findings["claims"] = [claim.to_json() for claim in result.claims]
    if result.verdict is not None:
        findings["verdict"] = result.verdict.to_json()
    return findings


def _split(
    artifacts: Sequence[JsonObject], rest: JsonObject
) -> tuple[JsonObject, Sequence[JsonObject]]:
    answered = rest.get(ANSWER) is True or rest.get(_FINDINGS) is True
    return (artifacts[0], artifacts[1:]) if answered and artifacts else ({}, artifacts)


def _foreign(artifacts: Sequence[JsonObject], common: JsonObject) -> Result:
    """Take all parts for the answer: another agent does not say which artifact it is."""
    filled = [read_artifact(shown) for shown in artifacts if shown.get("parts")]
    parts: Parts = tuple(part for artifact in filled for part in artifact.parts)
    return Result.model_validate({**common, "parts": parts, "artifacts": filled})
