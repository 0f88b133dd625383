"""Branches at the same time, and the ways their results are joined."""

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial

from weft.checkpoint import StepWrite
from weft.core import NO_USAGE, JsonObject, Result, Usage
from weft.core.errors import FencedError
from weft.plan.budgets import Purse, reserve
from weft.plan.contested import contested
from weft.plan.joins import (
    CANCELED,
    FIRST,
    EndedBranches,
    LaterPass,
    branches_of,
    joined,
    needed,
)
from weft.plan.model import Node, Parallel
from weft.plan.prose import worded
from weft.plan.walk import At, Scope, Walk


async def run_parallel(walk: Walk, node: Node, at: At) -> Result:
    if not isinstance(node, Parallel):
        raise TypeError(f"not parallel: {node.kind}")
    stored = walk.journal.steps.get(at.path)
    if stored is not None:
        return _restored(walk, node, at, stored)
    ended = await _raced(walk, node, at)
    result = joined(ended)
    *outer, name = at.path
    for number in range(2, 2 + node.replans):
        dispute = contested(node, branches_of(ended), result) if result.ok else None
        if dispute is None:
            break
        path = (*outer, f"{name}#{number}")
        here = replace(at, path=path, feedback=dispute.question, iteration=number)
        again = await _raced(walk, dispute.node, here)
        ended = replace(ended, passes=(*ended.passes, LaterPass(again, dispute.findings)))
        result = joined(ended)
    return await _recorded(walk, node, at, await worded(walk, node, at, result))


async def _raced(walk: Walk, node: Parallel, at: At) -> EndedBranches:
    race = _Race(walk, node, at)
    results = await race.run()
    for scope in race.scopes:
        at.scope.adopt(scope, node.id)
    return EndedBranches(
        node,
        at.path,
        walk.plan.goal,
        tuple(results),
        tuple(race.done),
        race.scopes,
        stopped=race.stopped,
    )


@dataclass(slots=True)
class _Race:
    """The branches of one node while they run."""

    walk: Walk
    node: Parallel
    at: At
    scopes: list[Scope] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    """Completed branches in the order they ended."""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    decided: bool = False
    stopped: Usage = NO_USAGE
    """What branches took that were stopped."""
    gone: set[int] = field(default_factory=set)
    """Branches that ended, or never began; none of them is active any more."""

    async def run(self) -> list[Result]:
        node, walk = self.node, self.walk
        count = len(node.branches)
        self.results = [CANCELED] * count
        self.scopes = [Scope(self.at.scope) for _ in node.branches]
        purse = reserve(self.at.purse) if node.join == "synthesize" else self.at.purse
        purse.open_for(count)
        await walk.last_step.settle()
        slots = asyncio.Semaphore(node.max_parallel)
        walk.last_step.fork(count)
        try:
            async with asyncio.TaskGroup() as group:
                for index in range(count):
                    task = group.create_task(self._branch(index, purse, slots))
                    task.add_done_callback(partial(self._leave, index))
                    self.tasks.append(task)
        except BaseExceptionGroup as errors:
            raise _first_of(errors) from None
        finally:
            walk.last_step.join()
        return self.results

    def _leave(self, index: int, _: asyncio.Task[None] | None = None) -> None:
        if index not in self.gone:
            self.gone.add(index)
            self.walk.last_step.leave()

    async def _branch(self, index: int, purse: Purse, slots: asyncio.Semaphore) -> None:
        async with slots:
            share = purse.share()
            here = replace(self.at, scope=self.scopes[index], purse=share)
            try:
                result = await self.walk.run(self.node.branches[index], here)
            except asyncio.CancelledError:
                self.stopped += share.spent
                raise
            finally:
                purse.give_back(share)
        # Now, not once the loop says so: the last branch would not know that it is the last.
        self._leave(index)
        self.results[index] = result
        if result.ok:
            self.done.append(index)
        if not self.decided and self._is_decided():
            self.decided = True
            self._cancel_others(index)

    def _is_decided(self) -> bool:
        node = self.node
        if node.join in FIRST:
            return len(self.done) >= needed(self.node) or self._left() < needed(self.node)
        failed = sum(result.status == "failed" for result in self.results)
        return node.fail_fast and failed > node.tolerate

    def _left(self) -> int:
        """How many branches have completed or still may."""
        return sum(result.ok or result is CANCELED for result in self.results)

    def _cancel_others(self, index: int) -> None:
        for other, task in enumerate(self.tasks):
            if other != index and not task.done():
                task.cancel()


def _first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that ended the branches: a lost claim before anything else."""
    leaves = [
        _first_of(error) if isinstance(error, BaseExceptionGroup) else error
        for error in errors.exceptions
    ]
    return next((error for error in leaves if isinstance(error, FencedError)), leaves[0])


def _restored(walk: Walk, node: Parallel, at: At, stored: JsonObject) -> Result:
    """Return the recorded outcome, and make the steps behind it visible again."""
    depth = len(at.path)
    behind: set[str] = set()
    for path, outcome in walk.journal.steps.items():
        inside = len(path) > depth and path[:depth] == at.path
        if inside and path[-1][0] not in "~?" and "peer" in outcome:
            author = str(outcome.get("peer") or "")
            behind.add(author)
            at.scope.nested[path[-1]] = Result.model_validate(outcome)
            at.scope.authors.setdefault(path[-1], frozenset({author}))
            walk.outcomes.end(path, "done")
    at.scope.authors[node.id] = frozenset(behind)
    result = Result.model_validate(stored)
    at.purse.spend(result.usage)
    return result


async def _recorded(walk: Walk, node: Parallel, at: At, result: Result) -> Result:
    """Keep an outcome that a second walk of the plan might not find again."""
    if not result.ok or not (node.join in FIRST or result.partial):
        return result
    outcome = result.model_dump(mode="json", exclude_defaults=True)
    stored = await walk.last_step.keep(StepWrite(at.path, outcome))
    return result if stored is outcome else Result.model_validate(stored)
