"""The calls of one reply: together, in order, interrupted, cancelled."""

import threading
from collections import Counter
from typing import Literal

import anyio
import pytest

from weft.checkpoint import ThreadKey, memory_checkpointer
from weft.core import LOCAL, Interrupt, JsonObject
from weft.loop import Agent, LoopEvent, ToolCompleteEvent, ToolStartEvent
from weft.testing.models import ScriptedModel, call
from weft.tools import ToolContext, tool
from weft.tools.interrupts import InterruptRaised, interrupt_id


@tool
async def approve(context: ToolContext) -> str:
    """Ask for approval."""
    asked = interrupt_id("approve", context.tool_call_id)
    raise InterruptRaised(Interrupt(id=asked, reason="approval", message="May I?"))


@pytest.mark.requirement("LOOP-2")
async def test_calls_run_at_once_and_their_results_stand_in_call_order() -> None:
    gates = [anyio.Event() for _ in range(4)]
    finished: list[int] = []

    @tool
    async def wait_for_next(n: int) -> str:
        """Finish only after the call behind this one."""
        if n < 3:
            await gates[n + 1].wait()
        finished.append(n)
        gates[n].set()
        return f"result {n}"

    calls = tuple(call("wait_for_next", n=n) for n in range(4))
    agent = Agent(ScriptedModel([calls, "end"]), [wait_for_next])

    with anyio.fail_after(5):
        result = await agent.arun("go")

    assert finished == [3, 2, 1, 0]
    told = [message.content for message in result.messages if message.role == "tool"]
    assert told == [f"result {n}" for n in range(4)]
    assert [each.content for each in result.tool_executions] == told


@pytest.mark.requirement("LOOP-2")
@pytest.mark.parametrize(
    ("options", "most"),
    [({"max_concurrency": 3}, 3), ({"tool_execution": "sequential"}, 1), ({}, 10)],
)
async def test_no_more_calls_run_at_once_than_allowed(
    options: dict[str, object], most: int
) -> None:
    running, seen = 0, 0

    @tool
    async def count(n: int) -> int:
        """Count how many run."""
        nonlocal running, seen
        running += 1
        seen = max(seen, running)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        running -= 1
        return n

    calls = tuple(call("count", n=n) for n in range(20))
    agent = Agent(ScriptedModel([calls, "end"]), [count], None, **options)  # type: ignore[arg-type]

    result = await agent.arun("go")

    assert seen == most
    assert [each.content for each in result.tool_executions] == [str(n) for n in range(20)]


@pytest.mark.requirement("LOOP-4")
async def test_an_interrupting_call_cancels_its_siblings_at_once() -> None:
    stopped = anyio.Event()

    @tool
    async def hang() -> None:
        """Hang."""
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()

    agent = Agent(ScriptedModel([(call("hang"), call("approve"))]), [hang, approve])
    events: list[LoopEvent] = []

    with anyio.fail_after(1):
        run = agent.run("go")
        events += [event async for event in run]
        result = await run

    assert stopped.is_set()
    assert result.stop_reason == "interrupted"
    ends = {each.tool_name: each.outcome for each in events if isinstance(each, ToolCompleteEvent)}
    assert ends == {"hang": "canceled", "approve": "interrupted"}


@pytest.mark.requirement("LOOP-4")
async def test_a_sibling_whose_effect_has_begun_is_awaited_first() -> None:
    begun, gate = anyio.Event(), anyio.Event()

    @tool(idempotent=True, passes_key=True)
    async def pay() -> str:
        """Pay."""
        begun.set()
        await gate.wait()
        return "paid"

    @tool
    async def ask_later(context: ToolContext) -> str:
        """Ask once the payment is under way."""
        await begun.wait()
        gate.set()
        asked = interrupt_id("later", context.tool_call_id)
        raise InterruptRaised(Interrupt(id=asked, reason="approval", message="May I?"))

    agent = Agent(ScriptedModel([(call("pay"), call("ask_later"))]), [pay, ask_later])
    run = agent.run("go")

    with anyio.fail_after(5):
        events = [event async for event in run]

    ends = {each.tool_name: each.result for each in events if isinstance(each, ToolCompleteEvent)}
    assert ends["pay"] == "paid"


@pytest.mark.requirement("LOOP-5")
@pytest.mark.parametrize("mode", ["concurrent", "sequential"])
async def test_equal_idempotent_calls_in_one_reply_share_one_body(
    mode: Literal["concurrent", "sequential"],
) -> None:
    bodies: list[int] = []

    @tool(idempotent=True, passes_key=True)
    async def pay(amount: int) -> str:
        """Pay."""
        bodies.append(amount)
        await anyio.lowlevel.checkpoint()
        return f"receipt {len(bodies)} for {amount}"

    calls = (call("pay", amount=5), call("pay", amount=5.0), call("pay", amount=6))
    agent = Agent(ScriptedModel([calls, "end"]), [pay], tool_execution=mode)

    with anyio.fail_after(5):
        result = await agent.arun("go")

    first, second, third = (each.content for each in result.tool_executions)
    assert sorted(bodies) == [5, 6]
    assert first == second != third


@pytest.mark.requirement("EV-4")
async def test_every_started_call_ends_once_whatever_became_of_it() -> None:
    @tool
    async def fail() -> None:
        """Fail."""
        raise ValueError("x")

    @tool
    async def hang() -> None:
        """Hang."""
        await anyio.sleep_forever()

    calls = (call("fail"), call("unknown"), call("hang"), call("fail", extra=1))
    run = Agent(ScriptedModel([calls]), [fail, hang]).run("go")
    events: list[LoopEvent] = []

    with anyio.fail_after(5):
        async for event in run:
            events.append(event)
            if isinstance(event, ToolCompleteEvent) and len(events) > 6:
                run.cancel()

    started = Counter(each.tool_call_id for each in events if isinstance(each, ToolStartEvent))
    ended = Counter(each.tool_call_id for each in events if isinstance(each, ToolCompleteEvent))
    assert len(started) == 4
    assert started == ended
    assert (await run).stop_reason == "canceled"


@pytest.mark.requirement("LOOP-13")
async def test_a_synchronous_tool_never_stalls_the_loop() -> None:
    here, entered, leave = threading.get_ident(), threading.Event(), threading.Event()
    where: list[int] = []

    @tool
    def block() -> str:
        """Block a thread."""
        where.append(threading.get_ident())
        entered.set()
        leave.wait(5)
        return "x"

    agent = Agent(ScriptedModel([call("block"), "end"]), [block])
    async with anyio.create_task_group() as group:
        group.start_soon(agent.arun, "go")
        with anyio.fail_after(5):
            while not entered.is_set():
                await anyio.lowlevel.checkpoint()
        leave.set()

    assert where
    assert here not in where


async def test_a_shortened_result_goes_whole_beside_its_text_and_not_into_the_thread() -> None:
    rows: JsonObject = {"rows": [f"row {n}" for n in range(9000)]}

    @tool
    async def export() -> JsonObject:
        """Export."""
        return rows

    model = ScriptedModel([call("export"), "end"])
    checkpointer = memory_checkpointer()
    await Agent(model, [export], checkpointer=checkpointer).arun("go", thread_id="t")

    seen = model.requests[-1].messages[-1]
    assert (seen.role, len(seen.content) < 33_000) == ("tool", True)
    assert [part.data for part in seen.parts if part.kind == "data"] == [rows]
    thread = await checkpointer.threads.load(ThreadKey(LOCAL.tenant, LOCAL.subject, "t"))
    assert thread is not None
    assert all(len(entry) < 40_000 for entry in thread.entries)
