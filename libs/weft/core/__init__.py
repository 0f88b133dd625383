"""Ids, errors, clock, principal, authority and the values everything else exchanges."""

from pydantic import JsonValue

from weft.core.answers import DECLINED, approves, check_answer, option_of
from weft.core.authority import MAX_DEPTH, Authority
from weft.core.budget import NO_USAGE, UNLIMITED, Budget, Usage
from weft.core.clock import SYSTEM_CLOCK, Clock, Deadline, SystemClock, earliest, rfc3339
from weft.core.coverage import Coverage, FileCoverage, ReadingVerdict, coverage_in
from weft.core.facts import Fact, facts_in
from weft.core.ids import HEX_ID, InterruptId, RunId, name_digest, new_id, new_run_id, secret_id
from weft.core.messages import Message, Role, ToolCall, ToolSpec
from weft.core.parts import Part, PartKind, Parts, data_of, parts_of, says_nothing, text_of
from weft.core.principal import ALL_SCOPES, LOCAL, RUN_SCOPES, Allowance, Principal
from weft.core.record import (
    JsonObject,
    Record,
    StrictRecord,
    canonical,
    dumps,
    loads,
    loads_object,
    unchecked,
)
from weft.core.result import (
    LEAST_STRENGTH,
    MAX_EXPIRY_S,
    Artifact,
    Claim,
    ClaimKind,
    EvidenceType,
    Interrupt,
    Path,
    Reason,
    Result,
    ResultStatus,
    Verdict,
    Window,
)
from weft.core.trace import TraceContext, logged_trace_id, logged_under

__all__ = [
    "ALL_SCOPES",
    "DECLINED",
    "HEX_ID",
    "LEAST_STRENGTH",
    "LOCAL",
    "MAX_DEPTH",
    "MAX_EXPIRY_S",
    "NO_USAGE",
    "RUN_SCOPES",
    "SYSTEM_CLOCK",
    "UNLIMITED",
    "Allowance",
    "Artifact",
    "Authority",
    "Budget",
    "Claim",
    "ClaimKind",
    "Clock",
    "Coverage",
    "Deadline",
    "EvidenceType",
    "Fact",
    "FileCoverage",
    "Interrupt",
    "InterruptId",
    "JsonObject",
    "JsonValue",
    "Message",
    "Part",
    "PartKind",
    "Parts",
    "Path",
    "Principal",
    "ReadingVerdict",
    "Reason",
    "Record",
    "Result",
    "ResultStatus",
    "Role",
    "RunId",
    "StrictRecord",
    "SystemClock",
    "ToolCall",
    "ToolSpec",
    "TraceContext",
    "Usage",
    "Verdict",
    "Window",
    "approves",
    "canonical",
    "check_answer",
    "coverage_in",
    "data_of",
    "dumps",
    "earliest",
    "facts_in",
    "loads",
    "loads_object",
    "logged_trace_id",
    "logged_under",
    "name_digest",
    "new_id",
    "new_run_id",
    "option_of",
    "parts_of",
    "rfc3339",
    "says_nothing",
    "secret_id",
    "text_of",
    "unchecked",
]
