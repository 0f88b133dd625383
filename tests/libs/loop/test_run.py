"""Following a run: typed events, early leaving, limits of a slow reader."""

import asyncio
import gc

import anyio
import pytest

from weft.core import LOCAL, Result, RunId, parts_of
from weft.loop import (
    Agent,
    AgentResult,
    AgentRun,
    LoopEvent,
    ModelChunkEvent,
    ModelCompleteEvent,
    ModelRetryEvent,
    Task,
    TaskRun,
    TerminateEvent,
    ToolProgressEvent,
)
from weft.models import ModelRequest, ModelUnavailableError
from weft.models.retry import ModelRetryConfig
from weft.runs import LocalJournal
from weft.testing.models import FunctionModel, ScriptedModel, ScriptedTurn, call
from weft.tools import ToolContext, tool


@tool
async def step(n: int, context: ToolContext) -> int:
    """Report progress."""
    context.report_progress(n, 10, "on it")
    return n


@pytest.mark.requirement("EV-1")
async def test_events_are_numbered_from_one_and_end_with_one_terminate_event() -> None:
    run = Agent(ScriptedModel([call("step", n=1), "end"]), [step], name="me").run("go")

    events = [event async for event in run]

    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert {event.run_id for event in events} == {run.run_id}
    assert {event.agent_name for event in events} == {"me"}
    assert [type(event) for event in events].count(TerminateEvent) == 1
    assert isinstance(events[-1], TerminateEvent)
    assert [e.progress for e in events if isinstance(e, ToolProgressEvent)] == [1]
    assert (await run).text == "end"


@pytest.mark.requirement("EV-3")
async def test_chunks_since_the_last_retry_join_to_the_reply() -> None:
    model = ScriptedModel(
        [
            ScriptedTurn(chunks=("void ", "void"), error=ModelUnavailableError("cut")),
            ScriptedTurn(chunks=("the ", "whole ", "answer")),
        ]
    )
    agent = Agent(model, model_retry=ModelRetryConfig(initial_delay=0))

    events = [event async for event in agent.run("go")]

    last_retry = max(n for n, each in enumerate(events) if isinstance(each, ModelRetryEvent))
    chunks = [each for each in events[last_retry:] if isinstance(each, ModelChunkEvent)]
    complete = [each for each in events if isinstance(each, ModelCompleteEvent)]
    assert "".join(each.content for each in chunks) == "the whole answer"
    assert len(complete) == 1
    assert complete[0].content == "the whole answer"
    assert complete[0].usage.total_tokens > 0


@pytest.mark.requirement("EV-3")
async def test_each_model_call_yields_one_complete_event_with_usage() -> None:
    run = Agent(ScriptedModel([call("step", n=1), "", "end"]), [step]).run("go")

    events = [event async for event in run]
    complete = [each for each in events if isinstance(each, ModelCompleteEvent)]

    assert len(complete) == 3
    total = (await run).metrics.total_tokens
    assert sum(each.usage.total_tokens for each in complete) == total


class Hanging:
    """A model that hangs, and tells when its call began and ended."""

    def __init__(self) -> None:
        self.started = anyio.Event()
        self.ended = anyio.Event()

    async def __call__(self, request: ModelRequest) -> ScriptedTurn:
        if request.messages[-1].role == "user":
            return ScriptedTurn(calls=(call("step", n=1),))
        self.started.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.ended.set()
        return ScriptedTurn()


@pytest.mark.requirement("AG-7")
@pytest.mark.parametrize("how", ["aclose", "context"])
async def test_each_way_of_leaving_ends_the_model_call(how: str) -> None:
    hanging = Hanging()
    run = Agent(FunctionModel(hanging), [step]).run("go")

    async def follow() -> None:
        async for _ in run:
            pass

    with anyio.fail_after(5):
        following = asyncio.ensure_future(follow())
        await hanging.started.wait()
        if how == "aclose":
            await run.aclose()
        else:
            async with run:
                pass
        await hanging.ended.wait()
        await following


@pytest.mark.requirement("AG-7")
async def test_an_iterator_that_is_dropped_cancels_its_run() -> None:
    agent = Agent(FunctionModel(Hanging()), [step])

    with anyio.fail_after(5):
        async for _ in agent.run("go"):
            break
        gc.collect()
        while agent.cancel(run_id="none") == 0 and agent._active:
            await anyio.lowlevel.checkpoint()

    assert agent.cancel() == 0


async def test_a_result_can_be_awaited_while_events_are_read() -> None:
    run = Agent(ScriptedModel([call("step", n=1), "end"]), [step]).run("go")
    seen: list[LoopEvent] = []

    async for event in run:
        seen.append(event)
        if len(seen) == 1:
            assert (await run).text == "end"

    assert isinstance(seen[-1], TerminateEvent)


async def test_a_slow_reader_misses_progress_but_nothing_else() -> None:
    @tool
    async def chatter(context: ToolContext) -> str:
        """Report very often."""
        for n in range(5000):
            context.report_progress(n)
        return "done"

    run = Agent(ScriptedModel([call("chatter"), "end"]), [chatter]).run("go")

    events = [event async for event in run]

    progress = sum(isinstance(each, ToolProgressEvent) for each in events)
    assert 500 < progress < 1100
    assert isinstance(events[-1], TerminateEvent)


@pytest.mark.requirement("LIM-1")
@pytest.mark.parametrize("at", ["model", "tool", "backoff"])
async def test_a_cancel_ends_whatever_is_waited_for_within_100_ms(at: str) -> None:
    reached = anyio.Event()

    @tool
    async def hang() -> None:
        """Hang."""
        reached.set()
        await anyio.sleep_forever()

    async def reply(_: ModelRequest) -> ScriptedTurn:
        if at == "tool":
            return ScriptedTurn(calls=(call("hang"),))
        reached.set()
        if at == "backoff":
            return ScriptedTurn(error=ModelUnavailableError("down"))
        await anyio.sleep_forever()
        return ScriptedTurn()

    retry = ModelRetryConfig(initial_delay=60, max_delay=60)
    agent = Agent(FunctionModel(reply), [hang], model_retry=retry)
    run = agent.run("go", thread_id="t")
    ending = asyncio.ensure_future(_awaited(run))
    with anyio.fail_after(5):
        await reached.wait()
        await anyio.lowlevel.checkpoint()

    run.cancel()
    with anyio.fail_after(0.1):
        result = await ending

    kept = await agent._durable()._checkpointer.runs.read(LOCAL, RunId(run.run_id))
    assert result.stop_reason == "canceled"
    assert kept.status == "canceled"
    await agent.aclose()


async def _awaited(run: AgentRun) -> AgentResult:
    return await run


@pytest.mark.requirement("LIM-1")
async def test_no_effect_starts_after_a_cancel_and_one_under_way_is_recorded() -> None:
    begun, gate = anyio.Event(), anyio.Event()
    bodies: list[int] = []

    @tool(idempotent=True, passes_key=True)
    async def pay(amount: int) -> str:
        """Pay."""
        bodies.append(amount)
        begun.set()
        await gate.wait()
        return "paid"

    calls = tuple(call("pay", amount=n) for n in range(3))
    journal = LocalJournal()
    agent = Agent(ScriptedModel([calls]), [pay], tool_execution="sequential")
    run = agent.start(Task(parts_of("go"), "m", journal=journal))
    ending = asyncio.ensure_future(_peer(run))
    with anyio.fail_after(5):
        await begun.wait()
        canceling = asyncio.ensure_future(run.cancel("enough"))
        await anyio.lowlevel.checkpoint()
        gate.set()
        await canceling
        result = await ending

    settled = [each.outcome for each in journal._effects.values()]
    assert result.status == "canceled"
    assert bodies == [0]
    assert [each.value for each in settled if each is not None] == ["paid"]


async def _peer(run: TaskRun) -> Result:
    return await run
