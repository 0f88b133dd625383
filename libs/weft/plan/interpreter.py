"""Runs any plan over any peers: the one place that walks the tree."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from weft.checkpoint import StepWrite
from weft.core import (
    NO_USAGE,
    SYSTEM_CLOCK,
    Authority,
    Clock,
    Interrupt,
    JsonObject,
    Message,
    Reason,
    Result,
    Usage,
)
from weft.loop import Task
from weft.plan.budgets import Purse
from weft.plan.calls import run_call
from weft.plan.conditions import predicate_names
from weft.plan.flow import run_choose, run_loop, run_sequence
from weft.plan.gate import run_gate
from weft.plan.judging import run_judge, run_synthesize
from weft.plan.model import Call, Choose, Loop, Plan
from weft.plan.parallel import run_parallel
from weft.plan.peers import PeerSource, Target
from weft.plan.prose import are_words
from weft.plan.walk import At, Handler, PlanCancel, Scope, StepPatience, Walk
from weft.runs import Journal

HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        "call": run_call,
        "sequence": run_sequence,
        "parallel": run_parallel,
        "loop": run_loop,
        "gate": run_gate,
        "judge": run_judge,
        "synthesize": run_synthesize,
        "choose": run_choose,
    }
)
EXHAUSTED = "budget_exhausted"
_BESIDE_BUDGET = frozenset({EXHAUSTED, "fan_out_failed", "note"})
"""Codes of what fails for want of budget alone."""
HOPS_SECONDS = 0.5
"""What eight hops may keep of a run's time for their own answers."""
Approver = Callable[[Interrupt], Awaitable[bool]]
PredicateOf = Callable[[Scope], bool]


@dataclass(frozen=True, slots=True)
class PlanOutcome:
    """What a plan came to, with what belongs into the commit that ends its run."""

    result: Result
    unrecorded: tuple[StepWrite, ...] = ()
    """Finished steps that nothing has been built on yet; never any when the run parks."""
    report: JsonObject | None = None
    """What became of each call."""


class Interpreter:
    """Walks one run's plan; a second walk over the same journal skips what is done."""

    def __init__(
        self,
        peers: PeerSource,
        journal: Journal,
        *,
        predicates: Mapping[str, PredicateOf] | None = None,
        approvals: bool | Approver | None = None,
        clock: Clock = SYSTEM_CLOCK,
        pace: StepPatience | None = None,
    ) -> None:
        """`approvals` lets gates park, or asks in place; None lets them with a durable journal."""
        self._peers = peers
        self._journal = journal
        self._predicates = dict(predicates or {})
        self._parks = journal.held is not None if approvals is None else approvals is True
        self._on_approval = approvals if callable(approvals) else None
        self._clock = clock
        self._pace = pace or StepPatience()
        self._walk: Walk | None = None
        self._purse: Purse | None = None

    async def run(
        self,
        plan: Plan,
        authority: Authority | None = None,
        *,
        metadata: JsonObject | None = None,
        history: tuple[Message, ...] = (),
        spent: Usage = NO_USAGE,
        on_adopted: Callable[[Task], None] | None = None,
    ) -> PlanOutcome:
        """Carry `plan` out and return what it came to; a failure is a result too.

        `spent` was taken from the budget before, and is none of what the result says was used.
        `on_adopted` hears what the peers of recorded steps would be asked.

        Cancelling the task tells every open peer and then re-raises; `report` says what became of
        the calls.

        Raises:
            FencedError: Another owner has the run.
        """
        walk = self._open(plan, authority or Authority())
        walk.metadata, walk.history, walk.on_adopted = metadata or {}, history, on_adopted
        unbound = self._unbound(plan)
        if unbound is not None:
            return PlanOutcome(Result(status="failed", reasons=(unbound,)))
        limited = walk.authority.narrowed(budget=plan.budget).begun(self._clock)
        purse = self._purse = Purse(limited.budget, spent=spent, calls=spent.model_calls)
        at = At((), purse, Scope(), limited.deadline)
        result = await walk.run(plan.root, at)
        if result.status == "interrupted":
            await walk.last_step.settle()
        # What has no event of its own was joined from steps that are all here: it is not needed.
        unrecorded = tuple(write for write in walk.last_step.held_back if write.events)
        return PlanOutcome(_final(walk, result, purse), unrecorded, self.report)

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> None:
        """Start no further step and tell every open peer to stop; `run` then returns."""
        walk = self._walk
        if walk is None:
            return
        walk.canceling = PlanCancel(reason, grace_s)
        async with asyncio.TaskGroup() as group:
            for run in list(walk.open.values()):
                group.create_task(_stop(run.cancel(reason, grace_s=grace_s)))

    @property
    def report(self) -> JsonObject:
        """What became of each call (done, failed, canceled, unknown or not_started), and of effects."""
        if self._walk is None:
            return {"peers": [], "effects": []}
        return self._walk.outcomes.report()

    @property
    def spent(self) -> Usage:
        """What was spent so far, before the plan and by it."""
        return NO_USAGE if self._purse is None else self._purse.spent

    def _open(self, plan: Plan, authority: Authority) -> Walk:
        self._walk = Walk(
            plan=plan,
            journal=self._journal,
            peers=self._peers,
            authority=authority,
            handlers=HANDLERS,
            predicates=self._predicates,
            approvals=self._parks,
            on_approval=self._on_approval,
            clock=self._clock,
            pace=self._pace,
        )
        return self._walk

    def _unbound(self, plan: Plan) -> Reason | None:
        for path, node in plan.nodes():
            names: list[str] = []
            if isinstance(node, Call) and node.peer is not None:
                bound = self._peers.bound(Target(node.capability, node.peer, node.role))
                names = [] if bound else [node.peer]
            elif isinstance(node, Loop) and node.until is not None:
                names = list(predicate_names(node.until))
            elif isinstance(node, Choose):
                names = [name for case in node.cases for name in predicate_names(case.when)]
            missing = [name for name in names if name not in self._predicates]
            if missing:
                message = f"nothing is bound to {', '.join(map(repr, missing))}"
                return Reason(code="unbound_name", message=message, path=path)
        return None


async def _stop(stopping: Awaitable[object]) -> None:
    try:
        await stopping
    except Exception:  # noqa: BLE001 - one peer that cannot be told must not keep the others running
        return


def _final(walk: Walk, result: Result, purse: Purse) -> Result:
    """Say what the walk as a whole came to: nothing done is no success."""
    if walk.canceling and result.status != "completed":
        return result.model_copy(update={"status": "canceled"})
    if _lacked_budget(walk, result, purse):
        why = f"the run's budget does not suffice: {purse.words}"
        over = Reason(code=EXHAUSTED, message=why)
        reasons = (over, *result.reasons)
        return result.model_copy(update={"status": "failed", "reasons": reasons})
    deadline = walk.authority.deadline
    if result.status == "failed" and deadline is not None:
        if deadline.remaining(walk.clock) <= _margin(result):
            late = Reason(code="deadline_exceeded", message="the run's time is over")
            result = result.model_copy(update={"reasons": (late, *result.reasons)})
    elif result.status == "skipped" or (result.ok and not _did_something(walk, result)):
        nothing = Reason(code="peer_failed", message="no step brought an answer")
        reasons = result.reasons or (nothing,)
        result = result.model_copy(update={"status": "failed", "reasons": reasons})
    return result


def _lacked_budget(walk: Walk, result: Result, purse: Purse) -> bool:
    """Tell whether work was left undone for want of budget, and the run has no other reason to fail.

    A fan-out bears a branch that spent its share; not that nothing is left for anybody. A report
    without a model's words is whole: rules have said everything.
    """
    codes = {reason.code for reason in result.reasons}
    if EXHAUSTED not in codes:
        return False
    if result.ok:
        steps = {path for path, _ in walk.plan.nodes()}
        lacking = [reason for reason in result.reasons if reason.code == EXHAUSTED]
        if all(are_words(reason.path, steps) for reason in lacking):
            return False
        return purse.left().exhausted() is not None
    said = result.reasons[0].code == EXHAUSTED
    return result.status == "failed" and codes <= _BESIDE_BUDGET and not said


def _margin(result: Result) -> float:
    """Return how much time the run may have left and be over: a peer's ends a little before it."""
    ended = any(reason.code == "deadline_exceeded" for reason in result.reasons)
    return HOPS_SECONDS if ended else 0.0


def _did_something(walk: Walk, result: Result) -> bool:
    """Tell whether a call completed, and whether anything can be shown for it."""
    shown = not result.blank or bool(result.artifacts or result.claims)
    return shown and walk.outcomes.any_done
