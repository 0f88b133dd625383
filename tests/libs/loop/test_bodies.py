"""Tool bodies that raise anything: their own call fails, its siblings and the run do not."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable

import anyio
import pytest

from weft.checkpoint import memory_checkpointer
from weft.core import JsonObject
from weft.loop import Agent, LoopEvent, ToolCompleteEvent, ToolStartEvent
from weft.termination import CustomCondition, Progress
from weft.testing.models import FunctionModel, ScriptedModel, call
from weft.tools import NOT_DONE, Reconciled, Tool, tool

RAISED: dict[str, Callable[[], BaseException]] = {
    "CancelledError": lambda: asyncio.CancelledError("a client gave up"),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "BaseExceptionGroup": lambda: BaseExceptionGroup("both", [SystemExit(1), ValueError("x")]),
    "StopIteration": lambda: StopIteration("over"),
    "RecursionError": lambda: RecursionError("deep"),
}


def made(kind: str) -> BaseException:
    return RAISED[kind]()


WITH_EACH = pytest.mark.parametrize("kind", RAISED)


@tool
def fine() -> str:
    """Do nothing."""
    return "fine"


@tool
async def raises(kind: str) -> str:
    """Raise."""
    raise made(kind)


@tool
def raises_in_a_thread(kind: str) -> str:
    """Raise."""
    raise made(kind)


@tool(idempotent=True, passes_key=True)
async def pays(kind: str) -> str:
    """Raise in an effect."""
    raise made(kind)


@tool
async def awaits_a_cancelled_task(kind: str) -> str:
    """Await a task that a library cancels."""
    task = asyncio.create_task(asyncio.sleep(60), name=kind)
    asyncio.get_running_loop().call_soon(task.cancel)
    await task
    return "never"


@tool
async def cancels_itself(kind: str) -> str:
    """Cancel the task it runs in."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel(kind)
    await asyncio.sleep(60)
    return "never"


async def watched(agent: Agent) -> list[LoopEvent]:
    with anyio.fail_after(20):
        return [event async for event in agent.run("go")]


@pytest.mark.requirement("EV-4")
@pytest.mark.requirement("LOOP-3")
@pytest.mark.parametrize("siblings", [0, 2])
@pytest.mark.parametrize("body", [raises, raises_in_a_thread, pays], ids=lambda body: body.name)
@WITH_EACH
async def test_whatever_a_body_raises_is_its_own_calls_error(
    kind: str, body: Tool, siblings: int
) -> None:
    calls = [call(body.name, kind=kind), *[call("fine")] * siblings]
    model = ScriptedModel([calls, "done"])
    agent = Agent(model, [body, fine], checkpointer=memory_checkpointer())

    events = await watched(agent)

    started = [each.tool_call_id for each in events if isinstance(each, ToolStartEvent)]
    ended = {e.tool_call_id: e for e in events if isinstance(e, ToolCompleteEvent)}
    assert sorted(ended) == sorted(started)
    assert len(started) == 1 + siblings
    results = [message for message in model.requests[-1].messages if message.role == "tool"]
    assert len(results) == 1 + siblings
    assert results[0].content.startswith("Error: ")
    assert {each.content for each in results[1:]} <= {"fine"}
    assert events[-1].event_type == "terminate"
    assert getattr(events[-1], "reason", "") == "complete"


@pytest.mark.parametrize("siblings", [0, 1])
@pytest.mark.parametrize("body", [awaits_a_cancelled_task, cancels_itself], ids=lambda b: b.name)
async def test_a_cancellation_that_is_not_the_runs_ends_its_call_only(
    body: Tool, siblings: int
) -> None:
    calls = [call(body.name, kind="x"), *[call("fine")] * siblings]
    agent = Agent(ScriptedModel([calls, "done"]), [body, fine])

    with anyio.fail_after(20):
        result = await agent.arun("go")

    assert result.text == "done"
    assert [each.outcome for each in result.tool_executions] == ["error", *["ok"] * siblings]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("siblings", [0, 1])
async def test_the_runs_own_cancellation_still_ends_it(siblings: int) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "never"

    agent = Agent(ScriptedModel([[call("wait"), *[call("fine")] * siblings]]), [wait, fine])
    task = asyncio.create_task(agent.arun("go"))
    await begun.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


@WITH_EACH
async def test_a_reconciliation_that_raises_anything_knows_nothing(kind: str) -> None:
    def ask(key: str, _: JsonObject) -> Reconciled:
        if len(asked) == 0:
            asked.append(key)
            raise made(kind)
        return NOT_DONE

    asked: list[str] = []

    @tool(idempotent=True, reconcile=ask)
    async def pay() -> str:
        """Fail in doubt."""
        raise ValueError("lost")

    agent = Agent(
        ScriptedModel([call("pay"), call("pay"), "done"]),
        [pay],
        checkpointer=memory_checkpointer(),
    )

    events = await watched(agent)

    assert asked
    assert events[-1].event_type == "interrupt"


@WITH_EACH
async def test_a_condition_that_raises_anything_stops_the_run_with_its_code(kind: str) -> None:
    def condition(_: Progress) -> bool:
        raise made(kind)

    agent = Agent(ScriptedModel(["done"]), termination=CustomCondition(condition))

    events = await watched(agent)

    assert getattr(events[-1], "error", None) is not None
    assert events[-1].error.code == "condition_failed"  # type: ignore[attr-defined]


@WITH_EACH
async def test_a_model_that_raises_anything_fails_the_run_and_cancels_nobody(kind: str) -> None:
    def answer(_: object) -> str:
        raise made(kind)

    events = await watched(Agent(FunctionModel(answer)))

    assert events[-1].event_type == "terminate"
    assert getattr(events[-1], "reason", "") == "error"


@WITH_EACH
async def test_a_system_prompt_that_raises_anything_fails_the_run(kind: str) -> None:
    def prompt(_: object) -> str:
        raise made(kind)

    kept = memory_checkpointer()
    agent = Agent(ScriptedModel(["done"]), system_prompt=prompt, checkpointer=kept)

    with anyio.fail_after(20):
        events = [event async for event in agent.run("go", thread_id="t")]
        again = [event async for event in agent.run("go", thread_id="t")]

    assert [getattr(each[-1], "reason", "") for each in (events, again)] == ["error", "error"]


@WITH_EACH
async def test_a_store_of_results_that_raises_anything_costs_no_result(kind: str) -> None:
    class Broken:
        async def put(self, _: str) -> str:
            raise made(kind)

        async def get(self, _: str) -> str | None:
            return None

    model = ScriptedModel([call("long"), "done"])

    @tool
    def long() -> str:
        """Say much."""
        return "x" * 1000

    agent = Agent(model, [long], max_tool_result_length=100, tool_result_store=Broken())

    assert (await agent.arun("go")).text == "done"
    assert "is not stored" in model.requests[-1].messages[-1].content


SCRIPT = """
import sys, time
from weft import Agent, tool
from weft.testing import ScriptedModel, call

@tool
def slow() -> str:
    "Take long."
    print("begun", flush=True)
    time.sleep(60)
    return "never"

Agent(ScriptedModel([call("slow"), "done"]), [slow]).run_sync("go")
print("went on", flush=True)
"""


def test_an_interrupt_from_the_keyboard_stops_a_script_that_runs_an_agent() -> None:
    script = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert script.stdout is not None
        assert script.stdout.readline() == "begun\n"
        script.send_signal(signal.SIGINT)
        out, error = script.communicate(timeout=40)
    finally:
        script.kill()
    assert "went on" not in out
    assert "KeyboardInterrupt" in error
    assert script.returncode != 0
