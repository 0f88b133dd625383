"""Awaiting a run more than once, and reading its events late."""

import asyncio

import anyio
import pytest

from weft.checkpoint import memory_checkpointer
from weft.core import parts_of
from weft.core.errors import CanceledError, NothingToResumeError
from weft.events import Event
from weft.loop import Agent, ModelChunkEvent, Task, ToolProgressEvent
from weft.loop.events import ModelChunked
from weft.loop.handles import RunControl, Running
from weft.loop.stream import LoopEvent, ThinkEvent
from weft.loop.unread import CROWDED, LONGEST_PIECE
from weft.testing.models import ScriptedModel, ScriptedTurn, call
from weft.tools import ToolContext, tool


async def test_a_run_that_could_not_begin_says_so_each_time_it_is_awaited() -> None:
    agent = Agent(ScriptedModel([]), checkpointer=memory_checkpointer())
    run = agent.resume("yes", thread_id="nope")

    for _ in range(3):
        with pytest.raises(NothingToResumeError):
            await run


async def test_a_run_whose_first_reader_was_cancelled_cancels_no_other() -> None:
    never = anyio.Event()
    run = Agent(ScriptedModel([ScriptedTurn("late", until=never)])).run("go")

    async def read() -> None:
        await run

    first = asyncio.create_task(read())
    await asyncio.sleep(0)
    second = asyncio.create_task(read())
    await asyncio.sleep(0)
    first.cancel()

    with anyio.fail_after(10):
        with pytest.raises(asyncio.CancelledError):
            await first
        with pytest.raises(CanceledError, match="cancelled with the task that awaited it"):
            await second


@tool
async def talkative(context: ToolContext) -> str:
    """Report progress far more often than anybody reads."""
    for n in range(3 * CROWDED):
        context.report_progress(n)
    return "done"


@pytest.mark.requirement("EV-1")
async def test_a_reader_who_comes_late_loses_progress_and_nothing_else() -> None:
    pieces = tuple(f"{n}," for n in range(2 * CROWDED))
    model = ScriptedModel([call("talkative"), ScriptedTurn(chunks=pieces)])
    run = Agent(model, [talkative]).run("go")
    reader = aiter(run)

    events = [await anext(reader)]
    assert run._task is not None
    await asyncio.wait([run._task])
    waiting = len(run._unread)
    events += [event async for event in reader]

    assert waiting <= CROWDED + 10
    assert [each.seq for each in events] == list(range(1, len(events) + 1))
    shown = "".join(each.content for each in events if isinstance(each, ModelChunkEvent))
    assert shown == "".join(pieces)
    assert sum(isinstance(each, ToolProgressEvent) for each in events) <= CROWDED
    kinds = [each.event_type for each in events if each.event_type != "tool_progress"]
    assert kinds[-3:] == ["model_complete", "think", "terminate"]
    assert "tool_complete" in kinds


async def test_pieces_for_a_peers_reader_are_joined_too() -> None:
    pieces = tuple("x" * LONGEST_PIECE if n == 5 else f"{n}," for n in range(2 * CROWDED))
    run = Agent(ScriptedModel([call("talkative"), ScriptedTurn(chunks=pieces)]), [talkative]).start(
        Task(parts_of("go"), "m")
    )
    reader = aiter(run)

    events: list[Event] = [await anext(reader)]
    assert run._task is not None
    await asyncio.wait([run._task])
    assert len(run._unread) <= CROWDED + 10
    events += [event async for event in reader]

    chunks = [each.data for each in events if isinstance(each, ModelChunked)]
    assert "".join(each.content for each in chunks) == "".join(pieces)
    assert chunks[-1].done


async def test_a_reader_who_never_reads_ends_the_run_at_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("weft.loop.unread.CROWDED", 10)
    monkeypatch.setattr("weft.loop.unread.FULL", 20)
    control = RunControl(run_id="r", thread_id=None)
    run: Running[LoopEvent, None] = Running(control, lambda _: asyncio.sleep(0))

    for n in range(19):
        run._hear(ThinkEvent(iteration=n))
    assert not control.canceled
    run._hear(ThinkEvent(iteration=19))

    assert control.canceled
