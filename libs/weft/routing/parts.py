"""One goal's part: what it may use, what its protocol sees, and what to know of its peers."""

from collections.abc import Sequence as Many
from dataclasses import dataclass

from weft.catalog import Capability
from weft.core import ROUTER
from weft.plan import Node
from weft.routing.capabilities import (
    CapabilityIndex,
    Eligible,
    by_overlap,
    is_harmless,
    tested_with,
)
from weft.routing.frame import GoalFrame, Level, TaskType, highest
from weft.routing.modifiers import Modifier, calls_in, has_judge
from weft.routing.operators import proposer_of
from weft.routing.protocols import DELEGATE, View
from weft.routing.reach import concerned
from weft.routing.routed import GoalRequest, RoutedPart
from weft.routing.select import Offered

MAX_WORKING = 8
BUILT_IN = frozenset({ROUTER})
"""Who plays a role that no card offers."""


@dataclass(frozen=True, slots=True)
class GoalPart:
    """One goal with what it may use."""

    goal: TaskType
    risk: Level
    required: tuple[Capability, ...]
    eligible: Eligible
    refused: tuple[str, ...] = ()
    """Required ones that no part may use: all only read, and these may change something."""


def part_of(
    index: CapabilityIndex,
    frame: GoalFrame,
    goal: TaskType,
    goals: Many[TaskType],
    required: tuple[Capability, ...],
) -> GoalPart:
    """Share out required and eligible capabilities, and find the risk that they bring."""
    mixed = len({task_type.acts for task_type in goals}) > 1
    refused: tuple[str, ...] = ()
    if mixed:
        required = tuple(
            capability for capability in required if is_harmless(capability) is not goal.acts
        )
    elif not goal.acts:
        refused = tuple(capability.id for capability in required if not is_harmless(capability))
    ids = [capability.id for capability in required]
    eligible = index.eligible(frame, goal, ids)
    usable = eligible.capabilities if mixed and not goal.acts else required
    risk = highest(*(Level(capability.risk) for capability in usable))
    if goal.acts or not mixed:
        risk = highest(frame.risk, risk)
    return GoalPart(goal, risk, required, eligible, refused)


def offered_to(index: CapabilityIndex, part: GoalPart, request: GoalRequest) -> Offered:
    """Return what selection may count on."""
    available = {*index.ids(), *index.roles()}
    if request.delegate is not None:
        available.add(DELEGATE)
    return Offered(len(part.eligible.capabilities), frozenset(available))


def view_of(
    index: CapabilityIndex,
    frame: GoalFrame,
    request: GoalRequest,
    part: GoalPart,
    earlier: tuple[str, ...],
    left_out: dict[str, str],
) -> View:
    """Return what the protocol builds from; capabilities beyond the nearest are left out."""
    fitting = concerned(part.eligible.capabilities, part.goal, request.goal)
    for capability in part.eligible.capabilities if not part.required else ():
        if capability not in fitting:
            left_out[capability.id] = "it says nothing of incidents, and the goal nothing of it"
    ranked = list(part.required) or by_overlap(fitting, request.goal)
    for capability in ranked[MAX_WORKING:]:
        left_out[capability.id] = f"{MAX_WORKING} others are nearer to the goal"
    tools = [capability for capability in index.for_role("test") if capability.tool_name]
    return View(
        goal=part.goal,
        name=part.goal.value,
        working=tuple(ranked[:MAX_WORKING]),
        required=part.required,
        grants=tuple(capability.id for capability in part.eligible.capabilities),
        roles={one.id: one.roles for one in part.eligible.capabilities if one.roles},
        earlier=earlier,
        proposer=proposer_of(index, part.required[0]) if len(part.required) == 1 else None,
        delegate=request.delegate,
        test_tool=tools[0].tool_name if tools else tested_with(index.for_role("code")),
        tests=any(capability.tool_name is None for capability in index.for_role("test")),
        code_loop=frame.requires_code_generation and part.goal is TaskType.BUILD,
        memory=frame.requires_memory or request.remembers,
        explained=request.explained,
    )


def used_by(part: RoutedPart, index: CapabilityIndex) -> frozenset[str]:
    """Return the ids of the capabilities that a part calls."""
    if part.node is None:
        return frozenset()
    names = [call.capability for call in calls_in(part.node) if call.capability]
    return frozenset(capability.id for capability in index.lookup(names).capabilities)


def notes_on(index: CapabilityIndex, node: Node, view: View) -> list[Modifier]:
    """Say what a reader of the plan should know of who does it."""
    notes = []
    authors: set[str] = set()
    for call in calls_in(node):
        authors |= _providers(index, call.capability, call.role)
        if call.role and not call.capability and not index.for_role(call.role):
            notes.append(Modifier("built_in", (f"no card offers role:{call.role}",)))
    if has_judge(node) and not _providers(index, None, "validate") - authors:
        notes.append(Modifier("self_review", ("nobody else offers to review",)))
    coding = view.goal is TaskType.GENERATE_CODE or view.code_loop
    if coding and not view.tests and view.test_tool is None:
        notes.append(Modifier("untested", ("tested: false; nobody offers role:test",)))
    return list(dict.fromkeys(notes))


def _providers(index: CapabilityIndex, capability: str | None, role: str | None) -> frozenset[str]:
    capabilities = (
        index.lookup([capability]).capabilities if capability else index.for_role(role or "")
    )
    return frozenset(name for provided in capabilities for name in provided.providers) or BUILT_IN
