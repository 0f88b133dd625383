"""What the steps of one run share: plan, journal, peers, and what is open."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from weft.core import (
    SYSTEM_CLOCK,
    Authority,
    Clock,
    Deadline,
    Interrupt,
    JsonObject,
    Message,
    Path,
    Reason,
    Result,
    earliest,
)
from weft.events import Event
from weft.loop import PeerRun, Task
from weft.plan.budgets import Purse
from weft.plan.events import StepEnd, StepFailed
from weft.plan.last_step import LastStep
from weft.plan.model import Node, Plan
from weft.plan.outcomes import CallOutcomes
from weft.plan.peers import PeerSource
from weft.runs import Journal

MOST_AWAY, LONGEST_NAME = 16, 200
_TOLD_HERE = frozenset({"sequence", "parallel", "gate", "choose"})
"""Kinds of which a failure is told here; a loop tells it of its last pass, and calls of themselves."""


@dataclass(frozen=True, slots=True)
class StepPatience:
    """How patient the steps of a plan are."""

    retry_seconds: float = 0.2
    """Before a step's second attempt; it doubles before each further one."""
    restart_seconds: float = 20.0
    """For a peer that is gone: a restart takes less."""


@dataclass(frozen=True, slots=True)
class PlanCancel:
    """Why a walk shall end, and what calls in flight get to end in."""

    reason: str = ""
    grace_s: float = 5.0


@dataclass(slots=True)
class Scope:
    """Which steps have ended, as seen from one place of the tree."""

    outer: "Scope | None" = None
    own: dict[str, Result] = field(default_factory=dict)
    nested: dict[str, Result] = field(default_factory=dict)
    authors: dict[str, frozenset[str]] = field(default_factory=dict)
    """The peers behind each step."""

    def find(self, step: str) -> Result | None:
        scope: Scope | None = self
        while scope is not None:
            result = scope.own.get(step) or scope.nested.get(step)
            if result is not None:
                return result
            scope = scope.outer
        return None

    def peers_of(self, step: str) -> frozenset[str]:
        scope: Scope | None = self
        while scope is not None:
            if step in scope.authors:
                return scope.authors[step]
            scope = scope.outer
        return frozenset()

    def adopt(self, inner: "Scope", node: str) -> None:
        """Make what ended inside `node` visible here, below this scope's own steps."""
        behind = self.authors.get(node, frozenset())
        self.authors[node] = behind.union(*inner.authors.values())
        self.nested.update(inner.nested)
        self.nested.update(inner.own)
        for step, names in inner.authors.items():
            self.authors.setdefault(step, names)


@dataclass(frozen=True, slots=True)
class At:
    """Where a node runs, and what it sees."""

    path: Path
    """Of the node that contains it; inside a handler, its own."""
    purse: Purse
    scope: Scope
    deadline: Deadline | None = None
    input: Result | None = None
    input_step: str = ""
    """The id of the step that `input` is the result of."""
    feedback: Result | None = None
    iteration: int = 1
    approval: JsonObject | None = None

    def inside(self, scope: Scope) -> "At":
        return replace(self, scope=scope)


Handler = Callable[["Walk", Node, At], Awaitable[Result]]


@dataclass(slots=True)
class Walk:
    """One walk over one plan."""

    plan: Plan
    journal: Journal
    peers: PeerSource
    authority: Authority
    """As the run holds it; each place of the tree has limits of its own inside these."""
    handlers: Mapping[str, Handler]
    predicates: Mapping[str, Callable[[Scope], bool]]
    approvals: bool = False
    """Whether a gate may park the run; without a store it refuses."""
    on_approval: Callable[[Interrupt], Awaitable[bool]] | None = None
    """Asked in place of parking."""
    metadata: JsonObject = field(default_factory=dict)
    """What peers are told beside their prompts."""
    history: tuple[Message, ...] = ()
    """Earlier turns of the thread."""
    clock: Clock = SYSTEM_CLOCK
    pace: StepPatience = field(default_factory=StepPatience)
    last_step: LastStep = field(init=False)
    open: dict[Path, PeerRun] = field(default_factory=dict)
    """The peers at work."""
    canceling: PlanCancel | None = None
    """Set once no further step may begin."""
    outcomes: CallOutcomes = field(init=False)
    on_adopted: Callable[[Task], None] | None = None
    """Hears what the peer of a step would be asked whose outcome is recorded."""
    models_away: JsonObject = field(default_factory=dict)
    """Why models gave no answer, by name: what follows does not wait for them again."""

    def __post_init__(self) -> None:
        self.last_step = LastStep(self.journal)
        self.outcomes = CallOutcomes(self.plan)

    async def run(self, node: Node, at: At) -> Result:
        """Run `node` below `at`, and make its result visible to what follows."""
        here = self._at(node, at)
        result = await self.handlers[node.kind](self, node, here)
        if result.status == "failed" and node.kind in _TOLD_HERE:
            self.tell_failure(node.kind, here.path, result)
        if result.status == "failed" and node.fallback is not None and not self.canceling:
            spare = await self.run(node.fallback, here)
            result = spare.model_copy(update={"usage": result.usage + spare.usage})
        if result.status == "failed" and node.on_failure == "absorb":
            result = Result(
                status="skipped", reasons=result.reasons, usage=result.usage, partial=True
            )
        if result.ok and node.notes:
            notes = tuple(Reason(code="note", message=note, path=here.path) for note in node.notes)
            result = result.model_copy(update={"reasons": (*result.reasons, *notes)})
        at.scope.own[node.id] = result
        return result

    def tell_failure(self, kind: str, path: Path, result: Result) -> None:
        """Say that a node failed, whose steps may all have completed: nobody else would tell."""
        data = StepEnd(kind=kind, reasons=result.reasons[:1], usage=result.usage)
        self.last_step.tell(StepFailed(path=path, data=data))

    def hear(self, event: Event) -> None:
        """Take what a peer tells, which is placed already."""
        if event.type == "agent.model.retry" and len(self.models_away) < MOST_AWAY:
            retry = event.data.to_json()
            if retry.get("instead"):
                self.models_away[str(retry.get("model"))[:LONGEST_NAME]] = retry.get("why")
        self.journal.emit(event)

    def refusal(self, at: At) -> Reason | None:
        """Return why no step may start here, or None."""
        if self.canceling:
            return Reason(code="canceled", message="the run is being cancelled")
        if at.deadline is not None and at.deadline.remaining(self.clock) <= 0:
            return Reason(code="deadline_exceeded", message="the time is over")
        if at.purse.limit.hops == 0:
            return Reason(code="depth_exceeded", message="no hop is left")
        spent = at.purse.left().exhausted()
        if spent is not None:
            why = f"nothing left of {spent}: {at.purse.words}"
            return Reason(code="budget_exhausted", message=why)
        return None

    def _at(self, node: Node, at: At) -> At:
        purse, deadline = at.purse.child(node.budget), at.deadline
        if node.timeout is not None:
            deadline = earliest(deadline, Deadline.after(node.timeout, self.clock))
        if node.budget is not None and node.budget.seconds is not None:
            deadline = earliest(deadline, Deadline.after(node.budget.seconds, self.clock))
        # Spelled out: this is done for every node, and `replace` costs five times as much.
        return At(
            (*at.path, node.id),
            purse,
            at.scope,
            deadline,
            at.input,
            at.input_step,
            at.feedback,
            at.iteration,
            at.approval,
        )
