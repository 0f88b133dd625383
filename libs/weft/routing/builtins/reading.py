"""Built-in protocols that mostly read: an answer, a fan-out, a debate, a chain, a delegation."""

from weft.plan import (
    AnyOf,
    Call,
    Case,
    Choose,
    DataEquals,
    Judge,
    Negated,
    Node,
    Parallel,
    Sequence,
)
from weft.routing.builtins.steps import asking, call, chain, fan_out, work
from weft.routing.frame import GoalFrame, Level, TaskType
from weft.routing.protocols import DELEGATE, Protocol, View

POSITION = {
    "type": "object",
    "properties": {
        "position": {"type": "string"},
        "abstained": {"type": "boolean"},
    },
    "required": ["position", "abstained"],
}


def _respond(frame: GoalFrame, view: View) -> Node:
    return work(frame, view, view.name, "answer", asking(view))


def _fan_out(frame: GoalFrame, view: View) -> Node:
    return fan_out(frame, view, view.name, asking(view))


def _debate(frame: GoalFrame, view: View) -> Node:
    sides = Parallel(
        id="sides",
        branches=tuple(
            call(view, name, "argue", asking(view, stance), grants=view.grants).model_copy(
                update={"output_schema": POSITION}
            )
            for name, stance in (
                ("a", "Argue for it, or for the first of the things compared."),
                ("b", "Argue against it, or for the second of the things compared."),
            )
        ),
    )
    abstained = [DataEquals(data=side, pointer="/abstained", equals=True) for side in "ab"]
    heard_both = Negated.model_validate({"not": AnyOf.model_validate({"any": abstained})})
    ruling = Judge(
        id="ruling",
        of="sides",
        role="judge",
        criteria=frame.success_criteria,
        choices=("a", "b", "inconclusive"),
    )
    heard = Choose(
        id="judgement",
        title="A ruling, for which both sides must argue",
        cases=(Case(when=heard_both, then=ruling),),
    )
    return Sequence(id=view.name, steps=(sides, heard))


def _chain(_: GoalFrame, view: View) -> Node:
    linked = chain(view, view.name, asking(view))
    steps = tuple(step.model_copy(update={"context": "thread"}) for step in linked.steps)
    return linked.model_copy(update={"steps": steps})


def _delegate(_: GoalFrame, view: View) -> Node:
    return Call(
        id=view.name,
        peer=view.delegate,
        prompt=asking(view),
        risk=Level.MEDIUM.value,
        context="thread" if view.memory else "none",
    )


DIRECT_RESPONSE = Protocol(
    id="direct_response",
    description="One peer answers.",
    handles=frozenset({TaskType.ANSWER, TaskType.EXPLAIN, TaskType.RESEARCH}),
    primary_for=frozenset({TaskType.ANSWER, TaskType.EXPLAIN}),
    risk_max=Level.LOW,
    cost=Level.LOW,
    latency=Level.LOW,
    build=_respond,
)
SPECIALIST_FANOUT = Protocol(
    id="specialist_fanout",
    description="Specialists look at the same time; their findings are joined.",
    handles=frozenset(
        {
            TaskType.DIAGNOSE, TaskType.MONITOR, TaskType.RESEARCH,
            TaskType.COMPARE, TaskType.COORDINATE,
        }
    ),
    primary_for=frozenset({TaskType.DIAGNOSE, TaskType.MONITOR, TaskType.RESEARCH}),
    min_capabilities=1,
    cost=Level.HIGH,
    latency=Level.HIGH,
    build=_fan_out,
)  # fmt: skip
DEBATE = Protocol(
    id="debate",
    description="Two sides argue, a judge decides.",
    handles=frozenset({TaskType.COMPARE, TaskType.RESEARCH}),
    primary_for=frozenset({TaskType.COMPARE}),
    risk_max=Level.LOW,
    cost=Level.HIGH,
    latency=Level.HIGH,
    build=_debate,
)
A2A_DELEGATE = Protocol(
    id="a2a_delegate",
    description="An agent outside does all of it.",
    handles=frozenset({TaskType.COORDINATE, TaskType.ESCALATE}),
    primary_for=frozenset({TaskType.COORDINATE}),
    requires_capabilities=frozenset({DELEGATE}),
    latency=Level.HIGH,
    build=_delegate,
)
HANDOFF_CHAIN = Protocol(
    id="handoff_chain",
    description="Specialists work one after the other, each on all that came before.",
    handles=frozenset({TaskType.COORDINATE, TaskType.PLAN, TaskType.RESEARCH}),
    primary_for=frozenset({TaskType.COORDINATE}),
    min_capabilities=1,
    build=_chain,
)
