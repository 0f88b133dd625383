"""A finished run's plan walked again over what its calls brought: nobody is asked, nothing is written.

What every call came to is recorded; whatever the walk makes of it (which way it goes, what it joins,
what it says in the end) is made anew and held against what the run made of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from weft.catalog import Capability
from weft.checkpoint import Run
from weft.core import NO_USAGE, Authority, JsonObject, Message, Path, Principal, Result, Usage
from weft.core.edge_errors import NotReplayableError
from weft.core.errors import ForbiddenError, WeftError
from weft.core.protocol_errors import PeerAwayError, PeerUnavailableError
from weft.events import Envelope, Event
from weft.loop import NOT_BY_ITSELF, Difference, Task, difference_in
from weft.models import MODEL_ERRORS
from weft.plan.interpreter import Interpreter
from weft.plan.model import Call, Plan
from weft.plan.peers import PickedPeer, Target
from weft.plan.walk import StepPatience
from weft.report import read_or_failed
from weft.runs import PLAN_STEP, LocalJournal, RoutedRequest

__all__ = ["PlanReplay", "RecordedRun", "replayed"]

Describe = Callable[[str, Principal], Capability | None]
_NOT_ITS_OWN_END = NOT_BY_ITSELF - {error.code for error in MODEL_ERRORS}
"""Of a run: that a model was silent is recorded with its step."""
_AT_ONCE = StepPatience(retry_seconds=0.0, restart_seconds=0.0)


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run that has ended, with all that was written down of it."""

    run: Run
    steps: Mapping[Path, JsonObject]
    log: Sequence[Envelope]

    def plan(self) -> Plan:
        """Return the plan it had.

        Raises:
            NotReplayableError: It ended without one, or not by what its calls brought.
        """
        run, stored = self.run, self.steps.get(PLAN_STEP)
        code = str((run.error or {}).get("code"))
        if run.status not in {"completed", "failed"} or code in _NOT_ITS_OWN_END:
            why = run.status if run.status != "failed" else code
            raise NotReplayableError(f"only what ended by itself can be replayed; the run is {why}")
        plan = None if stored is None else stored.get("plan")
        if not isinstance(plan, dict):
            raise NotReplayableError(
                "the run ended before it had a plan: there is nothing to replay"
            )
        return Plan.from_json(plan)


@dataclass(frozen=True, slots=True)
class PlanReplay:
    """What came of walking a run's plan again."""

    difference: Difference | None
    tasks: Mapping[Path, Task]
    """What its recorded calls would be asked now."""


async def replayed(
    recorded: RecordedRun,
    *,
    history: tuple[Message, ...] = (),
    describe: Describe | None = None,
) -> PlanReplay:
    """Walk the run's plan again, with what was said on its thread before.

    `describe` says of a capability what is known of it now; None knows none.

    Raises:
        NotReplayableError: There is nothing to replay.
    """
    plan, events = recorded.plan(), list[Event]()
    steps, tasks = _NotedSteps(recorded.steps, plan.root.id), dict[Path, Task]()
    interpreter = Interpreter(
        _RecordedPeers(plan, recorded.log, describe or _unknown),
        _RecordedJournal(recorded.run, steps, events.append),
        approvals=True,
        pace=_AT_ONCE,
    )
    spent = _spent_on_reading(recorded.steps)
    outcome = await interpreter.run(
        plan,
        _untimed(recorded.run).spent(spent, calls=spent.model_calls),
        metadata=RoutedRequest.of(recorded.run).metadata,
        history=history,
        on_adopted=lambda task: tasks.update({task.path: task}),
    )
    result = read_or_failed(outcome.result.spent_before(spent))
    log, run = recorded.log, recorded.run
    differences = (*_of_events(events, log), *_of_steps(steps), *_of_result(run, result))
    return PlanReplay(next(iter(differences), None), tasks)


def _unknown(capability: str, principal: Principal) -> Capability | None:
    del capability, principal
    return None


def _untimed(run: Run) -> Authority:
    """Return what the run might do, with all the time it wants: its own is over."""
    authority = run.authority()
    budget = authority.budget.model_copy(update={"seconds": None})
    return replace(authority, budget=budget, deadline=None)


def _spent_on_reading(steps: Mapping[Path, JsonObject]) -> Usage:
    """Return what a model used to read the request, before there was a plan."""
    spent = steps.get(PLAN_STEP, {}).get("spent")
    return NO_USAGE if spent is None else Usage.model_validate(spent)


class _NotedSteps(dict[Path, JsonObject]):
    """The recorded steps, and which of them the walk looked up."""

    def __init__(self, steps: Mapping[Path, JsonObject], root: str) -> None:
        """`root` is the plan's: what stands elsewhere was done before there was a plan."""
        super().__init__(steps)
        self._root = root
        self.seen: set[Path] = set()

    def get(self, path: Path, default: object = None) -> JsonObject | None:  # type: ignore[override]
        self.seen.add(path)
        return super().get(path, default)  # type: ignore[arg-type]

    def unseen(self) -> Iterator[Path]:
        """Yield the calls that were made and are not asked for any more, in the order they ended."""
        for path in self:
            inside = any(self._ended(path[:length]) for length in range(1, len(path)))
            if path[:1] == (self._root,) and path not in self.seen and not inside:
                yield path

    def _ended(self, path: Path) -> bool:
        """Tell whether a call was asked for whose own uses and attempts stand below it."""
        return path in self.seen and (path in self or (*path, "~1") in self)


class _RecordedJournal(LocalJournal):
    """Knows every step of the run, and keeps nothing of what is said now."""

    def __init__(self, run: Run, steps: _NotedSteps, tell: Callable[[Event], None]) -> None:
        super().__init__(run_id=run.run_id, thread_id=run.thread_id, tell=tell)
        self._steps = steps


@dataclass(slots=True)
class _RecordedPeers:
    """Nobody is there: a call without a recorded outcome fails as it failed then."""

    plan: Plan
    log: Sequence[Envelope]
    describes: Describe
    _failures: dict[str, list[JsonObject]] = field(init=False)
    """By the target's name, in order."""

    def __post_init__(self) -> None:
        targets = {
            path: Target(node.capability, node.peer, node.role).name
            for path, node in self.plan.nodes()
            if isinstance(node, Call)
        }
        self._failures = {}
        for event in self.log:
            reasons = event.data.get("reasons")
            if event.type == "plan.step.failed" and isinstance(reasons, list) and reasons:
                name = targets.get(tuple(part.partition("#")[0] for part in event.path), "")
                reason = reasons[0]
                if isinstance(reason, dict):
                    self._failures.setdefault(name, []).append(reason)

    def pick(self, target: Target, principal: Principal) -> PickedPeer:
        del principal
        waiting = self._failures.get(target.name)
        raise _as_then(waiting.pop(0) if waiting else {}, target)

    def describe(self, capability: str, principal: Principal) -> Capability | None:
        return self.describes(capability, principal)

    def bound(self, target: Target) -> bool:
        del target
        return True


def _as_then(reason: JsonObject, target: Target) -> WeftError:
    message = str(reason.get("message") or f"nothing is recorded of a call of {target.name!r}")
    error: WeftError
    match reason.get("code"):
        case PeerAwayError.code:
            error = PeerAwayError([str(reason.get("peer") or target.name)], 0.0)
        case ForbiddenError.code:
            error = ForbiddenError(f"agents:{target.name}")
        case _:
            error = PeerUnavailableError(message)
    error.args = (message,)
    return error


def _of_events(events: Sequence[Event], log: Sequence[Envelope]) -> Iterator[Difference]:
    """Yield what the walk tells now and the log does not."""
    for event in events:
        then = [entry for entry in log if (entry.type, entry.path) == (event.type, event.path)]
        now = _codes(event.data.to_json())
        if not any(_codes(entry.data) == now for entry in then):
            before = "; ".join(_codes(entry.data) for entry in then) or "nothing of it"
            yield Difference(
                path=event.path,
                event=event.type,
                what="the log has",
                recorded=before,
                replayed=now or event.type,
            )


def _of_steps(steps: _NotedSteps) -> Iterator[Difference]:
    for path in steps.unseen():
        yield Difference(
            path=path,
            event="plan.step.finished",
            what="the call",
            recorded="made",
            replayed="not made",
        )


def _of_result(run: Run, result: Result) -> Iterator[Difference]:
    then = Result.model_validate(run.result)
    difference = difference_in(then, result, event=f"run.{run.status}")
    if difference is not None:
        yield difference


def _codes(data: JsonObject) -> str:
    reasons = data.get("reasons")
    listed = reasons if isinstance(reasons, list) else []
    return ", ".join(str(reason.get("code")) for reason in listed if isinstance(reason, dict))
