"""What is put around a protocol's plan because of risk, policy and the frame's wishes."""

from dataclasses import dataclass

from weft.plan import Call, Gate, Judge, Loop, Node, Parallel, Sequence
from weft.routing.builtins.steps import repeated
from weft.routing.frame import GoalFrame, Level
from weft.routing.policy import PolicyVerdict
from weft.routing.protocols import Protocol, View


@dataclass(frozen=True, slots=True)
class Modifier:
    """Something added to a part, or worth knowing of it, and why."""

    kind: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Modified:
    """A part's plan as it will run."""

    node: Node
    modifiers: tuple[Modifier, ...]


def modify(
    frame: GoalFrame, view: View, protocol: Protocol, *, risk: Level, verdict: PolicyVerdict
) -> Modified:
    """Build the part and put the validator and the one gate around it that it needs."""
    node = protocol.build(frame, view)
    modifiers = []
    wanted = _validator_reasons(frame, node, protocol, risk)
    if wanted and not _has_validator(node):
        node = repeated(frame, view, f"{view.name[:32]}_checked", _with_feedback(node))
        modifiers.append(Modifier("validator", wanted))
    reasons = _gate_reasons(protocol, risk, verdict)
    own = _own_gate(node)
    if own is not None:
        node = _with_reasons(node, (*own.reasons, *reasons))
        modifiers.append(Modifier("gate", (*own.reasons, *reasons)))
    elif reasons:
        name = f"{view.name[:32]}_gate"
        node = Gate(id=name, reasons=reasons, shows=view.earlier, body=node)
        modifiers.append(Modifier("gate", reasons))
    return Modified(node, tuple(modifiers))


def _validator_reasons(
    frame: GoalFrame, node: Node, protocol: Protocol, risk: Level
) -> tuple[str, ...]:
    reasons = []
    if risk.rank > protocol.risk_max.rank:
        reasons.append(_too_risky(protocol, risk))
    if frame.success_criteria:
        reasons.append("success criteria are given")
    if frame.requires_multi_agent and sum(isinstance(step, Call) for step in _all(node)) == 1:
        reasons.append("more than one agent is wanted")
    return tuple(reasons)


def _gate_reasons(protocol: Protocol, risk: Level, verdict: PolicyVerdict) -> tuple[str, ...]:
    reasons = []
    if risk.rank > protocol.risk_max.rank:
        reasons.append(_too_risky(protocol, risk))
    if verdict.require_approval:
        reasons.append(verdict.reason)
    return tuple(reasons)


def _too_risky(protocol: Protocol, risk: Level) -> str:
    return f"risk {risk} is above {protocol.risk_max}, the limit of {protocol.id}"


def _has_validator(node: Node) -> bool:
    return any(isinstance(step, Judge) and step.role == "validate" for step in _all(node))


def has_judge(node: Node) -> bool:
    return any(isinstance(step, Judge) for step in _all(node))


def calls_in(node: Node) -> tuple[Call, ...]:
    return tuple(step for step in _all(node) if isinstance(step, Call))


def _own_gate(node: Node) -> Gate | None:
    return next((step for step in _all(node) if isinstance(step, Gate)), None)


def _all(node: Node) -> list[Node]:
    nodes = [node]
    for child in node.children():
        nodes += _all(child)
    return nodes


def _with_reasons(node: Node, reasons: tuple[str, ...]) -> Node:
    if isinstance(node, Gate):
        return node.model_copy(update={"reasons": reasons})
    if isinstance(node, Sequence):
        steps = tuple(_with_reasons(step, reasons) for step in node.steps)
        return node.model_copy(update={"steps": steps})
    return node


def _with_feedback(node: Node) -> Node:
    """Let every call of a part that is repeated see what the validator said."""
    change: dict[str, object] = {}
    match node:
        case Call() if "{feedback}" not in node.prompt:
            change = {"prompt": f"{node.prompt}\n\n{{feedback}}"}
        case Sequence():
            change = {"steps": tuple(map(_with_feedback, node.steps))}
        case Parallel():
            change = {"branches": tuple(map(_with_feedback, node.branches))}
        case Loop() | Gate():
            change = {"body": _with_feedback(node.body)}
        case _:
            return node
    return node.model_copy(update=change)
