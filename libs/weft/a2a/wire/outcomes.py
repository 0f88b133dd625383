"""A result as a task shows it, and back: artifacts, status message, metadata, losing nothing.

The answer is the first artifact, under the task's own id: its text, then one data part with what
is no text. Evidence follows, one artifact each. What plain A2A has no place for stands in the
metadata, for callers that asked for our extensions.
"""

from collections.abc import Sequence

from weft.a2a.wire.models import TaskState
from weft.core import (
    Artifact,
    Interrupt,
    JsonObject,
    JsonValue,
    Result,
    Usage,
)

RESULT = "result"
"""The metadata member for what neither artifacts nor state can say."""
_DATA_MEMBERS = ("claims", "data", "verdict")
_REST = ("partial", "generated_by", "stop_reason")


def artifacts_of(result: Result, task_id: str) -> list[JsonObject]:
    """Return the answer, where there is any, then the evidence."""
    evidence = [_evidence(artifact) for artifact in result.artifacts]
    answer = _answer(result, task_id)
    # An empty answer keeps the first place if evidence might be taken for it.
    if not answer["parts"]:
        if result.status != "completed" and not _named(evidence, task_id):
            return evidence
        answer["parts"] = [{"text": ""}]
    return [answer, *evidence]


def metadata_of(result: Result) -> JsonObject:
    """Return the members `usage` and `result` of a terminal state's metadata."""
    rest: JsonObject = {"status": result.status}
    if result.reasons:
        rest["reasons"] = [reason.to_json() for reason in result.reasons]
    if result.interrupts:
        rest["interrupts"] = [interrupt.to_json() for interrupt in result.interrupts]
    for name in _REST:
        if value := getattr(result, name):
            rest[name] = value
    return {"usage": result.usage.to_json(), RESULT: rest}


def result_of(
    task_id: str, state: str, artifacts: Sequence[JsonObject], metadata: JsonObject
) -> Result:
    """Return the result that a task shows; without our metadata, what plain A2A tells.

    Raises:
        ValueError: Something of it has not the form it must have.
    """
    rest = metadata.get(RESULT)
    told = rest if isinstance(rest, dict) else {}
    answer, evidence = _split(artifacts, task_id) if told else _foreign(artifacts)
    data = _answer_data(answer) if told else _only_data(artifacts)
    usage = metadata.get("usage")
    return Result.model_validate(
        {
            "status": told.get("status") or _STATUS.get(state, "failed"),
            "text": "\n".join(_texts(answer)),
            "artifacts": [_artifact(each) for each in evidence],
            "usage": usage if isinstance(usage, dict) else Usage(unknown=True),
            "reasons": told.get("reasons", ()),
            "interrupts": told.get("interrupts", ()),
            **{name: told[name] for name in _REST if name in told},
            **data,
        }
    )


def question_parts(interrupts: Sequence[Interrupt], *, extended: bool) -> list[JsonValue]:
    """Return the parts of the status message of a task that waits for somebody."""
    text = "\n".join(interrupt.message for interrupt in interrupts) or "an answer is needed"
    parts: list[JsonValue] = [{"text": text}]
    if extended:
        parts.append({"data": {"interrupts": [_camel(each) for each in interrupts]}})
    return parts


def interrupts_of(parts: Sequence[JsonValue]) -> tuple[Interrupt, ...]:
    """Return the questions of a status message, or () where it has none of ours.

    Raises:
        ValueError: One of them has not the form it must have.
    """
    for part in parts:
        data = part.get("data") if isinstance(part, dict) else None
        listed = data.get("interrupts") if isinstance(data, dict) else None
        if isinstance(listed, list):
            return tuple(_uncamel(each) for each in listed if isinstance(each, dict))
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


def _answer(result: Result, task_id: str) -> JsonObject:
    parts: list[JsonValue] = []
    if result.text:
        parts.append({"text": result.text})
    data: JsonObject = {}
    if result.claims:
        data["claims"] = [claim.to_json() for claim in result.claims]
    if result.data is not None:
        data["data"] = result.data
    if result.verdict is not None:
        data["verdict"] = result.verdict.to_json()
    if data:
        parts.append({"data": data})
    return {"artifactId": task_id, "name": "answer", "parts": parts}


def _evidence(artifact: Artifact) -> JsonObject:
    parts: list[JsonObject] = []
    if artifact.text is not None:
        parts.append({"text": artifact.text})
    if artifact.data is not None or not parts:
        parts.append({"data": artifact.data})
    if artifact.media_type is not None:
        parts[0]["mediaType"] = artifact.media_type
    shown: JsonObject = {"artifactId": artifact.id}
    if artifact.name:
        shown["name"] = artifact.name
    shown["parts"] = [*parts]
    return shown


def _artifact(value: JsonObject) -> Artifact:
    parts = _parts(value)
    texts = _texts(value)
    data = [part["data"] for part in parts if "data" in part]
    media = parts[0].get("mediaType") if parts else None
    return Artifact.model_validate(
        {
            "id": value.get("artifactId"),
            "name": value.get("name") or "",
            "text": "\n".join(texts) if texts else None,
            "data": data[0] if len(data) == 1 else (data or None),
            "media_type": media or None,
        }
    )


def _split(
    artifacts: Sequence[JsonObject], task_id: str
) -> tuple[JsonObject, Sequence[JsonObject]]:
    if artifacts and artifacts[0].get("artifactId") == task_id:
        return artifacts[0], artifacts[1:]
    return {}, artifacts


def _foreign(artifacts: Sequence[JsonObject]) -> tuple[JsonObject, Sequence[JsonObject]]:
    """Take all text for the answer: another agent does not say which artifact it is."""
    texts = [part for artifact in artifacts for part in _parts(artifact) if "text" in part]
    return {"parts": [*texts]}, artifacts


def _only_data(artifacts: Sequence[JsonObject]) -> JsonObject:
    found = [part["data"] for artifact in artifacts for part in _parts(artifact) if "data" in part]
    return {"data": found[0]} if len(found) == 1 else {}


def _answer_data(answer: JsonObject) -> JsonObject:
    for part in _parts(answer):
        data = part.get("data")
        if isinstance(data, dict):
            return {name: data[name] for name in _DATA_MEMBERS if name in data}
    return {}


def _texts(shown: JsonObject) -> list[str]:
    found = (part.get("text") for part in _parts(shown))
    return [text for text in found if isinstance(text, str)]


def _parts(shown: JsonObject) -> list[JsonObject]:
    parts = shown.get("parts")
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _named(evidence: Sequence[JsonObject], task_id: str) -> bool:
    return bool(evidence) and evidence[0].get("artifactId") == task_id
