"""A finished run's plan walked again over what its calls brought: nobody is asked, nothing is written.

What every call came to is recorded; whatever the walk makes of it (which way it goes, what it joins,
what it says in the end) is made anew and held against what the run made of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from weft.catalog import Capability
from weft.checkpoint import Run
from weft.core import NO_USAGE, JsonObject, JsonValue, Path, Principal, Result, Usage, dumps
from weft.core.errors import ConfigError, ForbiddenError, WeftError
from weft.core.protocol_errors import PeerAwayError, PeerUnavailableError
from weft.events import Envelope, Event
from weft.plan.interpreter import Interpreter
from weft.plan.model import Call, Plan
from weft.plan.peers import PickedPeer, Target
from weft.plan.walk import StepPatience
from weft.report import read_or_failed
from weft.runs import PLAN_STEP, LocalJournal, RoutedRequest

__all__ = ["Difference", "RecordedRun", "replayed"]

_BY_THE_CLOCK = frozenset(
    {"deadline_exceeded", "budget_exhausted", "internal", "owner_lost", "poison"}
)
"""Why a run failed that would not fail so again, or not for what its calls brought."""
_AT_ONCE = StepPatience(retry_seconds=0.0, restart_seconds=0.0)
LONGEST = 120


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that is otherwise than it was."""

    path: Path
    event: str
    """The type of the event that tells of it."""
    what: str
    recorded: str
    replayed: str


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run that has ended, with all that was written down of it."""

    run: Run
    steps: Mapping[Path, JsonObject]
    log: Sequence[Envelope]

    def plan(self) -> Plan:
        """Return the plan it had.

        Raises:
            ConfigError: It ended without one, or not by what its calls brought.
        """
        run, stored = self.run, self.steps.get(PLAN_STEP)
        code = str((run.error or {}).get("code"))
        if run.status not in {"completed", "failed"} or code in _BY_THE_CLOCK:
            why = run.status if run.status != "failed" else code
            raise ConfigError(f"only what ended by itself can be replayed; the run is {why}")
        plan = None if stored is None else stored.get("plan")
        if not isinstance(plan, dict):
            raise ConfigError("the run ended before it had a plan: there is nothing to replay")
        return Plan.from_json(plan)


async def replayed(recorded: RecordedRun) -> Difference | None:
    """Walk the run's plan again and return the first difference; None where it comes out the same.

    Raises:
        ConfigError: There is nothing to replay.
    """
    plan, events = recorded.plan(), list[Event]()
    steps = _NotedSteps(recorded.steps)
    interpreter = Interpreter(
        _RecordedPeers(plan, recorded.log),
        _RecordedJournal(steps, events.append),
        approvals=True,
        pace=_AT_ONCE,
    )
    metadata = RoutedRequest.of(recorded.run).metadata
    spent = _spent_on_reading(recorded.steps)
    authority = recorded.run.authority().spent(spent, calls=spent.model_calls)
    outcome = await interpreter.run(plan, authority, metadata=metadata)
    result = read_or_failed(outcome.result.spent_before(spent))
    log, run = recorded.log, recorded.run
    differences = (*_of_events(events, log), *_of_steps(steps), *_of_result(run, result))
    return next(iter(differences), None)


def _spent_on_reading(steps: Mapping[Path, JsonObject]) -> Usage:
    """Return what a model used to read the request, before there was a plan."""
    spent = steps.get(PLAN_STEP, {}).get("spent")
    return NO_USAGE if spent is None else Usage.model_validate(spent)


class _NotedSteps(dict[Path, JsonObject]):
    """The recorded steps, and which of them the walk looked up."""

    def __init__(self, steps: Mapping[Path, JsonObject]) -> None:
        super().__init__(steps)
        self.seen: set[Path] = set()

    def get(self, path: Path, default: object = None) -> JsonObject | None:  # type: ignore[override]
        self.seen.add(path)
        return super().get(path, default)  # type: ignore[arg-type]

    def unseen(self) -> Iterator[Path]:
        """Yield the calls that were made and are not asked for any more, in the order they ended."""
        for path in self:
            inside = any(self._ended(path[:length]) for length in range(1, len(path)))
            if path and path[0] != "interrupt" and path not in self.seen and not inside:
                yield path

    def _ended(self, path: Path) -> bool:
        """Tell whether a call was asked for whose own uses and attempts stand below it."""
        return path in self.seen and (path in self or (*path, "~1") in self)


class _RecordedJournal(LocalJournal):
    """Knows every step of the run, and keeps nothing of what is said now."""

    def __init__(self, steps: _NotedSteps, tell: Callable[[Event], None]) -> None:
        super().__init__(tell=tell)
        self._steps = steps


@dataclass(slots=True)
class _RecordedPeers:
    """Nobody is there: a call without a recorded outcome fails as it failed then."""

    plan: Plan
    log: Sequence[Envelope]
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
        del capability, principal
        return None

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
            yield Difference(event.path, event.type, "the log has", before, now or event.type)


def _of_steps(steps: _NotedSteps) -> Iterator[Difference]:
    for path in steps.unseen():
        yield Difference(path, "plan.step.finished", "the call", "made", "not made")


def _of_result(run: Run, result: Result) -> Iterator[Difference]:
    then, now = Result.model_validate(run.result).to_json(), result.to_json()
    for name in then:
        if then[name] != now.get(name):
            before, after = _first_difference(then[name], now.get(name))
            yield Difference((), f"run.{run.status}", name, before, after)


def _first_difference(then: JsonValue, now: JsonValue) -> tuple[str, str]:
    """Return what stands where two values first differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name in sorted({*then, *now}):
            if then.get(name) != now.get(name):
                before, after = _first_difference(then.get(name), now.get(name))
                return f"{name}: {before}", f"{name}: {after}"
    if isinstance(then, list) and isinstance(now, list):
        for one, other in zip(then, now, strict=False):
            if one != other:
                return _first_difference(one, other)
        return f"{len(then)} entries", f"{len(now)} entries"
    if isinstance(then, str) and isinstance(now, str):
        pairs = zip((*then.split("\n"), ""), (*now.split("\n"), ""), strict=False)
        then, now = next(((one, other) for one, other in pairs if one != other), (then, now))
    return _short(then), _short(now)


def _short(value: JsonValue) -> str:
    text = value if isinstance(value, str) else dumps(value).decode()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _codes(data: JsonObject) -> str:
    reasons = data.get("reasons")
    listed = reasons if isinstance(reasons, list) else []
    return ", ".join(str(reason.get("code")) for reason in listed if isinstance(reason, dict))
