"""How each error looks to an A2A caller."""

from weft.core import JsonObject, JsonValue, edge_errors, new_id, protocol_errors
from weft.core.error_table import A2A_INTERNAL, A2A_INVALID_PARAMS, look
from weft.core.errors import WeftError

DOMAIN = "a2a-protocol.org"
SHOWN_IN_STATUS = frozenset({401, 403, 408, 413, 429, 503})
"""On JSON-RPC these show in the HTTP status too; everything else is a 200 with an error inside."""
_OWN_STATUS = SHOWN_IN_STATUS | {404, 405, 431}
"""Statuses that the HTTP+JSON binding shows as they are; the rest of what callers do wrong is 400."""
_REASONS = {
    -32700: "PARSE_ERROR",
    -32600: "INVALID_REQUEST",
    -32601: "METHOD_NOT_FOUND",
    A2A_INVALID_PARAMS: "INVALID_PARAMS",
    -32001: "TASK_NOT_FOUND",
    -32002: "TASK_NOT_CANCELABLE",
    -32003: "PUSH_NOTIFICATION_NOT_SUPPORTED",
    -32004: "UNSUPPORTED_OPERATION",
    -32005: "CONTENT_TYPE_NOT_SUPPORTED",
    -32006: "INVALID_AGENT_RESPONSE",
    -32007: "EXTENDED_AGENT_CARD_NOT_CONFIGURED",
    -32008: "EXTENSION_SUPPORT_REQUIRED",
    -32009: "VERSION_NOT_SUPPORTED",
}


def reason(error: WeftError) -> str:
    """Return the A2A name of the error, or its own code in capitals where A2A has none."""
    row = look(error)
    own = error.code.upper()
    return own if row.http in SHOWN_IN_STATUS else _REASONS.get(row.a2a, own)


def rpc_error(error: WeftError) -> JsonObject:
    """Return the JSON-RPC error object."""
    metadata: JsonObject = {"code": error.code}
    if error.retryable:
        metadata["retryable"] = "true"
    if isinstance(error, protocol_errors.VersionNotSupportedError):
        metadata["supportedVersions"] = ",".join(error.supported)
    data: list[JsonValue] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason(error),
            "domain": DOMAIN,
            "metadata": metadata,
        }
    ]
    if look(error).a2a == A2A_INVALID_PARAMS:
        data.append(
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": _violations(error),
            }
        )
    return {"code": look(error).a2a, "message": str(error), "data": data}


def http_error(error: WeftError) -> tuple[int, JsonObject]:
    """Return the status and the body that the HTTP+JSON binding has for the error."""
    row = look(error)
    status, grpc = row.http, row.grpc
    if status not in _OWN_STATUS and row.a2a not in {A2A_INTERNAL, -32006}:
        # What the front door tells apart by more statuses, A2A names by its reasons.
        status = 400
        grpc = grpc if grpc in {"INVALID_ARGUMENT", "UNIMPLEMENTED"} else "FAILED_PRECONDITION"
    return status, http_body(status, grpc, rpc_error(error))


def http_body(status: int, grpc: str, error: JsonObject) -> JsonObject:
    """Return a JSON-RPC error object as the body of an HTTP+JSON answer."""
    details = error["data"]
    shown: JsonObject = {
        "code": status,
        "status": grpc,
        "message": error["message"],
        "details": details,
    }
    return {"error": shown}


def _violations(error: WeftError) -> list[JsonValue]:
    if isinstance(error, edge_errors.InvalidFieldsError):
        return [
            {"field": pointer[1:].replace("/", ".") or "params", "description": words}
            for pointer, words in error.faults
        ]
    return [{"field": getattr(error, "field", "") or "params", "description": str(error)}]


def crash(correlation_id: str | None = None) -> JsonObject:
    """Return the error object of a bug: an id to find it by in the logs, and nothing of it."""
    metadata: JsonObject = {"correlationId": correlation_id or new_id()}
    info: JsonObject = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "INTERNAL",
        "domain": DOMAIN,
        "metadata": metadata,
    }
    return {"code": A2A_INTERNAL, "message": "internal error", "data": [info]}
