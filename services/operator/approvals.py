"""What a person approved: exactly one action on exactly one state, or nothing.

Two ways lead here. A gate of the caller's plan showed a proposal and hands its approval on; or the
operator, asked without one, shows its proposal and asks itself.
"""

from collections.abc import Mapping

from pydantic import ValidationError

from services.operator.actions import Action, DryRun
from weft.core import APPROVAL, Interrupt, JsonObject, JsonValue, approves, canonical
from weft.tools import ToolContext, interrupt_id

__all__ = ["approved_by_gate", "is_approved", "question_about", "settled_before"]

_RESPONSE: JsonObject = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "comment": {"type": "string"}},
    "required": ["approved"],
}


def approved_by_gate(metadata: Mapping[str, JsonValue]) -> DryRun | None:
    """Return the proposal that a gate showed and a person approved; None where there is none."""
    decision = metadata.get(APPROVAL)
    if not isinstance(decision, dict) or approves(decision.get("answer")) is not True:
        return None
    try:
        return DryRun.model_validate(decision.get("proposal"))
    except ValidationError:
        return None


def question_about(proposal: DryRun, context: ToolContext) -> Interrupt:
    """Return the question for an approval of this action on this state, the same whenever asked."""
    return Interrupt(
        id=_question_id(proposal.action, proposal.before, context),
        reason="approval",
        message=f"Approve: {proposal.words()}",
        path=context.path,
        agent=context.agent_id or None,
        tool_call_id=context.tool_call_id or None,
        response_schema=_RESPONSE,
        options=("approve", "refuse"),
        metadata={"proposal": proposal.to_json()},
    )


def settled_before(action: Action, before: JsonObject, context: ToolContext) -> bool | None:
    """Return what a person said of this action on this state; None while nobody said anything."""
    name = _question_id(action, before, context)
    return approves(context.answers[name]) if name in context.answers else None


def is_approved(action: Action, before: JsonObject, context: ToolContext) -> bool:
    """Tell whether a person approved this action, shown this state."""
    shown = approved_by_gate(context.metadata)
    if shown is not None and (shown.action, shown.before) == (action, before):
        return True
    return settled_before(action, before, context) is True


def _question_id(action: Action, before: JsonObject, context: ToolContext) -> str:
    place = canonical([context.run_id, action.to_json(), before]).decode()
    return interrupt_id("operator_approval", place)
