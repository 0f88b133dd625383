"""What a peer elsewhere was granted: it asks for a use, which is made here, on its caller's behalf.

So it needs no key, address or budget of anybody else, and reaches nothing that it was not granted.
"""

from collections.abc import Awaitable, Callable

from weft.core import NO_USAGE, Interrupt, JsonObject, JsonValue, Result, ToolCall, Usage
from weft.loop import Task
from weft.plan.walk import Walk
from weft.tools import CallLimits, InterruptRaised, ToolContext, ToolRegistry, call_by_name
from weft.tools.rendering import ResultLimit

MOST_ROUNDS = 64
_WHOLE = CallLimits(result=ResultLimit(length=1 << 20))


async def uses_made(
    walk: Walk, task: Task, result: Result, again: Callable[[JsonObject], Awaitable[Result]]
) -> Result:
    """Return the peer's end once it asks for no further use; `again` hands it what uses brought."""
    spent = NO_USAGE

    def spend(usage: Usage) -> None:
        nonlocal spent
        spent += usage

    for _ in range(MOST_ROUNDS):
        wishes = [wish for wish in result.interrupts if wish.reason == "grant"]
        if not wishes:
            return result.model_copy(update={"usage": result.usage + spent})
        try:
            answers = {wish.id: await _used(walk, task, wish, spend) for wish in wishes}
        except InterruptRaised as raised:
            usage = result.usage + spent
            return Result(status="interrupted", interrupts=(raised.interrupt,), usage=usage)
        result = await again(answers)
    words = f"the peer used what it was granted {MOST_ROUNDS} times without an end"
    return Result.failed("loop_exhausted", words)


async def _used(
    walk: Walk, task: Task, wish: Interrupt, spend: Callable[[Usage], None]
) -> JsonValue:
    journal, arguments = walk.journal, wish.metadata.get("arguments")
    use = ToolCall(
        # The same whenever it is asked, so that no use is made a second time.
        id=wish.id,
        name=str(wish.metadata.get("tool")),
        arguments=arguments if isinstance(arguments, dict) else {},
    )
    context = ToolContext(
        run_id=journal.run_id,
        thread_id=journal.thread_id,
        authority=task.authority,
        metadata=task.metadata,
        place=task.path,
        clock=walk.clock,
        emit=journal.emit,
        spend=spend,
    )
    made = await call_by_name(ToolRegistry(task.grants), use, context, limits=_WHOLE)
    if made.error is not None:
        return {"error": made.error}
    return {"result": made.content if made.structured is None else made.structured}
