"""What a call was granted, as tools of whoever answers it: one for each capability.

Using one is a step of the run below the call: picked, attempted, recorded, asked about and stopped
as any other, so that a crash costs nothing and nobody is asked twice.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

from weft.catalog import Capability, RiskLevel
from weft.core import Interrupt, JsonValue, Path, Result, coverage_in, earliest, name_digest
from weft.loop import SubagentFailedError
from weft.plan.budgets import Purse
from weft.plan.calls.call import PeerCall
from weft.plan.model import Call
from weft.plan.peers import Target
from weft.plan.walk import At, Scope, Walk
from weft.tools import READ, InterruptRaised, Tool, ToolContext, tool

Perform = Callable[[Walk, PeerCall, At], Awaitable[Result]]

USE_SECONDS = 3600.0
"""No limit of its own: the run's deadline ends it."""
_LOOPS_OWN = frozenset(
    {"submit", "done", "finish", "complete", "task_complete", "ask_user", "read_result"}
)
_OTHER = re.compile(r"[^A-Za-z0-9_-]+")
_STEP = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LONGEST = 60


def granted(walk: Walk, node: Call, at: At, *, perform: Perform) -> tuple[Tool, ...]:
    """Return a tool for each capability that `node` grants; `perform` makes the step of a use."""
    return tuple(
        _tool(walk, at, name, capability, perform)
        for name, capability in zip(tool_names(node.grants), node.grants, strict=True)
    )


def tool_names(capabilities: tuple[str, ...]) -> tuple[str, ...]:
    """Return a name for each that a model can call; none of them has a meaning to the loop."""
    taken: dict[str, None] = {}
    for capability in capabilities:
        base = _OTHER.sub("_", capability).strip("_")[:_LONGEST] or "skill"
        base = f"{base}_skill" if base in _LOOPS_OWN else base
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken[name] = None
    return tuple(taken)


def _tool(walk: Walk, at: At, name: str, capability: str, perform: Perform) -> Tool:
    offered = walk.peers.describe(capability, walk.authority.principal)
    skill = offered or Capability(id=capability)

    async def use(task: str, context: ToolContext) -> JsonValue:
        step = context.tool_call_id
        step = step if _STEP.fullmatch(step) else name_digest(step)
        path = (*at.path, step)
        call = _call(walk, capability, path, task, skill.risk)
        # What a use spends goes up with what its caller reports; that it is a call, here.
        purse = Purse(context.budget.within(at.purse.left()))
        at.purse.count(1)
        here = replace(
            at,
            path=path,
            purse=purse,
            scope=Scope(at.scope),
            deadline=earliest(at.deadline, context.deadline),
        )
        # The call that uses it is under way: what this brings is made durable before it goes on.
        walk.last_step.fork(2)
        try:
            result = await perform(walk, call, here)
        finally:
            walk.last_step.leave()
        at.purse.count(max(purse.calls - purse.spent.model_calls - 1, 0))
        context.spend(result.usage)
        return _answer(result, capability, at.path)

    return replace(
        _use,
        name=name,
        description=skill.description or f"Lets whoever offers {capability} do a part of the work.",
        fn=use,
        labels=frozenset({READ if skill.effects == "none" else "write"}),
        tags=frozenset(tag for tag in skill.tags if ":" not in tag),
        examples=skill.examples,
        timeout=USE_SECONDS,
        resumes=True,
    )


@tool
async def _use(task: str, context: ToolContext) -> JsonValue:
    """Let another agent do a part of the work.

    Args:
        task: What to do, in words, with everything needed to understand it.
        context: The call that may use it.
    """
    raise NotImplementedError


def _call(walk: Walk, capability: str, path: Path, task: str, risk: RiskLevel) -> PeerCall:
    domain = str((walk.plan.frame or {}).get("domain", "general"))
    return PeerCall(
        kind="call",
        path=path,
        target=Target(capability=capability, domain=domain),
        prompt=task,
        risk=risk,
    )


def _answer(result: Result, capability: str, above: Path) -> JsonValue:
    if result.interrupts:
        raise InterruptRaised(_below(result.interrupts[0], above))
    if not result.ok:
        why = "; ".join(reason.message for reason in result.reasons)
        raise SubagentFailedError(f"{capability}: {why or result.status}")
    coverage = coverage_in(result)
    if not result.claims and not coverage and result.data is None:
        return result.text
    answer: dict[str, JsonValue] = {"text": result.text}
    if coverage:
        # Whoever asks is told what was read, and what was not.
        answer["coverage"] = coverage[0].to_json()
    if coverage[1:]:
        answer["more_coverage"] = [source.to_json() for source in coverage[1:]]
    if result.claims:
        answer["claims"] = [claim.to_json() for claim in result.claims]
    if result.data is not None:
        answer["data"] = result.data
    return answer


def _below(interrupt: Interrupt, above: Path) -> Interrupt:
    """Return the question with its place below the call, which places it in the run again."""
    return interrupt.model_copy(update={"path": interrupt.path[len(above) :]})
