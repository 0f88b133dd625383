"""A process of its own that pays inside a durable run and is killed at the point it announces."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from anyio import to_thread

from weft.checkpoint import NewRun, sqlite_checkpointer
from weft.core import LOCAL, Authority, JsonObject, RunId, ToolCall, new_id, new_run_id
from weft.events import Acceptance, RunAccepted
from weft.runs import RunJournal
from weft.tools import Tool, ToolContext, ToolExecution, call_tool, tool

PRINCIPAL = LOCAL
RUN_ID = RunId("0" * 31 + "1")
REQUEST = NewRun(
    run_id=RUN_ID,
    authority=Authority(PRINCIPAL),
    operation="run",
    idem_key="k1",
    body_hash="hash",
    thread_id="t1",
    request={"prompt": "pay"},
    accepted=RunAccepted(data=Acceptance(subject=PRINCIPAL.subject, input="pay")),
)
CALL = ToolCall(id="c1", name="pay", arguments={"amount": 5})


def paying(outside: Path, *, stop_at: str = "") -> Tool:
    """Return a tool that adds its key to the file `outside`, and stops where it is told to."""

    @tool(idempotent=True, timeout=30)
    async def pay(amount: int, context: ToolContext) -> str:
        if stop_at == "before":
            await announced()
        await to_thread.run_sync(noted, outside, context.idempotency_key)
        if stop_at == "after":
            await announced()
        return f"paid {amount}"

    return pay


def noted(outside: Path, key: str | None) -> None:
    with outside.open("a") as book:
        book.write(f"{key}\n")


async def called(
    journal: RunJournal, pay: Tool, answers: JsonObject | None = None
) -> ToolExecution:
    context = ToolContext(authority=Authority(PRINCIPAL), answers=answers or {})
    return await call_tool(pay, CALL, context, journal=journal)


async def announced() -> None:
    """Tell the parent that this is the point, and wait to be killed."""
    sys.stdout.write("here\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def crowd(database: Path, outside: Path) -> None:
    """Make ten equal calls at once within one run, and tell what each returned."""

    @tool(idempotent=True, scope="tenant", timeout=15)
    async def pay(amount: int, context: ToolContext) -> str:
        await to_thread.run_sync(noted, outside, context.idempotency_key)
        await asyncio.sleep(0.1)
        return f"paid {amount}"

    checkpointer = sqlite_checkpointer(database)
    accepted = await checkpointer.runs.accept(
        replace(REQUEST, run_id=new_run_id(), thread_id=new_id(), idem_key=new_id()),
        on_busy="reject",
        owner=new_id(),
    )
    if accepted.claimed is None:
        raise RuntimeError("the run was not claimed")
    async with RunJournal(checkpointer, accepted.claimed) as journal:
        made = await asyncio.gather(*(called(journal, pay) for _ in range(10)))
    await checkpointer.aclose()
    sys.stdout.writelines(f"{each.content.splitlines()[-1]}\n" for each in made)


async def main(database: Path, outside: Path, stop_at: str) -> None:
    checkpointer = sqlite_checkpointer(database)
    accepted = await checkpointer.runs.accept(REQUEST, on_busy="reject", owner="child")
    if accepted.claimed is None:
        raise RuntimeError("the run was not claimed")
    async with RunJournal(checkpointer, accepted.claimed) as journal:
        await called(journal, paying(outside, stop_at=stop_at))
        await announced()


if __name__ == "__main__":
    paths = Path(sys.argv[1]), Path(sys.argv[2])
    asyncio.run(crowd(*paths) if sys.argv[3] == "crowd" else main(*paths, sys.argv[3]))
