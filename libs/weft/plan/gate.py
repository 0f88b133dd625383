"""A body that starts only once a person approved exactly this."""

import hashlib
from dataclasses import replace

from weft.core import (
    Interrupt,
    JsonObject,
    JsonValue,
    Reason,
    Result,
    approves,
    canonical,
    name_digest,
)
from weft.events import preview
from weft.plan.model import Gate, Node
from weft.plan.placeholders import shown
from weft.plan.walk import At, Scope, Walk

REFUSED = "approval_refused"


async def run_gate(walk: Walk, node: Node, at: At) -> Result:
    if not isinstance(node, Gate):
        raise TypeError(f"not a gate: {node.kind}")
    seen = _shown(node, at)
    digest = _digest(walk, node, seen)
    question = _question(walk, node, at, seen, digest)
    answer = walk.journal.steps.get(("interrupt", question.id))
    if answer is None and walk.on_approval is not None:
        await walk.last_step.settle()
        said = await walk.on_approval(question)
        answer = await walk.journal.record(("interrupt", question.id), {"answer": said})
    if answer is None:
        if not walk.approvals:
            return _refused(at, "no approval store is configured, so nobody can approve this step")
        return Result(status="interrupted", interrupts=(question,))
    if not approves(answer.get("answer")):
        return _refused(at, f"the step was not approved: {', '.join(node.reasons)}")
    inner = Scope(at.scope)
    decision: JsonObject = {
        "interrupt_id": question.id,
        "digest": digest,
        "proposal": _proposal(seen),
        **answer,
    }
    result = await walk.run(node.body, replace(at, scope=inner, approval=decision))
    at.scope.adopt(inner, node.id)
    return result


def _shown(node: Gate, at: At) -> dict[str, Result]:
    """Return what the approver sees, by step."""
    if not node.shows:
        return {} if at.input is None else {at.input_step: at.input}
    results = {step: at.scope.find(step) for step in node.shows}
    return {step: result for step, result in results.items() if result is not None}


def _proposal(seen: dict[str, Result]) -> JsonValue:
    """Return what the approver saw last, as data: whoever acts is held to it."""
    return [*seen.values()][-1].data if seen else None


def _digest(walk: Walk, node: Gate, seen: dict[str, Result]) -> str:
    """Return what the approval is bound to: body, principal and what the approver saw."""
    principal = walk.authority.principal
    bound: JsonObject = {
        "body": node.body.model_dump(mode="json"),
        "principal": [principal.tenant, principal.subject],
        "goal": walk.plan.goal,
        "shown": {
            step: {"text": result.text, "data": result.data} for step, result in seen.items()
        },
    }
    return hashlib.sha256(canonical(bound)).hexdigest()


def _question(walk: Walk, node: Gate, at: At, seen: dict[str, Result], digest: str) -> Interrupt:
    place = "\0".join((walk.journal.run_id, *at.path, digest))
    reasons: list[JsonValue] = list(node.reasons)
    return Interrupt(
        id=name_digest(f"approval:{place}"),
        reason="approval",
        message=_message(walk, node, seen),
        path=at.path,
        response_schema={
            "type": "object",
            "properties": {"approved": {"type": "boolean"}, "comment": {"type": "string"}},
            "required": ["approved"],
        },
        options=("approve", "refuse"),
        approver_scope=node.approver_scope,
        expires_in=node.expires_in,
        metadata={"digest": digest, "reasons": reasons},
    )


def _message(walk: Walk, node: Gate, seen: dict[str, Result]) -> str:
    title = node.title or preview(walk.plan.goal)
    parts = [f"{step}:\n{shown(result)}" for step, result in seen.items()]
    return "\n\n".join((f"Approve: {title} ({', '.join(node.reasons)})", *parts))


def _refused(at: At, message: str) -> Result:
    return Result(status="failed", reasons=(Reason(code=REFUSED, message=message, path=at.path),))
