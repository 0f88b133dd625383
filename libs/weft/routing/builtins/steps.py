"""The steps that built-in protocols are made of."""

import re

from weft.catalog import Capability
from weft.plan import Call, Judge, Loop, Node, Parallel, Sequence, verdict_is
from weft.routing.frame import GoalFrame
from weft.routing.protocols import View

CHECK = "check"
_OTHER = re.compile(r"[^a-z0-9_]+")
LONGEST_ID = 40


def asking(view: View, instruction: str = "") -> str:
    """Return a prompt: the goal, what is to be done about it, and what earlier parts found."""
    parts = ["{goal}"]
    if instruction:
        parts.append(instruction)
    if view.earlier:
        parts.append("Known so far:" + "".join(f"{{step.{goal}}}" for goal in view.earlier))
    return "\n\n".join(parts)


def call(view: View, name: str, role: str, prompt: str, *, grants: tuple[str, ...] = ()) -> Call:
    """Return a call of whoever plays `role`; what plays it itself is no tool for it."""
    return Call(
        id=name,
        role=role,
        prompt=prompt,
        grants=tuple(grant for grant in grants if role not in view.roles.get(grant, ())),
        context="thread" if view.memory else "none",
    )


def using(view: View, name: str, capability: Capability, prompt: str) -> Call:
    """Return a call of one capability, which is granted nothing else."""
    return Call(
        id=name,
        capability=capability.id,
        prompt=prompt,
        risk=capability.risk,
        context="thread" if view.memory else "none",
    )


def work(frame: GoalFrame, view: View, name: str, role: str, prompt: str) -> Node:
    """Return the working call of a part, or one per required capability in its place.

    Several run at once with a synthesis when the part reads, one after the other when it acts.
    """
    required = view.required
    if not required:
        node = call(view, name, role, prompt, grants=view.grants)
        return node.model_copy(update={"risk": frame.risk.value if view.goal.acts else "low"})
    if len(required) == 1:
        granted = tuple(grant for grant in view.grants if grant != required[0].id)
        return using(view, name, required[0], prompt).model_copy(update={"grants": granted})
    names = ids_of(view.working)
    if view.goal.acts:
        return Sequence(id=name, steps=_chain(view, names, prompt))
    return fan_out(frame, view, name, prompt)


def fan_out(frame: GoalFrame, view: View, name: str, prompt: str) -> Parallel:
    """Return every working capability at once, joined by a report that tolerates losses."""
    capabilities = view.working
    branches = tuple(
        using(view, node_id, capability, prompt)
        for node_id, capability in zip(ids_of(capabilities), capabilities, strict=True)
    )
    return Parallel(
        id=name,
        branches=branches,
        join="synthesize",
        tolerate=max(len(branches) - 1, 0),
        synthesize="model" if view.explained else "rules",
        replans=frame.repairs,
    )


def chain(view: View, name: str, prompt: str) -> Sequence:
    """Return the working capabilities one after the other, each seeing all that came before."""
    return Sequence(id=name, steps=_chain(view, ids_of(view.working), prompt))


def _chain(view: View, names: tuple[str, ...], prompt: str) -> tuple[Node, ...]:
    capabilities = view.working
    steps = []
    for index, (name, capability) in enumerate(zip(names, capabilities, strict=True)):
        before = "".join(f"{{step.{earlier}}}" for earlier in names[:index])
        whole = f"{prompt}\n\nDone before you:{before}" if before else prompt
        steps.append(using(view, name, capability, whole))
    return tuple(steps)


def repeated(frame: GoalFrame, view: View, name: str, body: Node) -> Loop:
    """Return `body` with a validator behind it, repeated with its feedback until it passes."""
    judge = Judge(id=CHECK, of=body.id, criteria=frame.success_criteria)
    return Loop(
        id=name,
        body=Sequence(id=f"{name[:32]}_pass", steps=(body, judge)),
        until=verdict_is(CHECK, "pass", "abstain"),
        max=1 + frame.repairs,
        title=f"{view.goal}, validated",
    )


def ids_of(capabilities: tuple[Capability, ...]) -> tuple[str, ...]:
    """Return a node id for each capability, unique among them and equal for equal input."""
    taken: dict[str, None] = {}
    for capability in capabilities:
        base = _OTHER.sub("_", capability.id.lower()).strip("_")[:LONGEST_ID] or "step"
        base = base if base[0].isalpha() else f"c_{base}"[:LONGEST_ID]
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base[: LONGEST_ID - 4]}_{number}"
        taken[name] = None
    return tuple(taken)
