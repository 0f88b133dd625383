"""A2A 0.3 as its callers write and read it: requests out of those of 1.0, answers into those of 1.0."""

from collections.abc import Mapping

from weft.core import JsonObject, JsonValue

__all__ = ["METHODS", "params_of", "result_from"]

METHODS: Mapping[str, str] = {
    "SendMessage": "message/send",
    "SendStreamingMessage": "message/stream",
    "GetTask": "tasks/get",
    "CancelTask": "tasks/cancel",
    "SubscribeToTask": "tasks/resubscribe",
}
_BARE = frozenset({"GetTask", "CancelTask"})
"""Their result is the task itself."""
_ROLES = {"ROLE_USER": "user", "ROLE_AGENT": "agent"}


def params_of(params: JsonObject) -> JsonObject:
    """Return the parameters of a call as 0.3 has them."""
    shown = {name: value for name, value in params.items() if name != "tenant"}
    if isinstance(message := shown.get("message"), dict):
        shown["message"] = _message(message)
    if isinstance(configuration := shown.get("configuration"), dict):
        renamed = dict(configuration)
        blocking = renamed.pop("returnImmediately", None) is not True
        shown["configuration"] = {**renamed, "blocking": blocking}
    return shown


def result_from(method: str, result: JsonObject) -> JsonObject:
    """Return what 0.3 answered to `method` as 1.0 would; what is neither says nothing."""
    match _kind(result):
        case "task":
            task = _task(result)
            return task if method in _BARE else {"task": task}
        case "message":
            return {"message": _said(result)}
        case "status-update":
            status = _status(result.get("status"))
            return {"statusUpdate": {**_without_kind(result), "status": status}}
        case "artifact-update":
            artifact = _artifact(result.get("artifact"))
            return {"artifactUpdate": {**_without_kind(result), "artifact": artifact}}
        case _:
            return {}


def _kind(result: JsonObject) -> str:
    """Return the kind of a result; some servers leave it out where its members tell it."""
    kind = result.get("kind")
    if isinstance(kind, str):
        return kind
    if "parts" in result:
        return "message"
    if "artifact" in result:
        return "artifact-update"
    if "status" in result:
        return "status-update" if "taskId" in result else "task"
    return ""


def _message(message: JsonObject) -> JsonObject:
    role = _ROLES.get(str(message.get("role")), "user")
    parts = [_part(part) for part in _objects(message.get("parts"))]
    return {**message, "kind": "message", "role": role, "parts": [*parts]}


def _part(part: JsonObject) -> JsonObject:
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


def _task(task: JsonObject) -> JsonObject:
    shown = {**_without_kind(task), "status": _status(task.get("status"))}
    if isinstance(task.get("artifacts"), list):
        shown["artifacts"] = [_artifact(artifact) for artifact in _objects(task["artifacts"])]
    if isinstance(task.get("history"), list):
        shown["history"] = [_said(message) for message in _objects(task["history"])]
    return shown


def _status(status: JsonValue) -> JsonObject:
    if not isinstance(status, dict):
        return {}
    state = str(status.get("state", "")).upper().replace("-", "_")
    shown: JsonObject = {**status, "state": f"TASK_STATE_{state}"}
    if isinstance(message := status.get("message"), dict):
        shown["message"] = _said(message)
    return shown


def _artifact(artifact: JsonValue) -> JsonObject:
    if not isinstance(artifact, dict):
        return {}
    return {**artifact, "parts": [_read(part) for part in _objects(artifact.get("parts"))]}


def _said(message: JsonObject) -> JsonObject:
    role = "ROLE_AGENT" if message.get("role") == "agent" else "ROLE_USER"
    parts = [_read(part) for part in _objects(message.get("parts"))]
    return {**_without_kind(message), "role": role, "parts": [*parts]}


def _read(part: JsonObject) -> JsonObject:
    file = part.get("file")
    if not isinstance(file, dict):
        return _without_kind(part)
    shown: JsonObject = {"raw": file["bytes"]} if "bytes" in file else {"url": file.get("uri")}
    named = {"mediaType": file.get("mimeType"), "filename": file.get("name")}
    shown |= {name: value for name, value in named.items() if value is not None}
    return shown if not part.get("metadata") else {**shown, "metadata": part["metadata"]}


def _without_kind(value: JsonObject) -> JsonObject:
    return {name: member for name, member in value.items() if name != "kind"}


def _objects(value: JsonValue) -> list[JsonObject]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
