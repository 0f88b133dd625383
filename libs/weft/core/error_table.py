"""How each error looks to callers: one row by code, read by every transport."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["A2A_INTERNAL", "A2A_INVALID_PARAMS", "LOOKS", "look"]

A2A_INTERNAL: Final = -32603
A2A_INVALID_PARAMS: Final = -32602


@dataclass(frozen=True, slots=True)
class ErrorLook:
    """An error's HTTP status, gRPC status name and JSON-RPC code."""

    http: int
    grpc: str
    a2a: int = A2A_INTERNAL
    refusal: str | None = None
    """The code under which a refused request shows it; None of what only a run can come to."""


_Row = tuple[int, str, int, str, str]
_ROWS: Final[tuple[_Row, ...]] = (
    # HTTP, gRPC, A2A; codes that a refused request may carry; codes that only runs and calls carry.
    # A2A leaves to the HTTP status who asks, whether they may, and how often: -32600.
    (400, "FAILED_PRECONDITION", -32002, "", "task_not_cancelable"),
    (400, "FAILED_PRECONDITION", -32003, "", "push_not_supported"),
    (400, "FAILED_PRECONDITION", -32004, "", "unsupported_operation"),
    (400, "FAILED_PRECONDITION", -32008, "", "extension_required"),
    (400, "FAILED_PRECONDITION", -32009, "", "version_not_supported"),
    (400, "FAILED_PRECONDITION", -32602, "", "depth_exceeded"),
    (400, "INVALID_ARGUMENT", -32600, "invalid_host invalid_request_line", "invalid_call"),
    (400, "INVALID_ARGUMENT", -32602, "invalid_cursor invalid_idempotency_key", ""),
    (400, "INVALID_ARGUMENT", -32700, "invalid_json", ""),
    (401, "UNAUTHENTICATED", -32600, "unauthenticated", ""),
    (403, "PERMISSION_DENIED", -32600, "forbidden approval_not_allowed", "policy_denied"),
    (404, "NOT_FOUND", -32001, "not_found", ""),
    (404, "NOT_FOUND", -32602, "interrupt_not_found", ""),
    (405, "UNIMPLEMENTED", -32601, "method_not_allowed", "unknown_method"),
    (408, "DEADLINE_EXCEEDED", -32600, "request_timeout", ""),
    (409, "ABORTED", -32004, "thread_busy", "fenced stale_thread effect_settled"),
    (409, "CANCELLED", -32004, "", "canceled"),
    (
        409, "FAILED_PRECONDITION", -32004,
        """thread_interrupted run_finished run_not_interrupted run_not_rateable run_not_replayable
        nothing_to_resume""",
        "",
    ),
    (409, "FAILED_PRECONDITION", -32602, "interrupt_already_resolved", ""),
    (410, "FAILED_PRECONDITION", -32602, "interrupt_expired events_expired", ""),
    (413, "RESOURCE_EXHAUSTED", -32600, "body_too_large", ""),
    (415, "INVALID_ARGUMENT", -32005, "unsupported_media_type", ""),
    (
        422, "INVALID_ARGUMENT", -32602,
        """invalid_request invalid_response interrupts_incomplete idempotency_key_reused
        unknown_agent data_refused""",
        """plan_invalid frame_invalid no_protocol no_capability unknown_capability
        unknown_protocol no_applicable_tool""",
    ),
    (429, "RESOURCE_EXHAUSTED", -32600, "rate_limited quota_exceeded queue_full", ""),
    (431, "RESOURCE_EXHAUSTED", -32600, "headers_too_large", ""),
    (
        500, "INTERNAL", A2A_INTERNAL, "internal",
        """config_invalid batch_gap store_forked layout_unknown run_failed model_failed model_auth
        model_request context_length content_filter all_models_failed unknown_provider
        missing_extra effect_unrecorded tool_definition_invalid tool_duplicate
        tool_process_failed tool_crashed condition_failed subagent_failed extraction_failed""",
    ),
    (500, "INTERNAL", -32006, "", "peer_failed"),
    (500, "PERMISSION_DENIED", A2A_INTERNAL, "", "card_refused credential_missing delegate_refused"),
    (500, "DEADLINE_EXCEEDED", A2A_INTERNAL, "", "deadline_exceeded"),
    (
        500, "RESOURCE_EXHAUSTED", A2A_INTERNAL, "",
        "budget_exhausted tool_memory_limit tool_cpu_limit tool_result_too_large",
    ),
    (
        503, "UNAVAILABLE", A2A_INTERNAL,
        "overloaded draining store_unavailable store_full router_unavailable bus_unavailable",
        """peer_unavailable peer_away outcome_unknown tool_busy model_rate_limited model_unavailable
        model_timeout model_circuit_open""",
    ),
)  # fmt: skip
_SHOWN_AS: Final[Mapping[str, str]] = {
    "interrupt_not_found": "not_found",
    "store_full": "store_unavailable",
    "bus_unavailable": "router_unavailable",
    "data_refused": "invalid_request",
    "nothing_to_resume": "run_not_interrupted",
}
"""Errors of the library that callers of the front door need not tell from their neighbours."""


def _looks() -> Iterator[tuple[str, ErrorLook]]:
    for http, grpc, a2a, refusals, others in _ROWS:
        for code in refusals.split():
            yield code, ErrorLook(http, grpc, a2a, _SHOWN_AS.get(code, code))
        for code in others.split():
            yield code, ErrorLook(http, grpc, a2a)


LOOKS: Final[Mapping[str, ErrorLook]] = dict(_looks())


def look(error: Exception) -> ErrorLook:
    """Return the row of the error's code, or of its nearest base that has one."""
    codes = (str(getattr(kind, "code", "")) for kind in type(error).__mro__)
    return next((LOOKS[code] for code in codes if code in LOOKS), LOOKS["internal"])
