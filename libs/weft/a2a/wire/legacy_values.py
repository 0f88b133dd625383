"""The values of A2A 0.3 and 1.0 turned into each other: messages, parts, artifacts, states, tasks."""

from weft.a2a.wire.cards import objects
from weft.core import JsonObject, JsonValue

__all__ = [
    "artifact_from",
    "artifact_to",
    "message_from",
    "message_to",
    "state_from",
    "state_to",
    "status_from",
    "status_to",
    "task_from",
    "task_to",
    "without_kind",
]

_ROLES = {"ROLE_USER": "user", "ROLE_AGENT": "agent"}
_STATE = "TASK_STATE_"


def message_to(message: JsonObject) -> JsonObject:
    """Return a message of 1.0 as 0.3 has it."""
    role = _ROLES.get(str(message.get("role")), "user")
    parts = [_part_to(part) for part in objects(message.get("parts"))]
    return {**message, "kind": "message", "role": role, "parts": [*parts]}


def message_from(message: JsonObject) -> JsonObject:
    """Return a message of 0.3 as 1.0 has it."""
    role = "ROLE_AGENT" if message.get("role") == "agent" else "ROLE_USER"
    parts = [_part_from(part) for part in objects(message.get("parts"))]
    return {**without_kind(message), "role": role, "parts": [*parts]}


def artifact_to(artifact: JsonObject) -> JsonObject:
    """Return an artifact of 1.0 as 0.3 has it."""
    return {**artifact, "parts": [_part_to(part) for part in objects(artifact.get("parts"))]}


def artifact_from(artifact: JsonValue) -> JsonObject:
    """Return an artifact of 0.3 as 1.0 has it."""
    if not isinstance(artifact, dict):
        return {}
    return {**artifact, "parts": [_part_from(part) for part in objects(artifact.get("parts"))]}


def state_to(state: JsonValue) -> str:
    """Return a state of 1.0 as 0.3 has it, such as `input-required`."""
    name = str(state).removeprefix(_STATE).lower().replace("_", "-")
    return "unknown" if name == "unspecified" else name


def state_from(state: JsonValue) -> str:
    """Return a state of 0.3 as 1.0 has it."""
    return _STATE + str(state or "").upper().replace("-", "_")


def status_to(status: JsonValue) -> JsonObject:
    """Return a status of 1.0 as 0.3 has it."""
    if not isinstance(status, dict):
        return {}
    shown: JsonObject = {**status, "state": state_to(status.get("state"))}
    if isinstance(message := status.get("message"), dict):
        shown["message"] = message_to(message)
    return shown


def status_from(status: JsonValue) -> JsonObject:
    """Return a status of 0.3 as 1.0 has it."""
    if not isinstance(status, dict):
        return {}
    shown: JsonObject = {**status, "state": state_from(status.get("state"))}
    if isinstance(message := status.get("message"), dict):
        shown["message"] = message_from(message)
    return shown


def task_to(task: JsonObject) -> JsonObject:
    """Return a task of 1.0 as 0.3 has it."""
    shown: JsonObject = {**task, "kind": "task", "status": status_to(task.get("status"))}
    if isinstance(task.get("artifacts"), list):
        shown["artifacts"] = [artifact_to(artifact) for artifact in objects(task["artifacts"])]
    if isinstance(task.get("history"), list):
        shown["history"] = [message_to(message) for message in objects(task["history"])]
    return shown


def task_from(task: JsonObject) -> JsonObject:
    """Return a task of 0.3 as 1.0 has it."""
    shown = {**without_kind(task), "status": status_from(task.get("status"))}
    if isinstance(task.get("artifacts"), list):
        shown["artifacts"] = [artifact_from(artifact) for artifact in objects(task["artifacts"])]
    if isinstance(task.get("history"), list):
        shown["history"] = [message_from(message) for message in objects(task["history"])]
    return shown


def without_kind(value: JsonObject) -> JsonObject:
    """Return the value without the member by which 0.3 tells values apart."""
    return {name: member for name, member in value.items() if name != "kind"}


def _part_to(part: JsonObject) -> JsonObject:
    about: JsonObject = {} if not part.get("metadata") else {"metadata": part["metadata"]}
    if "text" in part:
        return {"kind": "text", "text": part["text"], **about}
    if "data" in part:
        data = part["data"]
        # 0.3 knows no data but objects.
        return {
            "kind": "data",
            "data": data if isinstance(data, dict) else {"value": data},
            **about,
        }
    content: JsonObject = {"bytes": part["raw"]} if "raw" in part else {"uri": part.get("url")}
    named = {"mimeType": part.get("mediaType"), "name": part.get("filename")}
    file = {**content, **{name: value for name, value in named.items() if value is not None}}
    return {"kind": "file", "file": file, **about}


def _part_from(part: JsonObject) -> JsonObject:
    file = part.get("file")
    if not isinstance(file, dict):
        return without_kind(part)
    shown: JsonObject = {"raw": file["bytes"]} if "bytes" in file else {"url": file.get("uri")}
    named = {"mediaType": file.get("mimeType"), "filename": file.get("name")}
    shown |= {name: value for name, value in named.items() if value is not None}
    return shown if not part.get("metadata") else {**shown, "metadata": part["metadata"]}
