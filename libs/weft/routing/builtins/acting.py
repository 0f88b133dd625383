"""Built-in protocols that carry something out: planned, coded and tested, or approved first."""

from collections.abc import Sequence as Many

from weft.plan import (
    AnyOf,
    Call,
    Case,
    Choose,
    DataEquals,
    Gate,
    Judge,
    Loop,
    Node,
    Sequence,
    Synthesize,
    ToolEquals,
    verdict_is,
)
from weft.routing.builtins.steps import CHECK, asking, call, repeated, using, work
from weft.routing.frame import GoalFrame, Level, TaskType
from weft.routing.protocols import Protocol, View

CODE_PASSES = 4
UNTESTED = "tested: false"
OWN_GATE = "acts only once its proposal is approved"
_FEEDBACK = "{feedback}"
_DOCUMENT = "Complete the planned document. Carry out nothing."


def _planned(frame: GoalFrame, view: View) -> Node:
    plan = call(view, "outline", "plan", asking(view, "Plan the steps. Carry out nothing."))
    return Sequence(id=view.name, steps=(plan, _executed(frame, view, "outline")))


def _gated(frame: GoalFrame, view: View) -> Node:
    prompt = asking(view, "Propose what to do, and what it may affect. Carry out nothing.")
    # Whoever will act knows what it can do, and what that would change.
    proposal: Call = (
        call(view, "proposal", "plan", prompt)
        if view.proposer is None
        else using(view, "proposal", view.proposer, prompt)
    )
    gate = Gate(
        id="approval",
        reasons=(OWN_GATE,),
        shows=(*view.earlier, "proposal"),
        body=_executed(frame, view, "proposal"),
    )
    return Sequence(id=view.name, steps=(proposal, gate))


def _executed(frame: GoalFrame, view: View, plan: str) -> Node:
    if view.code_loop:
        return _coded(frame, view, "work", plan)
    todo = _DOCUMENT if view.goal is TaskType.PLAN else "Carry out this plan:"
    prompt = asking(view, f"{todo}{{step.{plan}}}\n{_FEEDBACK}")
    return repeated(frame, view, "work", work(frame, view, "execution", "execute", prompt))


def _codegen(frame: GoalFrame, view: View) -> Node:
    return _coded(frame, view, view.name)


def _coded(frame: GoalFrame, view: View, name: str, plan: str | None = None) -> Node:
    """Return coding and testing in turns; only a recorded pass counts, words do not."""
    given = f"Write the code by this plan:{{step.{plan}}}" if plan else "Write the code."
    code = call(view, "code", "code", asking(view, f"{given}\n{_FEEDBACK}"), grants=view.grants)
    review = Judge(id=CHECK, of="code", criteria=frame.success_criteria)
    steps: Many[Node] = (code, review)
    if view.tests:
        prompt = asking(view, "Run the tests on this code and report `passed` as data:{step.code}")
        test = call(view, "test", "test", prompt)
        steps = (code, test, _reviewed(_passed(view), review, "test"))
    elif view.test_tool is not None:
        steps = (code, _reviewed(_passed(view), review, "code"))
    return Loop(
        id=name,
        body=Sequence(id=f"{name[:32]}_pass", steps=tuple(steps)),
        until=verdict_is(CHECK, "pass", "abstain"),
        max=CODE_PASSES,
        notes=() if view.tests or view.test_tool else (UNTESTED,),
    )


def _passed(view: View) -> AnyOf:
    conditions: list[DataEquals | ToolEquals] = []
    if view.tests:
        conditions.append(DataEquals(data="test", pointer="/passed", equals=True))
    if view.test_tool is not None:
        conditions.append(
            ToolEquals(tool=view.test_tool, at="code", pointer="/passed", equals=True)
        )
    return AnyOf.model_validate({"any": conditions})


def _reviewed(passed: AnyOf, review: Judge, tested: str) -> Choose:
    return Choose(
        id="review",
        cases=(Case(when=passed, then=review),),
        default=Synthesize(id="failure", of=(tested,)),
    )


PLAN_EXECUTE_VALIDATE = Protocol(
    id="plan_execute_validate",
    description="A plan is made, carried out, and validated.",
    handles=frozenset(
        {
            TaskType.PLAN, TaskType.BUILD, TaskType.MODIFY,
            TaskType.GENERATE_CODE, TaskType.REMEDIATE,
        }
    ),
    primary_for=frozenset({TaskType.PLAN, TaskType.BUILD, TaskType.MODIFY}),
    build=_planned,
)  # fmt: skip
CODEGEN_TEST_VALIDATE = Protocol(
    id="codegen_test_validate",
    description="Code is written and tested until a recorded test passes.",
    handles=frozenset({TaskType.GENERATE_CODE, TaskType.BUILD}),
    primary_for=frozenset({TaskType.GENERATE_CODE}),
    latency=Level.HIGH,
    build=_codegen,
)
APPROVAL_GATED_EXECUTION = Protocol(
    id="approval_gated_execution",
    description="A proposal is approved by a person, then carried out and validated.",
    handles=frozenset({TaskType.REMEDIATE, TaskType.ESCALATE, TaskType.MODIFY}),
    primary_for=frozenset({TaskType.REMEDIATE, TaskType.ESCALATE}),
    risk_max=Level.HIGH,
    build=_gated,
)
