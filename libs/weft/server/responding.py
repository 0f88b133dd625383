"""Who may answer which question, and whether an answer is one."""

from collections.abc import Iterator

from weft.checkpoint import Run
from weft.core import DECLINED, Interrupt, JsonObject, JsonValue, Principal
from weft.core.edge_errors import (
    ApprovalNotAllowedError,
    InterruptsIncompleteError,
    InvalidResponseError,
)
from weft.core.errors import InputError
from weft.core.misfits import misfits
from weft.server.requests import InterruptResponse, ResumeRequest

APPROVE = "approve"


def may_answer(
    principal: Principal, run: Run, interrupt: Interrupt, *, self_approval: bool
) -> bool:
    """Tell whether `principal` may answer the question: its run's owner, or an approver of the tenant."""
    owns = principal.subject == run.subject
    if interrupt.reason == "approval":
        return _approves(principal, interrupt) and (self_approval or not owns)
    return owns or principal.may(APPROVE)


def check_answers(
    principal: Principal, run: Run, body: ResumeRequest, *, self_approval: bool
) -> None:
    """Return if each answer comes from who may give it, and is one.

    Raises:
        ApprovalNotAllowedError: It approves, and the caller may not.
        InvalidResponseError: It does not fit what was asked.
        InterruptsIncompleteError: Questions that the caller may answer were left out.
    """
    given = {response.interrupt_id: response for response in body.responses}
    if len(given) != len(body.responses):
        raise InputError("each interrupt is answered once", field="responses")
    for interrupt in run.interrupts:
        if (answer := given.get(interrupt.id)) is not None:
            _check_person(principal, run, interrupt, answer, self_approval=self_approval)
    faults = [
        (f"/responses/{place}/payload{pointer}", message)
        for interrupt in run.interrupts
        for place, answer in enumerate(body.responses)
        if answer.interrupt_id == interrupt.id and answer.status == "resolved"
        for pointer, message in _misfits(interrupt, answer.payload)
    ]
    if faults:
        raise InvalidResponseError(faults)
    owns = principal.subject == run.subject
    mine = [
        interrupt.id
        for interrupt in run.interrupts
        if owns or may_answer(principal, run, interrupt, self_approval=self_approval)
    ]
    left = [interrupt_id for interrupt_id in mine if interrupt_id not in given]
    if left and not body.partial and len(left) < len(mine):
        raise InterruptsIncompleteError(left)


def expected_of(interrupt: Interrupt) -> JsonObject:
    """Return the schema that an answer must fit: an approval has one in any case."""
    if interrupt.response_schema is not None:
        return interrupt.response_schema
    if interrupt.reason == "approval":
        return {"type": "object", "properties": {"approved": {"type": "boolean"}},
                "required": ["approved"]}  # fmt: skip
    return {"enum": [*interrupt.options]} if interrupt.options else {}


def payload_of(answer: InterruptResponse) -> JsonValue:
    """Return what a response says; one that closes the question declines."""
    return DECLINED if answer.status == "canceled" else answer.payload


def _approves(principal: Principal, interrupt: Interrupt) -> bool:
    return principal.may(interrupt.approver_scope or APPROVE)


def _check_person(
    principal: Principal,
    run: Run,
    interrupt: Interrupt,
    answer: InterruptResponse,
    *,
    self_approval: bool,
) -> None:
    if interrupt.reason == "approval":
        if not _approves(principal, interrupt):
            raise ApprovalNotAllowedError(interrupt.id, interrupt.approver_scope or APPROVE)
        own = principal.subject == run.subject
        if answer.status == "resolved" and own and not self_approval:
            raise ApprovalNotAllowedError(interrupt.id)
    if interrupt.reason == "credentials" and answer.payload is not None:
        raise InputError(
            "credentials are given at the interrupt's url, never here", field="responses"
        )


def _misfits(interrupt: Interrupt, payload: JsonValue) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with an answer; naming an option is one in short, but no approval."""
    if interrupt.reason == "approval" or payload not in interrupt.options:
        options = f"; or say one of {', '.join(interrupt.options)}" if interrupt.options else ""
        for pointer, message in misfits(payload, expected_of(interrupt)):
            yield pointer, f"{message}{options}"
