"""Plans of all kinds over peers of all sorts, walked on a loop whose time passes at once."""

import asyncio
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from weft.catalog import Capability
from weft.core import (
    NO_USAGE,
    Authority,
    Budget,
    Clock,
    Interrupt,
    JsonObject,
    JsonValue,
    Path,
    Principal,
    Result,
    Usage,
)
from weft.events import Event
from weft.loop import Task
from weft.plan import (
    Call,
    Case,
    Choose,
    Gate,
    Interpreter,
    Judge,
    Loop,
    Node,
    Parallel,
    PickedPeer,
    Plan,
    Sequence,
    StepPatience,
    Synthesize,
    Target,
    VerdictIs,
    price,
    verdict_is,
)
from weft.runs import LocalJournal

T = TypeVar("T")
MODEL_CALL = 7
"""Tokens of one model call."""
MOMENT = 1e-6
PEERS = (
    "good", "greedy", "failing", "refusing", "slow", "deaf", "away", "broken", "liar", "shy",
    "good", "good", "good", "good", "greedy",
)  # fmt: skip


class QuickLoop(asyncio.SelectorEventLoop):
    """A loop on which nothing is waited for: time jumps to what is due next."""

    def __init__(self) -> None:
        self.passed = 1000.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.passed


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: QuickLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not events and timeout is None:
            raise AssertionError("everybody waits, and nothing is due")
        if not events and timeout:
            self._loop.passed += timeout
        return events


class LoopClock(Clock):
    """The time of a quick loop."""

    def __init__(self, loop: QuickLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        return self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()


@dataclass
class Told:
    """One task as its peer was given it, and what the peer reported of it."""

    peer: str
    path: Path
    budget: Budget
    began: float
    remaining: float | None
    usage: Usage = NO_USAGE
    ended: float | None = None
    """None of one that was stopped, or broke."""
    reached: bool = True
    """Whether somebody took the task."""


@dataclass
class Crowd:
    """Peers that do as their names say; `log` is what they were asked, in order."""

    random: Random
    loop: QuickLoop
    log: list[Told] = field(default_factory=list)

    def pick(self, target: Target, principal: Principal) -> PickedPeer:
        del principal
        name = target.capability or target.peer or self.random.choice(PEERS)
        return PickedPeer(Member(name, self), effects="none")

    def describe(self, capability: str, principal: Principal) -> Capability | None:
        del principal
        return Capability(id=capability, effects="none")

    def bound(self, target: Target) -> bool:
        return target.peer is None


@dataclass
class Member:
    """One peer."""

    name: str
    crowd: Crowd

    def start(self, task: Task) -> "MemberRun":
        return MemberRun(self, task)


@dataclass
class MemberRun:
    """A task at work, stopped slowly by who is deaf."""

    member: Member
    task: Task

    async def __aiter__(self) -> AsyncIterator[Event]:
        told: tuple[Event, ...] = ()
        for event in told:
            yield event

    def __await__(self) -> Generator[object, None, Result]:
        return self._result().__await__()

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        del reason
        if self.member.name == "deaf":
            await asyncio.sleep(grace_s * 40)
        if self.member.name == "broken":
            raise RuntimeError("it cannot be stopped")
        return {"outcome": "canceled"}

    async def _result(self) -> Result:
        crowd, random = self.member.crowd, self.member.crowd.random
        authority, now = self.task.authority, crowd.loop.time()
        left = (
            None
            if authority.deadline is None
            else authority.deadline.remaining(LoopClock(crowd.loop))
        )
        told = Told(self.member.name, self.task.path, authority.budget, now, left)
        crowd.log.append(told)
        result = await self._answered(random, authority.budget)
        told.reached = not (result.reasons and result.reasons[0].code == "peer_unavailable")
        told.usage, told.ended = result.usage, crowd.loop.time()
        return result

    async def _answered(self, random: Random, budget: Budget) -> Result:
        await asyncio.sleep(random.choice((0.0, 0.0, 0.3, 2.0)))
        match self.member.name:
            case "away":
                return Result.failed("peer_unavailable", "nobody is there", retryable=True)
            case "broken" if random.random() < 0.5:
                raise RuntimeError("a bug of somebody else")
            case "slow" | "deaf":
                await asyncio.sleep(random.choice((1.0, 30.0, 1000.0)))
            case _:
                pass
        usage = self._usage(random, budget)
        if self.member.name == "failing" or (
            self.member.name == "refusing" and random.random() < 0.7
        ):
            again = self.member.name == "refusing"
            failed = Result.failed("queue_full" if again else "peer_failed", "no", retryable=again)
            return failed.model_copy(update={"usage": usage})
        return Result(status="completed", text="it is so", data=self._data(random), usage=usage)

    def _data(self, random: Random) -> JsonObject:
        if self.member.name == "shy":
            return {"choice": "abstain", "abstained": True}
        return {
            "choice": random.choice(("pass", "fail", "fail", "abstain", "maybe")),
            "abstained": False,
        }

    def _usage(self, random: Random, budget: Budget) -> Usage:
        """Return what it says it spent: at most what it was given, and the call under way then."""
        calls = random.randint(0, 3)
        if self.member.name == "greedy" and budget.tokens is not None:
            calls = budget.tokens // MODEL_CALL + 1
        elif budget.tokens is not None:
            calls = min(calls, budget.tokens // MODEL_CALL + 1)
        if self.member.name == "liar":
            return Usage(total_tokens=10_000, model_calls=50, cost_usd=9.0, unknown=True)
        spent = 0.01 * calls
        return Usage(total_tokens=calls * MODEL_CALL, model_calls=calls, cost_usd=spent)


@dataclass
class Maker:
    """Makes plans: every kind of node, limits here and there, ids that no other node has."""

    random: Random
    count: int = 0

    def plan(self) -> Plan:
        root = self.node(self.random.randint(1, 4))
        return Plan(id="p", goal="g", root=root, budget=self._budget(0.5))

    def node(self, depth: int) -> Node:
        kinds: list[Callable[[int], Node]] = [self._call]
        if depth > 0:
            kinds = [
                self._sequence, self._parallel, self._loop, self._gate, self._judged,
                self._joined, self._chosen,
            ]  # fmt: skip
        return self.random.choice(kinds)(depth - 1)

    def _call(self, depth: int) -> Call:
        own: JsonObject = {
            "capability": self.random.choice(PEERS),
            "retries": self.random.randint(0, 2),
        }
        return Call.model_validate({**self._common("call", depth), **own})

    def _sequence(self, depth: int) -> Sequence:
        return Sequence.model_validate(
            {**self._common("sequence", depth), "steps": self._several(depth)}
        )

    def _parallel(self, depth: int) -> Parallel:
        branches = self._several(depth)
        join = self.random.choice(("all", "any", "quorum", "concatenate", "last", "synthesize"))
        return Parallel.model_validate(
            {
                **self._common("parallel", depth),
                "branches": branches,
                "join": join,
                "quorum": self.random.randint(1, len(branches)) if join == "quorum" else None,
                "tolerate": self.random.randint(0, len(branches)),
                "fail_fast": self._chance(0.3),
                "max_parallel": self.random.randint(1, 4),
                "synthesize": "model" if self._chance(0.3) else "rules",
                "replans": self.random.randint(0, 2) if join == "synthesize" else 0,
            }
        )

    def _loop(self, depth: int) -> Loop:
        body, until = self.node(depth), None
        if self._chance(0.6):
            judged = self._judged(depth)
            body, until = judged, verdict_is(judged.steps[-1].id, "pass", "abstain")
        ending = self.random.choice(("fail", "return"))
        own = {
            "body": body,
            "until": until,
            "max": self.random.randint(1, 3),
            "on_exhausted": ending,
        }
        return Loop.model_validate({**self._common("loop", depth), **own})

    def _gate(self, depth: int) -> Gate:
        return Gate.model_validate(
            {**self._common("gate", depth), "reasons": ("risky",), "body": self.node(depth)}
        )

    def _judged(self, depth: int) -> Sequence:
        work = self.node(depth)
        role = self.random.choice(("judge", "validate"))
        judge = Judge.model_validate({**self._common("judge", 0), "of": work.id, "role": role})
        return Sequence.model_validate({**self._common("sequence", 0), "steps": (work, judge)})

    def _joined(self, depth: int) -> Sequence:
        works = self._several(depth)
        report = Synthesize.model_validate(
            {**self._common("synthesize", 0), "of": tuple(work.id for work in works)}
        )
        return Sequence.model_validate({**self._common("sequence", 0), "steps": (*works, report)})

    def _chosen(self, depth: int) -> Sequence:
        judged = self._judged(depth)
        when = VerdictIs.model_validate({"verdict": judged.steps[-1].id, "is": "pass"})
        choose = Choose.model_validate(
            {
                **self._common("choose", 0),
                "cases": (Case(when=when, then=self.node(depth)),),
                "default": self.node(depth) if self._chance(0.5) else None,
            }
        )
        return Sequence.model_validate({**self._common("sequence", 0), "steps": (judged, choose)})

    def _several(self, depth: int) -> tuple[Node, ...]:
        return tuple(self.node(depth) for _ in range(self.random.randint(1, 3)))

    def _common(self, kind: str, depth: int) -> dict[str, object]:
        self.count += 1
        return {
            "kind": kind,
            "id": f"n{self.count}",
            "budget": self._budget(0.12),
            "timeout": self.random.choice((0.5, 3.0, 20.0)) if self._chance(0.25) else None,
            "on_failure": "absorb" if self._chance(0.5) else "fail",
            "fallback": self.node(0) if depth > 0 and self._chance(0.15) else None,
        }

    def _budget(self, chance: float) -> Budget | None:
        if not self._chance(chance):
            return None
        random = self.random
        limits = {
            "tokens": random.choice((0, 5, 40, 40, 400, 4000)),
            "cost_usd": random.choice((0.0, 0.02, 0.5)),
            "calls": random.choice((0, 1, 3, 8, 30, 100)),
            "seconds": random.choice((0.0, 0.4, 5.0, 60.0, 900.0)),
            "hops": random.choice((0, 1, 4, 8)),
        }
        return Budget.model_validate({n: v for n, v in limits.items() if self._chance(0.3)})

    def _chance(self, of: float) -> bool:
        return self.random.random() < of


@dataclass(frozen=True)
class Walked:
    """One plan carried out, and what it took."""

    seed: int
    plan: Plan
    result: Result
    crowd: Crowd
    seconds: float


def walked(seed: int) -> Walked:
    """Make the plan of `seed`, and carry it out by a crowd of the same seed."""
    random = Random(seed)  # noqa: S311 - a test's
    plan = Maker(random).plan()
    plan = Plan.from_json(plan.to_json())
    loop = QuickLoop()
    crowd = Crowd(random, loop)

    async def approved(question: Interrupt) -> bool:
        del question
        return random.random() < 0.8

    async def carried_out() -> Result:
        interpreter = Interpreter(
            crowd,
            LocalJournal(),
            approvals=approved,
            clock=LoopClock(loop),
            pace=StepPatience(0.2, random.choice((0.0, 20.0))),
        )
        return (await interpreter.run(plan, Authority())).result

    began = loop.time()
    try:
        result = _finished(loop, carried_out())
        return Walked(seed, plan, result, crowd, loop.time() - began)
    finally:
        loop.close()


def _finished(loop: QuickLoop, work: Coroutine[object, object, T]) -> T:
    return loop.run_until_complete(work)


def check(walk: Walked) -> None:
    """Hold what was done to the plan's price and to each of its limits."""
    try:
        _check(walk)
    except AssertionError as error:
        raise AssertionError(f"the plan of seed {walk.seed}") from error


def _check(walk: Walked) -> None:
    bound, crowd = price(walk.plan), walk.crowd
    calls = sum(told.reached for told in crowd.log)
    assert bound.calls == "unbounded" or calls <= bound.calls
    assert bound.seconds == "unbounded" or walk.seconds <= bound.seconds + MOMENT
    assert bound.tokens == "unbounded" or not crowd.log
    assert walk.result.status in {"completed", "failed"}
    assert walk.result.ok or walk.result.reasons
    reported = sum(told.usage.total_tokens for told in crowd.log)
    assert walk.result.usage.total_tokens == reported
    nodes = dict(walk.plan.nodes())
    for told in crowd.log:
        hops = [_root_budget(walk.plan).hops]
        for inside, limit, node in _around(nodes, told.path, walk.plan):
            spent = [
                other for other in crowd.log
                if other.ended is not None and other.reached and other.ended < told.began - MOMENT
                and _plain(other.path[: len(inside)]) == inside
            ]  # fmt: skip
            _within(told, limit, spent)
            hops.append(limit.hops)
            if node is not None and node.timeout is not None:
                assert told.remaining is not None
                assert told.remaining <= node.timeout + MOMENT
        least = min((limit for limit in hops if limit is not None), default=None)
        assert told.budget.hops == (None if least is None else least - 1)
    _honest(walk, nodes)


def _within(told: Told, limit: Budget, spent: list[Told]) -> None:
    """Hold what a call was handed to what was left when it began."""
    tokens = sum(other.usage.total_tokens for other in spent)
    cost = sum(other.usage.cost_usd or 0.0 for other in spent)
    calls = sum(1 + other.usage.model_calls for other in spent)
    for most, gone, handed in (
        (limit.tokens, tokens, told.budget.tokens),
        (limit.cost_usd, cost, told.budget.cost_usd),
        (limit.calls, calls, told.budget.calls),
    ):
        if most is not None:
            assert gone < most
            assert handed is not None
            assert handed <= most - gone + MOMENT
    if limit.seconds is not None:
        assert told.remaining is not None
        assert told.remaining <= limit.seconds + MOMENT


def _honest(walk: Walked, nodes: Mapping[Path, Node]) -> None:
    """Where nobody lies, a node overspends by at most a model call of each of its branches."""
    if any(told.peer == "liar" for told in walk.crowd.log):
        return
    places: list[tuple[Path, Budget | None, Node]] = [((), walk.plan.budget, walk.plan.root)]
    places += [(path, node.budget, node) for path, node in nodes.items()]
    for path, budget, node in places:
        if budget is None or budget.tokens is None:
            continue
        instances: dict[Path, int] = {}
        for told in walk.crowd.log:
            inside = told.path[: len(path)]
            if _without_passes(inside) == path:
                place = _plain(inside)
                instances[place] = instances.get(place, 0) + told.usage.total_tokens
        for total in instances.values():
            assert total < budget.tokens + MODEL_CALL * _width(node) or total == 0


def _around(
    nodes: Mapping[Path, Node], path: Path, plan: Plan
) -> Iterator[tuple[Path, Budget, Node | None]]:
    """Yield each limit around a call, with where what counts for it stands."""
    if plan.budget is not None:
        yield (), plan.budget, None
    for length in range(1, len(path) + 1):
        node = nodes.get(_without_passes(path[:length]))
        if node is not None:
            yield _plain(path[:length]), node.budget or Budget(), node


def _root_budget(plan: Plan) -> Budget:
    return plan.budget or Budget()


def _plain(path: Path) -> Path:
    """Return where a node stands: its own passes are all within its one budget."""
    return (*path[:-1], path[-1].partition("#")[0]) if path else path


def _without_passes(path: Path) -> Path:
    return tuple(name.partition("#")[0] for name in path)


def _width(node: Node) -> int:
    """Return how many calls below a node may be under way at once."""
    below = [_width(child) for child in node.children()]
    if node.fallback is not None:
        below.append(_width(node.fallback))
    return sum(below) if isinstance(node, Parallel) else max([1, *below])
