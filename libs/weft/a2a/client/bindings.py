"""How a call is written for an agent outside the mesh: three forms of one protocol, chosen by its card.

Calls and answers have 1.0's names everywhere else; only here is it known how they travel.
"""

from collections.abc import Mapping
from functools import partial
from urllib.parse import quote

from weft.a2a.client.transport import STREAMS, Outgoing, object_of, rpc_result
from weft.a2a.wire import legacy
from weft.a2a.wire.cards import Interface
from weft.core import JsonObject, JsonValue, dumps, new_id
from weft.core.protocol_errors import PeerRefusedError

__all__ = ["VERSION_REFUSED", "outgoing"]

MAX_FOREIGN = 1024 * 1024
"""What is read of an answer of an agent outside the mesh, in bytes."""
VERSION_REFUSED, UNKNOWN_METHOD = -32009, -32601
_CODES: Mapping[str, int] = {
    "TASK_NOT_FOUND": -32001,
    "TASK_NOT_CANCELABLE": -32002,
    "UNSUPPORTED_OPERATION": -32004,
    "VERSION_NOT_SUPPORTED": VERSION_REFUSED,
}
"""By the reason that an HTTP error names."""
_SHOWN = 300


def outgoing(
    interface: Interface, method: str, params: JsonObject, headers: Mapping[str, str]
) -> Outgoing:
    """Return the call of `method` as it goes to `interface`."""
    streams = method in STREAMS
    spoken = {
        **headers,
        "Accept": "text/event-stream" if streams else "application/json",
        "Accept-Encoding": "identity",
        "A2A-Version": interface.version,
    }
    if interface.binding == "HTTP+JSON":
        return _over_http(interface, method, params, spoken)
    if interface.tenant:
        params = {**params, "tenant": interface.tenant}
    name = method
    if interface.version == "0.3":
        name, params = legacy.METHODS[method], legacy.params_of(params)
    body = dumps({"jsonrpc": "2.0", "id": new_id(), "method": name, "params": params})
    spoken["Content-Type"] = "application/json"
    spoken["Accept"] = "application/json, text/event-stream"
    read = partial(_legacy_result, method) if interface.version == "0.3" else rpc_result
    return Outgoing(interface.url, body, spoken, streams, read=read, most=MAX_FOREIGN)


def _over_http(
    interface: Interface, method: str, params: JsonObject, headers: dict[str, str]
) -> Outgoing:
    base = interface.url.rstrip("/")
    if interface.tenant:
        base = f"{base}/{quote(interface.tenant, safe='')}"
    task = quote(str(params.get("id", "")), safe="")
    rest = {name: value for name, value in params.items() if name != "id"}
    verb, path = {
        "SendMessage": ("POST", "/message:send"),
        "SendStreamingMessage": ("POST", "/message:stream"),
        "GetTask": ("GET", f"/tasks/{task}"),
        "CancelTask": ("POST", f"/tasks/{task}:cancel"),
        "SubscribeToTask": ("GET", f"/tasks/{task}:subscribe"),
    }[method]
    body = dumps(rest) if verb == "POST" else None
    headers["Accept"] += ", application/a2a+json"
    if body is not None:
        headers["Content-Type"] = "application/json"
    streams = method in STREAMS
    return Outgoing(base + path, body, headers, streams, verb, _plain_result, MAX_FOREIGN)


def _legacy_result(method: str, text: bytes) -> JsonObject:
    return legacy.result_from(method, rpc_result(text))


def _plain_result(text: bytes) -> JsonObject:
    """Return what an answer over HTTP is: the result itself, or an error."""
    value = object_of(text)
    error = value.get("error")
    if isinstance(error, dict):
        raise PeerRefusedError(
            f"the peer refused: {str(error.get('message', ''))[:_SHOWN]}",
            rpc_code=_code_of(error.get("details")),
        )
    return value


def _code_of(details: JsonValue) -> int | None:
    listed = details if isinstance(details, list) else []
    reasons = (str(detail.get("reason")) for detail in listed if isinstance(detail, dict))
    return next((_CODES[reason] for reason in reasons if reason in _CODES), None)
