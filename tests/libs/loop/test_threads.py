"""A lone agent's durable runs: threads, questions, crashes, two at once."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from weft.checkpoint import Checkpointer, ThreadKey, memory_checkpointer, sqlite_checkpointer
from weft.core import LOCAL
from weft.core.errors import (
    InterruptAnsweredError,
    InterruptNotFoundError,
    NothingToResumeError,
    RunFailedError,
    ThreadBusyError,
    ThreadInterruptedError,
)
from weft.loop import Agent, EffectSettledEvent, InterruptEvent
from weft.models import ModelRequest
from weft.testing.models import FunctionModel, ScriptedModel, call
from weft.tools import tool
from weft.tools.builtin import ask_user

ASK = call("ask_user", question="Which one?")


def key(thread_id: str) -> ThreadKey:
    return ThreadKey(LOCAL.tenant, LOCAL.subject, thread_id)


@tool(idempotent=True, passes_key=True)
async def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


async def test_a_thread_goes_on_where_it_ended() -> None:
    model = ScriptedModel(["I am fine", call("pay", amount=1), "paid it", "you said hello"])
    agent = Agent(model, [pay], "Be nice.")

    await agent.arun("hello", thread_id="t")
    await agent.arun("pay", thread_id="t")
    result = await agent.arun("what did I say?", thread_id="t")

    roles = [message.role for message in model.requests[-1].messages]
    assert result.text == "you said hello"
    assert result.thread_id == "t"
    assert roles == [
        "system", "user", "assistant", "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip
    await agent.aclose()


@pytest.mark.requirement("LOOP-10")
async def test_a_run_that_failed_before_its_first_reply_adds_nothing_to_the_thread() -> None:
    model = ScriptedModel([RuntimeError("x"), "fine"])
    agent = Agent(model)

    with pytest.raises(RunFailedError):
        await agent.arun("lost", thread_id="t")
    await agent.arun("kept", thread_id="t")

    contents = [message.content for message in model.requests[-1].messages[1:]]
    assert contents == ["kept"]
    await agent.aclose()


@pytest.mark.requirement("AG-9")
async def test_an_answer_resumes_in_another_process_and_is_the_calls_result(
    tmp_path: Path,
) -> None:
    first = sqlite_checkpointer(tmp_path / "db")
    asked = await Agent(ScriptedModel([ASK]), [ask_user], checkpointer=first).arun(
        "go", thread_id="t"
    )
    await first.aclose()

    second = sqlite_checkpointer(tmp_path / "db")
    model = ScriptedModel(["the red one then", "bye"])
    agent = Agent(model, [ask_user], checkpointer=second)
    result = await agent.resume("the red one", thread_id="t")
    later = await agent.arun("thanks", thread_id="t")
    await second.aclose()

    assert asked.stop_reason == "interrupted"
    assert result.text == "the red one then"
    assert result.run_id == asked.run_id
    assert model.requests[0].messages[-1].content == "the red one"
    assert later.text == "bye"
    assert [message.role for message in model.requests[1].messages] == [
        "system", "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip


@pytest.mark.requirement("AG-10")
async def test_what_cannot_be_resumed_is_refused_without_a_call() -> None:
    model = ScriptedModel([ASK, "fine"])
    agent = Agent(model, [ask_user])
    asked = await agent.arun("go", thread_id="t")
    assert asked.interrupt is not None
    question = asked.interrupt.id

    with pytest.raises(InterruptNotFoundError):
        await agent.resume("x", thread_id="t", interrupt_id="f" * 32)
    with pytest.raises(ThreadInterruptedError):
        await agent.arun("another", thread_id="t")
    with pytest.raises(ThreadInterruptedError):
        async for _ in agent.run("another", thread_id="t"):
            pass
    assert len(model.requests) == 1

    assert (await agent.resume("x", thread_id="t", interrupt_id=question)).text == "fine"

    with pytest.raises(InterruptAnsweredError):
        await agent.resume("y", thread_id="t", interrupt_id=question)
    with pytest.raises(NothingToResumeError):
        await agent.resume("y", thread_id="t")
    with pytest.raises(NothingToResumeError):
        await agent.resume("y", thread_id="unknown")
    assert len(model.requests) == 2
    await agent.aclose()


async def test_a_run_without_thread_can_be_answered_by_its_id() -> None:
    agent = Agent(ScriptedModel([ASK, "fine"]), [ask_user])
    asked = await agent.arun("go")

    events = [event async for event in agent.resume("x", run_id=asked.run_id)]

    assert asked.stop_reason == "interrupted"
    assert not any(isinstance(event, InterruptEvent) for event in events)
    assert events[-1].event_type == "terminate"
    await agent.aclose()


DYING = """
import asyncio, sys
from weft.checkpoint import sqlite_checkpointer
from weft.loop import Agent
from weft.testing.models import FunctionModel, call
from weft.tools import tool

@tool(idempotent=True, passes_key=True)
async def pay(amount: int) -> str:
    print("body", flush=True)
    return f"paid {amount}"

async def reply(request):
    if request.messages[-1].role == "user":
        return call("pay", amount=3)
    print("second call", flush=True)
    await asyncio.sleep(60)

agent = Agent(FunctionModel(reply), [pay], checkpointer=sqlite_checkpointer(sys.argv[1]))
asyncio.run(agent.arun("go", thread_id="t", run_id="d" * 32))
"""


@pytest.mark.requirement("AG-11")
@pytest.mark.requirement("LOOP-7")
@pytest.mark.requirement("LOOP-8")
async def test_a_run_whose_process_was_killed_goes_on_with_what_it_had(tmp_path: Path) -> None:
    path = tmp_path / "db"
    dying = await anyio.open_process([sys.executable, "-c", DYING, str(path)])
    assert dying.stdout is not None
    said = ""
    with anyio.fail_after(10):
        while "second call" not in said:
            said += (await dying.stdout.receive()).decode()
    dying.kill()
    await dying.wait()
    await dying.aclose()

    checkpointer = sqlite_checkpointer(path)
    model = ScriptedModel(["it is paid"])
    with anyio.fail_after(8):
        result = await Agent(model, [pay], checkpointer=checkpointer).resume(run_id="d" * 32)
    await checkpointer.aclose()

    assert said.count("body") == 1
    assert result.text == "it is paid"
    assert [message.content for message in model.requests[0].messages[1:]] == ["go", "", "paid 3"]
    assert len(model.requests) == 1


async def test_cancelling_the_awaiting_task_ends_the_run_and_frees_its_thread() -> None:
    started = anyio.Event()

    async def hang(_: ModelRequest) -> str:
        if not started.is_set():
            started.set()
            await anyio.sleep_forever()
        return "free again"

    agent = Agent(FunctionModel(hang))
    run = asyncio.ensure_future(agent.arun("go", thread_id="t"))
    with anyio.fail_after(5):
        await started.wait()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    assert (await agent.arun("go", thread_id="t")).text == "free again"
    await agent.aclose()


@pytest.mark.requirement("AG-16")
async def test_of_ten_runs_started_together_on_a_thread_one_runs() -> None:
    gate = anyio.Event()

    async def reply(_: ModelRequest) -> str:
        await gate.wait()
        return "done"

    agent = Agent(FunctionModel(reply))
    runs = [
        asyncio.ensure_future(agent.arun(f"p{n}", thread_id="t", run_id=f"{n:032x}"))
        for n in range(10)
    ]
    with anyio.fail_after(5):
        pending = set(runs)
        while len(pending) > 1:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    gate.set()
    done = await asyncio.gather(*runs, return_exceptions=True)

    busy = [each for each in done if isinstance(each, ThreadBusyError)]
    (winner,) = (each for each in done if not isinstance(each, BaseException))
    assert len(busy) == 9
    assert {(each.thread_id, each.active_run_id) for each in busy} == {("t", winner.run_id)}
    assert winner.text == "done"
    await agent.aclose()


@pytest.mark.requirement("AG-18")
async def test_a_finished_run_without_thread_leaves_nothing_in_the_private_database() -> None:
    agent = Agent(ScriptedModel([call("pay", amount=1), "x"]), [pay])

    result = await agent.arun("go")

    checkpointer = agent._checkpointer
    assert checkpointer is not None

    assert result.thread_id is None
    assert await checkpointer.threads.load(key(result.run_id)) is None
    assert await checkpointer.runs.thread_runs(key(result.run_id)) == ()
    await agent.aclose()


@pytest.mark.requirement("AG-18")
async def test_the_private_database_forgets_the_oldest_finished_of_a_thousand_threads() -> None:
    agent = Agent(FunctionModel(lambda _: "x"))

    for n in range(1002):
        await agent.arun("go", thread_id=f"t{n}")

    checkpointer = agent._checkpointer
    assert checkpointer is not None
    kept = [await checkpointer.threads.load(key(f"t{n}")) is not None for n in (0, 1, 2, 1001)]
    assert kept == [False, False, True, True]
    await agent.aclose()


async def test_effects_of_a_durable_run_are_told_as_typed_events() -> None:
    agent = Agent(ScriptedModel([call("pay", amount=1), "x"]), [pay])

    events = [event async for event in agent.run("go")]

    settled = [event for event in events if isinstance(event, EffectSettledEvent)]
    assert [(each.tool_name, each.outcome) for each in settled] == [("pay", "done")]
    await agent.aclose()


@pytest.mark.requirement("AG-6")
async def test_no_entry_point_closes_the_checkpointer() -> None:
    checkpointer: Checkpointer = memory_checkpointer()
    agent = Agent(ScriptedModel(["a", "b"]), checkpointer=checkpointer)

    await agent.arun("go", thread_id="t")
    await agent.aclose()
    await Agent(ScriptedModel(["c"]), checkpointer=checkpointer).arun("go", thread_id="t")

    thread = await checkpointer.threads.load(key("t"))
    assert thread is not None
    assert thread.version == 4
    await checkpointer.aclose()


@pytest.mark.requirement("CKPT-9")
async def test_the_next_message_of_a_thread_whose_process_was_killed_is_taken(
    tmp_path: Path,
) -> None:
    path = tmp_path / "db"
    dying = await anyio.open_process([sys.executable, "-c", DYING, str(path)])
    assert dying.stdout is not None
    said = ""
    with anyio.fail_after(10):
        while "second call" not in said:
            said += (await dying.stdout.receive()).decode()
    dying.kill()
    await dying.wait()
    await dying.aclose()

    checkpointer = sqlite_checkpointer(path)
    agent = Agent(ScriptedModel(["hello"]), checkpointer=checkpointer)
    with anyio.fail_after(10):
        result = None
        while result is None:
            with suppress(ThreadBusyError):
                result = await agent.arun("next", thread_id="t")
    with pytest.raises(NothingToResumeError):
        await agent.resume(run_id="d" * 32)
    await checkpointer.aclose()

    assert result.text == "hello"
