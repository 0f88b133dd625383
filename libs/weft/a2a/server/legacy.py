"""The 0.3 dialect of JSON-RPC: its names and values turned into those of 1.0, and answers back.

What a request is called picks the dialect; nothing else here knows of it.
"""

from collections.abc import Mapping
from typing import Final

import orjson
from starlette.responses import Response

from weft.a2a.server.binding import encoded
from weft.a2a.server.updates import Update
from weft.a2a.wire import extensions, rpc
from weft.a2a.wire.cards import objects
from weft.a2a.wire.legacy import METHODS
from weft.a2a.wire.legacy_values import (
    artifact_to,
    message_from,
    message_to,
    status_to,
    task_to,
)
from weft.a2a.wire.models import ENDED, SPOKEN, WAITING
from weft.core import JsonObject, JsonValue
from weft.core.errors import InputError

NAMES: Final[Mapping[str, str]] = {
    **{old: name for name, old in METHODS.items()},
    "tasks/pushNotificationConfig/set": "CreateTaskPushNotificationConfig",
    "tasks/pushNotificationConfig/get": "GetTaskPushNotificationConfig",
    "tasks/pushNotificationConfig/list": "ListTaskPushNotificationConfigs",
    "tasks/pushNotificationConfig/delete": "DeleteTaskPushNotificationConfig",
    "agent/getAuthenticatedExtendedCard": "GetExtendedAgentCard",
}
"""What 1.0 calls each method of 0.3."""
_ROLES = frozenset({"user", "agent"})
_SENDS = frozenset({"SendMessage", "SendStreamingMessage"})


def params_from(name: str, params: object) -> object:
    """Return the parameters that a caller of 0.3 wrote for what 1.0 calls `name`, as 1.0 has them.

    Raises:
        InputError: They are none that 0.3 has.
    """
    if name not in _SENDS or not isinstance(params, dict):
        return params
    shown: JsonObject = dict(params)
    if isinstance(message := params.get("message"), dict):
        _check(message)
        shown["message"] = message_from(message)
    if isinstance(configuration := params.get("configuration"), dict):
        renamed = dict(configuration)
        renamed["returnImmediately"] = renamed.pop("blocking", None) is False
        if (push := renamed.pop("pushNotificationConfig", None)) is not None:
            renamed["taskPushNotificationConfig"] = push
        shown["configuration"] = renamed
    return shown


def answers_as_0_3(params: object) -> bool:
    """Tell whether the answer is to be 0.3's: it is, unless the parts of a message are of 1.0."""
    message = params.get("message") if isinstance(params, dict) else None
    parts = objects(message.get("parts")) if isinstance(message, dict) else []
    return not parts or any("kind" in part for part in parts)


class LegacyForm:
    """Results as 0.3 has them: flat, each saying its kind."""

    versions = SPOKEN
    header = extensions.LEGACY_HEADER

    def __init__(self, call_id: rpc.RpcId, *, subscription: bool) -> None:
        self._prefix = b'{"jsonrpc":"2.0","id":' + orjson.dumps(call_id) + b',"result":'
        self._last = ENDED if subscription else ENDED | WAITING
        """The states after which this stream ends."""

    def reply(self, result: JsonObject, headers: dict[str, str]) -> Response:
        body = self._prefix + orjson.dumps(_result(result)) + b"}"
        return Response(body, media_type="application/json", headers=headers)

    def frame(self, update: Update) -> bytes:
        shown = update.body
        if update.events:
            whole: JsonObject = orjson.loads(encoded(update))
            shown = whole
        return self._prefix + orjson.dumps(self._event(shown)) + b"}"

    def _event(self, body: JsonObject) -> JsonObject:
        if isinstance(status := body.get("statusUpdate"), dict):
            inner = status.get("status")
            state = inner.get("state") if isinstance(inner, dict) else None
            final = state in self._last
            return {**status, "kind": "status-update", "status": status_to(inner), "final": final}
        if isinstance(grown := body.get("artifactUpdate"), dict):
            artifact = grown.get("artifact")
            shown = artifact_to(artifact) if isinstance(artifact, dict) else {}
            return {**grown, "kind": "artifact-update", "artifact": shown}
        return _result(body)


def _result(result: JsonObject) -> JsonObject:
    """Return a task or message bare, as 0.3 answers with them."""
    if isinstance(task := result.get("task"), dict):
        return task_to(task)
    if isinstance(message := result.get("message"), dict):
        return message_to(message)
    return task_to(result) if "status" in result else result


def _check(message: Mapping[str, JsonValue]) -> None:
    """Return if what would be lost on the way to 1.0 is as it must be."""
    if message.get("role") not in _ROLES:
        raise InputError("a role is user or agent", field="message.role")
    for number, part in enumerate(objects(message.get("parts"))):
        file = part.get("file")
        if isinstance(file, dict) and ("bytes" in file) is ("uri" in file):
            raise InputError("a file has either bytes or uri", field=f"message.parts.{number}.file")
