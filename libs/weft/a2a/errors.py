"""How each error looks on the wire: one row per type, read by every transport."""

from collections.abc import Mapping
from dataclasses import dataclass

from weft.core import (
    JsonObject,
    JsonValue,
    edge_errors,
    errors,
    new_id,
    process_errors,
    protocol_errors,
)
from weft.core.errors import WeftError
from weft.loop.subagent import SubagentFailedError
from weft.models import errors as model_errors
from weft.plan.errors import PlanInvalidError
from weft.routing import errors as routing_errors
from weft.tools.effect_key import EffectKeyError
from weft.tools.schema import ArgumentsError

DOMAIN = "a2a-protocol.org"
INTERNAL = -32603
INVALID_PARAMS = -32602
INVALID_REQUEST = -32600
"""Also of what A2A leaves to the HTTP status: who asks, whether they may, and how often."""
SHOWN_IN_STATUS = frozenset({401, 403, 408, 413, 429, 503})
"""On JSON-RPC these show in the HTTP status too; everything else is a 200 with an error inside."""


@dataclass(frozen=True, slots=True)
class Wire:
    """An error's HTTP status, gRPC status name and JSON-RPC code."""

    http: int
    grpc: str
    a2a: int = INTERNAL


_INVALID = Wire(422, "INVALID_ARGUMENT", INVALID_PARAMS)
_BROKEN = Wire(500, "INTERNAL")
_CONFLICT = Wire(409, "ABORTED", -32004)
_FORBIDDEN = Wire(403, "PERMISSION_DENIED", INVALID_REQUEST)
_TOO_MANY = Wire(429, "RESOURCE_EXHAUSTED", INVALID_REQUEST)
_ENDED = Wire(409, "FAILED_PRECONDITION", -32004)
_AWAY = Wire(503, "UNAVAILABLE")
_SPENT = Wire(500, "RESOURCE_EXHAUSTED")
_LATE = Wire(500, "DEADLINE_EXCEEDED")

WIRE: Mapping[type[WeftError], Wire] = {
    WeftError: _BROKEN,
    errors.ConfigError: _BROKEN,
    errors.InputError: _INVALID,
    errors.NotFoundError: Wire(404, "NOT_FOUND", -32001),
    errors.IdempotencyKeyReusedError: _INVALID,
    errors.ThreadBusyError: _CONFLICT,
    errors.ThreadInterruptedError: Wire(409, "FAILED_PRECONDITION", -32004),
    errors.QueueFullError: _TOO_MANY,
    errors.FencedError: _CONFLICT,
    errors.BatchGapError: _BROKEN,
    errors.StaleThreadError: _CONFLICT,
    errors.RunFinishedError: _ENDED,
    errors.RunNotInterruptedError: _ENDED,
    errors.NothingToResumeError: _ENDED,
    errors.InterruptNotFoundError: Wire(404, "NOT_FOUND", INVALID_PARAMS),
    errors.InterruptAnsweredError: Wire(409, "FAILED_PRECONDITION", INVALID_PARAMS),
    errors.InterruptExpiredError: Wire(410, "FAILED_PRECONDITION", INVALID_PARAMS),
    errors.StoreError: _AWAY,
    errors.StoreUnavailableError: _AWAY,
    errors.StoreFullError: _AWAY,
    errors.ForkedStoreError: _BROKEN,
    errors.LayoutError: _BROKEN,
    errors.EffectSettledError: _CONFLICT,
    errors.CanceledError: Wire(409, "CANCELLED", -32004),
    errors.RunFailedError: _BROKEN,
    errors.DeadlineExceededError: _LATE,
    errors.BudgetExhaustedError: _SPENT,
    errors.DepthExceededError: Wire(400, "FAILED_PRECONDITION", INVALID_PARAMS),
    errors.UnauthenticatedError: Wire(401, "UNAUTHENTICATED", INVALID_REQUEST),
    errors.ForbiddenError: _FORBIDDEN,
    errors.BusUnavailableError: _AWAY,
    errors.DataRefusedError: _INVALID,
    edge_errors.InvalidHostError: Wire(400, "INVALID_ARGUMENT", -32600),
    edge_errors.InvalidRequestLineError: Wire(400, "INVALID_ARGUMENT", -32600),
    edge_errors.MethodNotAllowedError: Wire(405, "UNIMPLEMENTED", -32601),
    edge_errors.InvalidCursorError: Wire(400, "INVALID_ARGUMENT", INVALID_PARAMS),
    edge_errors.InvalidIdempotencyKeyError: Wire(400, "INVALID_ARGUMENT", INVALID_PARAMS),
    edge_errors.InvalidFieldsError: _INVALID,
    edge_errors.InvalidResponseError: _INVALID,
    edge_errors.UnknownAgentError: _INVALID,
    edge_errors.InterruptsIncompleteError: _INVALID,
    edge_errors.ApprovalNotAllowedError: _FORBIDDEN,
    edge_errors.RouterUnavailableError: _AWAY,
    edge_errors.OverloadedError: _AWAY,
    edge_errors.QuotaExceededError: _TOO_MANY,
    edge_errors.DrainingError: _AWAY,
    protocol_errors.InvalidJsonError: Wire(400, "INVALID_ARGUMENT", -32700),
    protocol_errors.MalformedCallError: Wire(400, "INVALID_ARGUMENT", -32600),
    protocol_errors.UnknownMethodError: Wire(405, "UNIMPLEMENTED", -32601),
    protocol_errors.BodyTooLargeError: Wire(413, "RESOURCE_EXHAUSTED", -32600),
    protocol_errors.MediaTypeError: Wire(415, "INVALID_ARGUMENT", -32005),
    protocol_errors.UnsupportedOperationError: Wire(400, "FAILED_PRECONDITION", -32004),
    protocol_errors.PushNotSupportedError: Wire(400, "FAILED_PRECONDITION", -32003),
    protocol_errors.TaskNotCancelableError: Wire(400, "FAILED_PRECONDITION", -32002),
    protocol_errors.ExtensionRequiredError: Wire(400, "FAILED_PRECONDITION", -32008),
    protocol_errors.VersionNotSupportedError: Wire(400, "FAILED_PRECONDITION", -32009),
    protocol_errors.TooManyCallsError: _TOO_MANY,
    protocol_errors.CardRefusedError: Wire(500, "PERMISSION_DENIED"),
    protocol_errors.InvalidPeerAnswerError: Wire(500, "INTERNAL", -32006),
    protocol_errors.PeerUnavailableError: _AWAY,
    protocol_errors.AnswerLostError: _AWAY,
    protocol_errors.PeerRefusedError: Wire(500, "INTERNAL", -32006),
    model_errors.ModelError: _BROKEN,
    model_errors.ModelAuthError: _BROKEN,
    model_errors.ModelRequestError: _BROKEN,
    model_errors.ContextLengthError: _BROKEN,
    model_errors.ContentFilterError: _BROKEN,
    model_errors.RateLimitedError: _AWAY,
    model_errors.ModelUnavailableError: _AWAY,
    model_errors.ModelTimeoutError: _AWAY,
    model_errors.AllModelsFailedError: _BROKEN,
    model_errors.CircuitOpenError: _AWAY,
    model_errors.NoApplicableToolError: _BROKEN,
    model_errors.UnknownProviderError: _BROKEN,
    model_errors.MissingExtraError: _BROKEN,
    errors.EffectUnrecordedError: _BROKEN,
    errors.ToolDefinitionError: _BROKEN,
    errors.DuplicateToolError: _BROKEN,
    process_errors.ToolProcessError: _BROKEN,
    process_errors.ToolCrashedError: _BROKEN,
    process_errors.ToolMemoryError: _SPENT,
    process_errors.ToolCpuError: _SPENT,
    process_errors.ToolResultTooLargeError: _SPENT,
    process_errors.ToolBusyError: _AWAY,
    errors.ConditionFailedError: _BROKEN,
    SubagentFailedError: _BROKEN,
    ArgumentsError: _INVALID,
    EffectKeyError: _INVALID,
    PlanInvalidError: _INVALID,
    routing_errors.FrameExtractionError: _BROKEN,
    routing_errors.FrameInvalidError: _INVALID,
    routing_errors.NoMatchingProtocolError: _INVALID,
    routing_errors.NoCapabilityError: _INVALID,
    routing_errors.UnknownCapabilityError: _INVALID,
    routing_errors.UnknownProtocolError: _INVALID,
    routing_errors.PolicyDeniedError: _FORBIDDEN,
}

_REASONS = {
    -32700: "PARSE_ERROR",
    -32600: "INVALID_REQUEST",
    -32601: "METHOD_NOT_FOUND",
    INVALID_PARAMS: "INVALID_PARAMS",
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


def wire(error: WeftError) -> Wire:
    """Return the row of the error's type, or of its nearest base."""
    return next(WIRE[kind] for kind in type(error).__mro__ if kind in WIRE)


def reason(error: WeftError) -> str:
    """Return the A2A name of the error, or its own code in capitals where A2A has none."""
    row = wire(error)
    own = error.code.upper()
    return own if row.http in SHOWN_IN_STATUS else _REASONS.get(row.a2a, own)


def problem_fields(error: WeftError) -> JsonObject:
    """Return the members of an RFC 9457 problem that the error itself knows."""
    return {
        "type": f"urn:weft:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": wire(error).http,
        "detail": str(error),
        "code": error.code,
        "retryable": error.retryable,
    }


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
    if wire(error).a2a == INVALID_PARAMS:
        data.append(
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": _violations(error),
            }
        )
    return {"code": wire(error).a2a, "message": str(error), "data": data}


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
    return {"code": INTERNAL, "message": "internal error", "data": [info]}
