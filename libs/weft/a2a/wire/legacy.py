"""A2A 0.3 as its callers write and read it: requests out of those of 1.0, answers into those of 1.0."""

from collections.abc import Mapping

from weft.a2a.wire.legacy_values import (
    artifact_from,
    message_from,
    message_to,
    status_from,
    task_from,
    without_kind,
)
from weft.core import JsonObject

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


def params_of(params: JsonObject) -> JsonObject:
    """Return the parameters of a call as 0.3 has them."""
    shown = {name: value for name, value in params.items() if name != "tenant"}
    if isinstance(message := shown.get("message"), dict):
        shown["message"] = message_to(message)
    if isinstance(configuration := shown.get("configuration"), dict):
        renamed = dict(configuration)
        blocking = renamed.pop("returnImmediately", None) is not True
        shown["configuration"] = {**renamed, "blocking": blocking}
    return shown


def result_from(method: str, result: JsonObject) -> JsonObject:
    """Return what 0.3 answered to `method` as 1.0 would; what is neither says nothing."""
    match _kind(result):
        case "task":
            task = task_from(result)
            return task if method in _BARE else {"task": task}
        case "message":
            return {"message": message_from(result)}
        case "status-update":
            status = status_from(result.get("status"))
            return {"statusUpdate": {**without_kind(result), "status": status}}
        case "artifact-update":
            artifact = artifact_from(result.get("artifact"))
            return {"artifactUpdate": {**without_kind(result), "artifact": artifact}}
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
