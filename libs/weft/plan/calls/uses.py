"""What a peer elsewhere was granted: it asks for a use, which is made here, on its caller's behalf.

So it needs no key, address or budget of anybody else, and reaches nothing that it was not granted.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial

from weft.core import (
    NO_USAGE,
    Authority,
    Interrupt,
    JsonValue,
    Path,
    Result,
    ToolCall,
    Usage,
)
from weft.loop import Task
from weft.plan.walk import Walk
from weft.tools import CallLimits, InterruptRaised, ToolContext, ToolRegistry, call_by_name
from weft.tools.rendering import ResultLimit

MOST_ROUNDS = 64
_WISH = re.compile(r"[0-9a-f]{32}")
_WHOLE = CallLimits(result=ResultLimit(length=1 << 20))


@dataclass(slots=True)
class Uses:
    """The uses of one call's grants, and what they took: it is the call's, and none of its peer's."""

    walk: Walk
    path: Path
    _taken: dict[str, Usage] = field(default_factory=dict)
    """By the wish that a use was made for."""

    @classmethod
    def of(cls, walk: Walk, path: Path) -> "Uses":
        return cls(walk, path, _taken_before(walk, path))

    @property
    def spent(self) -> Usage:
        return sum(self._taken.values(), NO_USAGE)

    async def made(self, task: Task, follow: Callable[[Task], Awaitable[Result]]) -> Result:
        """Return the peer's end once it asks for no further use; `follow` hands it what uses brought.

        Each use, and the peer behind it, is left what the peer and the uses before it left.
        """
        result = await follow(replace(task, authority=self._left(task)))
        for _ in range(MOST_ROUNDS):
            wishes = [wish for wish in result.interrupts if wish.reason == "grant"]
            if not wishes:
                return result.model_copy(update={"usage": result.usage + self.spent})
            try:
                answers = {wish.id: await self._used(task, wish, result.usage) for wish in wishes}
            except InterruptRaised as raised:
                usage = result.usage + self.spent
                return Result(status="interrupted", interrupts=(raised.interrupt,), usage=usage)
            result = await follow(replace(task, answers=answers, authority=self._left(task)))
        words = f"the peer used what it was granted {MOST_ROUNDS} times without an end"
        return Result.failed("loop_exhausted", words).spent_before(result.usage + self.spent)

    async def _used(self, task: Task, wish: Interrupt, by_peer: Usage) -> JsonValue:
        journal, arguments = self.walk.journal, wish.metadata.get("arguments")
        use = ToolCall(
            # The same whenever it is asked, so that no use is made a second time.
            id=wish.id,
            name=str(wish.metadata.get("tool")),
            arguments=arguments if isinstance(arguments, dict) else {},
        )
        context = ToolContext(
            run_id=journal.run_id,
            thread_id=journal.thread_id,
            authority=self._left(task, by_peer),
            metadata=task.metadata,
            place=task.path,
            clock=self.walk.clock,
            emit=journal.emit,
            spend=partial(self._taken.__setitem__, wish.id),
        )
        made = await call_by_name(ToolRegistry(task.grants), use, context, limits=_WHOLE)
        if made.error is not None:
            return {"error": made.error}
        return {"result": made.content if made.structured is None else made.structured}

    def _left(self, task: Task, by_peer: Usage = NO_USAGE) -> Authority:
        """Return the task's authority without what uses took, and what its peer says that it did."""
        whole = by_peer + self.spent
        return task.authority.spent(whole, calls=whole.model_calls + len(self._taken))


def _taken_before(walk: Walk, path: Path) -> dict[str, Usage]:
    """Return what uses took that were made before a wait, or by an earlier owner of the run."""
    depth, steps = len(path), walk.journal.steps
    taken: dict[str, Usage] = {}
    for place, outcome in steps.items():
        if place[:depth] != path or len(place) == depth or not _WISH.fullmatch(place[depth]):
            continue
        ended = len(place) == depth + 1
        lost = len(place) == depth + 2 and place[-1][0] == "~" and place[:-1] not in steps
        if ended or lost:
            spent = Usage.model_validate(outcome.get("usage") or {})
            taken[place[depth]] = taken.get(place[depth], NO_USAGE) + spent
    return taken
