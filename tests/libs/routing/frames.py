"""Frames and catalogues that routing tests share."""

from weft.catalog import Capability
from weft.core import JsonValue
from weft.plan import Node, Plan
from weft.routing import CapabilityIndex, CognitiveCompiler, GoalFrame, GoalRequest, PolicyGate


def capability(name: str, **fields: object) -> Capability:
    known = {"id": name, "effects": "none", "providers": [f"{name.partition('.')[0]}-peer"]}
    return Capability.model_validate({**known, **fields})


ONE = capability("log.analyze")
FOUR = tuple(capability(f"{name}.analyze") for name in ("code", "log", "metric", "trace"))
RISKY = capability("db.restart", risk="high", effects="unknown")


def frame(goal: str, **fields: object) -> GoalFrame:
    return GoalFrame.model_validate({"primary_goal": goal, **fields})


def compiler(*capabilities: Capability, policy: PolicyGate | None = None) -> CognitiveCompiler:
    return CognitiveCompiler(CapabilityIndex(capabilities), policy=policy)


def plan_for(wanted: GoalFrame, *capabilities: Capability, **request: JsonValue) -> Plan:
    asked = GoalRequest(**{"goal": "do it", **request})  # type: ignore[arg-type]
    return compiler(*(capabilities or (ONE,))).compile(wanted, asked)


def kinds(plan: Plan) -> list[str]:
    return [node.kind for _, node in plan.nodes()]


def only(plan: Plan, kind: str) -> Node:
    [found] = [node for _, node in plan.nodes() if node.kind == kind]
    return found
